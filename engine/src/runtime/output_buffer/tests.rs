//! What reaches the sink, and when: what is postponed, what waits for a commit, what is undone with it.

use super::*;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tripline_core::outputs::{Output, Topic};

const SHARD: ShardId = ShardId::account(3);

/// What reached the sink: values as they were sent, `|` for a commit, `x` for an abort.
#[derive(Clone, Default)]
struct Sent(Rc<RefCell<String>>);

struct Recording {
    sent: Sent,
    answer: Result<(), fn(String) -> CommitError>,
}

impl Sink for Recording {
    fn send(&mut self, _: ShardId, out: &Outputs, from: usize) -> Result<usize, SinkError> {
        for output in &out.records[from..] {
            self.sent.0.borrow_mut().push_str(std::str::from_utf8(out.value(output)).unwrap());
        }
        Ok(out.records.len())
    }

    fn commit(&mut self, _: &[Position], _: Duration) -> Result<(), CommitError> {
        self.sent.0.borrow_mut().push('|');
        self.answer.map_err(|error| error("planted".to_owned()))
    }

    fn abort(&mut self) -> Result<bool, SinkError> {
        self.sent.0.borrow_mut().push('x');
        Ok(false)
    }
}

/// A buffer, what reaches its sink, and the steps that its commits may go.
fn buffer(answer: Result<(), fn(String) -> CommitError>) -> (OutputBuffer<Recording>, Sent, Rc<Cell<usize>>) {
    let (sent, steps) = (Sent::default(), Rc::new(Cell::new(0_usize)));
    let left = Rc::clone(&steps);
    let may_step = move || {
        let before = left.get();
        left.set(before.saturating_sub(1));
        before > 0
    };
    (OutputBuffer::stepped(Recording { sent: sent.clone(), answer }, may_step), sent, steps)
}

fn outputs(values: &[&str]) -> Outputs {
    let mut out = Outputs::default();
    for value in values {
        let start = out.bytes.len();
        out.bytes.extend_from_slice(value.as_bytes());
        let value = start..out.bytes.len();
        out.records.push(Output { topic: Topic::Alerts, cause: 0, key: 0..0, value, headers: 0..0 });
    }
    out
}

#[test]
fn postponed_outputs_are_sent_in_order_with_more_of_their_shard_or_with_its_commit() {
    let (mut buffer, sent, _) = buffer(Ok(()));
    let other = ShardId::account(4);
    let (mut own, mut others) = (buffer.postponed(), buffer.postponed());
    assert!(buffer.postpone(&mut own, &outputs(&["a"])) && buffer.postpone(&mut others, &outputs(&["b"])));
    assert!(buffer.postpone(&mut own, &outputs(&["c"])));
    assert_eq!(*sent.0.borrow(), "");
    buffer.send_postponed(SHARD, &mut own);
    assert_eq!(buffer.send(SHARD, &outputs(&["d"]), 0).unwrap(), 1);
    assert_eq!(*sent.0.borrow(), "acd");
    begin(&mut buffer);
    assert!(matches!(buffer.answer(Duration::MAX).unwrap(), Some(Ok(()))));
    assert_eq!(*sent.0.borrow(), "acd|", "another shard's commit");
    buffer.send_postponed(other, &mut others);
    let next = [Position { shard: other, next: 9, note: String::new() }];
    assert!(buffer.commit(&next, Duration::ZERO).unwrap());
    assert!(matches!(buffer.answer(Duration::MAX).unwrap(), Some(Ok(()))));
    assert_eq!(*sent.0.borrow(), "acd|b|");
}

#[test]
fn postponed_outputs_leave_room_for_what_is_sent_during_a_commit() {
    let (mut buffer, _, _) = buffer(Ok(()));
    let mut postponed = buffer.postponed();
    let out = outputs(&[&"x".repeat(WAITING_BYTES_MAX / 8)]);
    let count = (0..10).filter(|_| buffer.postpone(&mut postponed, &out)).count();
    assert_eq!(count, 3, "a fourth has no room beside what a record takes");
    let next = [Position { shard: ShardId::account(4), next: 9, note: String::new() }];
    assert!(buffer.commit(&next, Duration::ZERO).unwrap());
    assert_eq!(buffer.send(next[0].shard, &out, 0).unwrap(), 1);
    drop(postponed);
    assert_eq!(buffer.bytes.get(), size(&out), "a shard that is released takes its outputs along");
}

