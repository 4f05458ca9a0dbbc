//! A worker's outputs on their way out: handed to a sink, and committed while the worker goes on judging.
//!
//! A commit takes several answers of the broker, tens of milliseconds. The sink goes away with it; what is judged meanwhile
//! waits here, in order, and follows when the sink is back. So a commit covers exactly what was sent before it, and there is
//! never more than one.
//!
//! What nobody is in a hurry for may be held: it goes out with more of its shard, or with the shard's next commit.

use crate::runtime::sink::{CommitError, Sink, SinkError};
use crate::runtime::source::Position;
use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use tripline_core::batch::ShardId;
use tripline_core::outputs::Outputs;

/// Outputs that may wait or be held, in bytes; beyond, there is no room.
const WAITING_BYTES_MAX: usize = 16 << 20;
/// Nothing is held beyond so many: what is judged during a commit must find room beside.
const HELD_BYTES_MAX: usize = WAITING_BYTES_MAX / 2;

/// A sink, or what waits for it to come back.
pub struct Outbox<K> {
    /// None while it is away.
    sink: Option<K>,
    courier: Courier<K>,
    /// How the last commit ended, until the worker asks.
    answer: Option<Result<(), CommitError>>,
    /// For the sink to be back, or to have room.
    waiting: VecDeque<Waiting>,
    /// For more of their shards, or a commit of these.
    held: BTreeMap<ShardId, Vec<Waiting>>,
    /// Of those that wait or are held.
    bytes: usize,
}

struct Waiting {
    shard: ShardId,
    out: Outputs,
    /// The first that is not handed over.
    from: usize,
}

/// A sink with what it is to commit.
struct Errand<K> {
    sink: K,
    next: Vec<Position>,
    wait: Duration,
}

/// A sink that is back, and how its commit ended.
type Answered<K> = (K, Result<(), CommitError>);

impl<K: Sink> Errand<K> {
    fn run(mut self) -> Answered<K> {
        let answer = self.sink.commit(&self.next, self.wait);
        (self.sink, answer)
    }
}

enum Courier<K> {
    Thread {
        errands: Sender<Errand<K>>,
        answered: Receiver<Answered<K>>,
    },
    /// One that goes a step when it is told to: to the broker, and back.
    ByHand {
        goes_on: Box<dyn FnMut() -> bool>,
        errand: Option<Errand<K>>,
        answered: Option<Answered<K>>,
    },
}

impl<K: Sink> Courier<K> {
    fn send(&mut self, out: Errand<K>) {
        match self {
            Courier::Thread { errands, .. } => {
                errands.send(out).expect("the thread waits for errands as long as the outbox stands");
            }
            Courier::ByHand { errand, .. } => *errand = Some(out),
        }
    }

    /// The sink, if it is back within this time. By hand, any time is long enough.
    fn back(&mut self, within: Duration) -> Option<Answered<K>> {
        match self {
            Courier::Thread { answered, .. } => match answered.recv_timeout(within) {
                Ok(back) => Some(back),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => panic!("a commit that panics ends its worker"),
            },
            Courier::ByHand { goes_on, errand, answered } => {
                while errand.is_some() || answered.is_some() {
                    if within.is_zero() && !goes_on() {
                        return None;
                    }
                    match errand.take() {
                        Some(errand) => *answered = Some(errand.run()),
                        None => return answered.take(),
                    }
                }
                None
            }
        }
    }
}

impl<K: Sink> Outbox<K> {
    /// Commits on a thread of its own, which ends with the outbox. A commit under way ends by itself then, as after a kill.
    pub fn aside(sink: K, worker: usize) -> Outbox<K>
    where
        K: Send + 'static,
    {
        let (errands, taken) = channel::<Errand<K>>();
        let (answers, answered) = channel();
        let work = move || {
            for errand in taken {
                // The worker has ended without waiting when nobody receives.
                if answers.send(errand.run()).is_err() {
                    break;
                }
            }
        };
        let name = format!("tripline-commit-{worker}");
        std::thread::Builder::new().name(name).spawn(work).expect("the system can start a thread");
        Outbox::new(sink, Courier::Thread { errands, answered })
    }