#[test]
fn postponed_outputs_of_an_undone_commit_are_not_sent_into_the_next_transaction() {
    let (mut buffer, sent, steps) = buffer(Err(CommitError::Aborted));
    let mut postponed = buffer.postponed();
    assert!(buffer.postpone(&mut postponed, &outputs(&["a"])));
    begin(&mut buffer);
    steps.set(2);
    buffer.send(SHARD, &outputs(&["b"]), 0).unwrap();
    buffer.send_postponed(SHARD, &mut postponed);
    buffer.send(SHARD, &outputs(&["c"]), 0).unwrap();
    assert_eq!(*sent.0.borrow(), "|");
}

fn begin(buffer: &mut OutputBuffer<Recording>) {
    let next = [Position { shard: SHARD, next: 7, note: String::new() }];
    assert!(buffer.commit(&next, Duration::ZERO).unwrap());
}

#[test]
fn what_is_sent_during_a_commit_follows_it_in_order() {
    let (mut buffer, sent, steps) = buffer(Ok(()));
    assert_eq!(buffer.send(SHARD, &outputs(&["a", "b"]), 0).unwrap(), 2);
    begin(&mut buffer);
    assert_eq!(buffer.send(SHARD, &outputs(&["-", "c", "d"]), 1).unwrap(), 3);
    assert!(buffer.answer(Duration::ZERO).unwrap().is_none());
    steps.set(1);
    assert_eq!(buffer.send(SHARD, &outputs(&["e"]), 0).unwrap(), 1);
    assert_eq!(*sent.0.borrow(), "ab|", "the broker has committed, the answer is on its way");
    steps.set(1);
    assert!(matches!(buffer.answer(Duration::ZERO).unwrap(), Some(Ok(()))));
    assert_eq!(buffer.send(SHARD, &outputs(&["f"]), 0).unwrap(), 1);
    assert_eq!(*sent.0.borrow(), "ab|cdef");
    assert!(buffer.answer(Duration::ZERO).unwrap().is_none(), "it is given once");
}

#[test]
fn a_commit_that_was_undone_takes_what_waited_along() {
    let (mut buffer, sent, _) = buffer(Err(CommitError::Aborted));
    begin(&mut buffer);
    buffer.send(SHARD, &outputs(&["a"]), 0).unwrap();
    assert!(matches!(buffer.answer(Duration::MAX).unwrap().unwrap(), Err(CommitError::Aborted(_))));
    assert!(!buffer.abort().unwrap());
    assert_eq!(*sent.0.borrow(), "|x");
}

#[test]
fn a_commit_that_may_be_tried_again_keeps_what_waited() {
    let (mut buffer, sent, _) = buffer(Err(CommitError::Again));
    begin(&mut buffer);
    buffer.send(SHARD, &outputs(&["a"]), 0).unwrap();
    assert!(matches!(buffer.answer(Duration::MAX).unwrap().unwrap(), Err(CommitError::Again(_))));
    assert_eq!(*sent.0.borrow(), "|a");
}

#[test]
fn giving_up_during_a_commit_waits_for_its_end_and_leaves_nothing_behind() {
    let (mut buffer, sent, _) = buffer(Ok(()));
    begin(&mut buffer);
    buffer.send(SHARD, &outputs(&["a"]), 0).unwrap();
    assert!(buffer.abort().unwrap(), "its shard's engine is ahead of the log");
    assert_eq!(*sent.0.borrow(), "|x");
}

#[test]
fn a_commit_that_hangs_bounds_what_waits() {
    let (mut buffer, sent, steps) = buffer(Ok(()));
    let large = "x".repeat(WAITING_BYTES_MAX / 4);
    let out = outputs(&[&large]);
    begin(&mut buffer);
    let taken = (0..10).filter(|_| buffer.send(SHARD, &out, 0).unwrap() == 1).count();
    assert_eq!(taken, 3, "a fourth has no room beside what a record takes");
    let mut postponed = buffer.postponed();
    assert!(!buffer.postpone(&mut postponed, &out), "nor here");
    steps.set(2);
    assert_eq!(buffer.send(SHARD, &out, 0).unwrap(), 1, "there is room again");
    assert_eq!(sent.0.borrow().len(), 1 + 4 * large.len());
}