    /// Commits by steps, when the worker looks and `goes_on` says so: to the broker, and back. For tests and simulations.
    pub fn by_hand(sink: K, goes_on: impl FnMut() -> bool + 'static) -> Outbox<K> {
        Outbox::new(sink, Courier::ByHand { goes_on: Box::new(goes_on), errand: None, answered: None })
    }

    fn new(sink: K, courier: Courier<K>) -> Outbox<K> {
        Outbox {
            sink: Some(sink),
            courier,
            answer: None,
            waiting: VecDeque::new(),
            held: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Keeps outputs of a shard until more of it is sent, or it is committed. False when there is no room for them here.
    pub fn hold(&mut self, shard: ShardId, out: &Outputs) -> bool {
        let has_room = self.bytes + size(out) <= HELD_BYTES_MAX;
        // What was undone is judged again, and this with it.
        if has_room && !self.is_undone() {
            self.bytes += size(out);
            self.held.entry(shard).or_default().push(Waiting { shard, out: out.clone(), from: 0 });
        }
        has_room
    }

    /// Takes outputs of a shard, from record number `from` on. Gives the number of the first that found no room:
    /// `out.records.len()` when all were taken.
    ///
    /// # Errors
    /// As [`Sink::send`].
    pub fn send(&mut self, shard: ShardId, out: &Outputs, from: usize) -> Result<usize, SinkError> {
        self.let_go(shard);
        self.look(Duration::ZERO)?;
        if from == out.records.len() || self.is_undone() {
            // What was undone is judged again, and this with it.
            return Ok(out.records.len());
        }
        match &mut self.sink {
            Some(sink) if self.waiting.is_empty() => sink.send(shard, out, from),
            // What waits is older.
            Some(_) => Ok(from),
            None if self.bytes + size(out) > WAITING_BYTES_MAX => Ok(from),
            None => {
                self.bytes += size(out);
                self.waiting.push_back(Waiting { shard, out: out.clone(), from });
                Ok(out.records.len())
            }
        }
    }

    /// Begins to commit these positions, with all that was sent and what is held of their shards, see [`Sink::commit`].
    /// They are those of every shard that anything was sent of since the last commit. False when not all has found room
    /// yet: nothing was begun.
    ///
    /// # Errors
    /// As [`Sink::send`].
    ///
    /// # Panics
    /// When a commit is under way.
    pub fn commit(&mut self, next: &[Position], wait: Duration) -> Result<bool, SinkError> {
        next.iter().for_each(|at| self.let_go(at.shard));
        self.follow()?;
        if !self.waiting.is_empty() {
            return Ok(false);
        }
        let sink = self.sink.take().expect("one commit at a time");
        self.courier.send(Errand { sink, next: next.to_vec(), wait });
        Ok(true)
    }

    /// How the commit ended, once, if it ends within this time. What waited follows, unless it was undone.
    ///
    /// # Errors
    /// As [`Sink::send`].
    pub fn outcome(&mut self, within: Duration) -> Result<Option<Result<(), CommitError>>, SinkError> {
        self.look(within)?;
        Ok(self.answer.take())
    }

    /// Gives up everything since the last commit, see [`Sink::abort`]. Waits for the end of a commit under way.
    ///
    /// # Errors
    /// As [`Sink::abort`].
    pub fn abort(&mut self) -> Result<bool, SinkError> {
        self.take_back(Duration::MAX);
        self.answer = None;
        let waited = !self.waiting.is_empty() || !self.held.is_empty();
        self.drop_waiting();
        let undone = self.sink.as_mut().expect("it is back").abort()?;
        Ok(undone || waited)
    }

    /// Whether a commit is under way: until it ends nothing can be given up.
    pub fn is_away(&self) -> bool {
        self.sink.is_none()
    }

    fn is_undone(&self) -> bool {
        matches!(&self.answer, Some(Err(fault)) if !matches!(fault, CommitError::Again(_)))
    }

    fn drop_waiting(&mut self) {
        self.waiting.clear();
        self.held.clear();
        self.bytes = 0;
    }

    /// What is held of a shard is now to follow.
    fn let_go(&mut self, shard: ShardId) {
        self.waiting.extend(self.held.remove(&shard).into_iter().flatten());
    }

    fn look(&mut self, within: Duration) -> Result<(), SinkError> {
        self.take_back(within);
        self.follow()
    }

    /// Takes the sink back, if it ends its commit within this time.
    fn take_back(&mut self, within: Duration) {
        if self.sink.is_none()
            && let Some((sink, answer)) = self.courier.back(within)
        {
            self.sink = Some(sink);
            self.answer = Some(answer);
            if self.is_undone() {
                self.drop_waiting();
            }
        }
    }

    /// Hands over what waited, as far as there is room.
    fn follow(&mut self) -> Result<(), SinkError> {
        let Some(sink) = &mut self.sink else { return Ok(()) };
        while let Some(first) = self.waiting.front_mut() {
            first.from = sink.send(first.shard, &first.out, first.from)?;
            if first.from < first.out.records.len() {
                break;
            }
            self.bytes -= size(&first.out);
            self.waiting.pop_front();
        }
        Ok(())
    }
}

fn size(out: &Outputs) -> usize {
    let headers: usize = out.headers.iter().map(|(_, value)| value.len()).sum();
    out.bytes.len() + headers + size_of_val(&out.records[..]) + size_of_val(&out.headers[..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;
    use tripline_core::outputs::{Output, Topic};

    const SHARD: ShardId = ShardId { space: 0, partition: 3 };

    /// What reached the sink: values as they were sent, `|` for a commit, `x` for an abort.
    #[derive(Clone, Default)]
    struct Told(Rc<RefCell<String>>);

    struct Telling {
        told: Told,
        answer: Result<(), fn(String) -> CommitError>,
    }

    impl Sink for Telling {
        fn send(&mut self, _: ShardId, out: &Outputs, from: usize) -> Result<usize, SinkError> {
            for output in &out.records[from..] {
                self.told.0.borrow_mut().push_str(std::str::from_utf8(out.value(output)).unwrap());
            }
            Ok(out.records.len())
        }

        fn commit(&mut self, _: &[Position], _: Duration) -> Result<(), CommitError> {
            self.told.0.borrow_mut().push('|');
            self.answer.map_err(|fault| fault("planted".to_owned()))
        }

        fn abort(&mut self) -> Result<bool, SinkError> {
            self.told.0.borrow_mut().push('x');
            Ok(false)
        }
    }

    /// An outbox, what reaches its sink, and the steps that its commits may go.
    fn outbox(answer: Result<(), fn(String) -> CommitError>) -> (Outbox<Telling>, Told, Rc<Cell<usize>>) {
        let (told, steps) = (Told::default(), Rc::new(Cell::new(0_usize)));
        let left = Rc::clone(&steps);
        let goes_on = move || {
            let before = left.get();
            left.set(before.saturating_sub(1));
            before > 0
        };
        (Outbox::by_hand(Telling { told: told.clone(), answer }, goes_on), told, steps)
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
    fn what_is_held_goes_out_in_order_with_more_of_its_shard_or_with_its_commit() {
        let (mut outbox, told, _) = outbox(Ok(()));
        let other = ShardId { space: 0, partition: 4 };
        assert!(outbox.hold(SHARD, &outputs(&["a"])) && outbox.hold(other, &outputs(&["b"])));
        assert!(outbox.hold(SHARD, &outputs(&["c"])));
        assert_eq!(*told.0.borrow(), "");
        assert_eq!(outbox.send(SHARD, &outputs(&["d"]), 0).unwrap(), 1);
        assert_eq!(*told.0.borrow(), "acd");
        begin(&mut outbox);
        assert!(matches!(outbox.outcome(Duration::MAX).unwrap(), Some(Ok(()))));
        assert_eq!(*told.0.borrow(), "acd|", "another shard's commit");
        let next = [Position { shard: other, next: 9, note: String::new() }];
        assert!(outbox.commit(&next, Duration::ZERO).unwrap());
        assert!(matches!(outbox.outcome(Duration::MAX).unwrap(), Some(Ok(()))));
        assert_eq!(*told.0.borrow(), "acd|b|");
    }

    #[test]
    fn what_is_held_leaves_room_for_what_is_sent_during_a_commit() {
        let (mut outbox, _, _) = outbox(Ok(()));
        let out = outputs(&[&"x".repeat(WAITING_BYTES_MAX / 8)]);
        let held = (0..10).filter(|_| outbox.hold(SHARD, &out)).count();
        assert_eq!(held, 3, "a fourth has no room beside what a record takes");
        let next = [Position { shard: ShardId { space: 0, partition: 4 }, next: 9, note: String::new() }];
        assert!(outbox.commit(&next, Duration::ZERO).unwrap());
        assert_eq!(outbox.send(next[0].shard, &out, 0).unwrap(), 1);
    }

    #[test]
    fn what_is_held_is_given_up_with_the_rest() {
        let (mut outbox, told, _) = outbox(Ok(()));
        assert!(outbox.hold(SHARD, &outputs(&["a"])));
        assert!(outbox.abort().unwrap(), "its shard's engine is ahead of the log");
        begin(&mut outbox);
        assert!(matches!(outbox.outcome(Duration::MAX).unwrap(), Some(Ok(()))));
        assert_eq!(*told.0.borrow(), "x|");
    }

    fn begin(outbox: &mut Outbox<Telling>) {
        let next = [Position { shard: SHARD, next: 7, note: String::new() }];
        assert!(outbox.commit(&next, Duration::ZERO).unwrap());
    }

    #[test]
    fn what_is_sent_during_a_commit_follows_it_in_order() {
        let (mut outbox, told, steps) = outbox(Ok(()));
        assert_eq!(outbox.send(SHARD, &outputs(&["a", "b"]), 0).unwrap(), 2);
        begin(&mut outbox);
        assert_eq!(outbox.send(SHARD, &outputs(&["-", "c", "d"]), 1).unwrap(), 3);
        assert!(outbox.outcome(Duration::ZERO).unwrap().is_none());
        steps.set(1);
        assert_eq!(outbox.send(SHARD, &outputs(&["e"]), 0).unwrap(), 1);
        assert_eq!(*told.0.borrow(), "ab|", "the broker has committed, the answer is on its way");
        steps.set(1);
        assert!(matches!(outbox.outcome(Duration::ZERO).unwrap(), Some(Ok(()))));
        assert_eq!(outbox.send(SHARD, &outputs(&["f"]), 0).unwrap(), 1);
        assert_eq!(*told.0.borrow(), "ab|cdef");
        assert!(outbox.outcome(Duration::ZERO).unwrap().is_none(), "it is told once");
    }

    #[test]
    fn a_commit_that_was_undone_takes_what_waited_along() {
        let (mut outbox, told, _) = outbox(Err(CommitError::Aborted));
        begin(&mut outbox);
        outbox.send(SHARD, &outputs(&["a"]), 0).unwrap();
        assert!(matches!(outbox.outcome(Duration::MAX).unwrap().unwrap(), Err(CommitError::Aborted(_))));
        assert!(!outbox.abort().unwrap());
        assert_eq!(*told.0.borrow(), "|x");
    }

    #[test]
    fn a_commit_that_may_be_tried_again_keeps_what_waited() {
        let (mut outbox, told, _) = outbox(Err(CommitError::Again));
        begin(&mut outbox);
        outbox.send(SHARD, &outputs(&["a"]), 0).unwrap();
        assert!(matches!(outbox.outcome(Duration::MAX).unwrap().unwrap(), Err(CommitError::Again(_))));
        assert_eq!(*told.0.borrow(), "|a");
    }

    #[test]
    fn giving_up_during_a_commit_waits_for_its_end_and_leaves_nothing_behind() {
        let (mut outbox, told, _) = outbox(Ok(()));
        begin(&mut outbox);
        outbox.send(SHARD, &outputs(&["a"]), 0).unwrap();
        assert!(outbox.abort().unwrap(), "its shard's engine is ahead of the log");
        assert_eq!(*told.0.borrow(), "|x");
    }

    #[test]
    fn a_commit_that_hangs_bounds_what_waits() {
        let (mut outbox, told, steps) = outbox(Ok(()));
        let large = "x".repeat(WAITING_BYTES_MAX / 4);
        let out = outputs(&[&large]);
        begin(&mut outbox);
        let taken = (0..10).filter(|_| outbox.send(SHARD, &out, 0).unwrap() == 1).count();
        assert_eq!(taken, 3, "a fourth has no room beside what a record takes");
        assert!(!outbox.hold(SHARD, &out), "nor here");
        steps.set(2);
        assert_eq!(outbox.send(SHARD, &out, 0).unwrap(), 1, "there is room again");
        assert_eq!(told.0.borrow().len(), 1 + 4 * large.len());
    }
}
