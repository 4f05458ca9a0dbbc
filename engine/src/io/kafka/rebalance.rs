//! Membership changes as data: the client's callback only records the change; the worker answers it after its batch is
//! processed and committed.
//!
//! Three cases need care. An answer to an older change must not undo a newer one, so changes have generations. During
//! close nobody is left to answer, so partitions are unassigned as soon as the client waits for an answer. Lost
//! partitions may already belong to another member, so they are unassigned at once and never committed.

use super::client::Health;
use crate::runtime::source::Generation;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, config::RDKafkaLogLevel};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// A client that is being closed either waits for the answer to a change, or is most likely closed within this time
/// without one. Otherwise its worker waits for ever, and the supervisor ends the process.
const CLOSED_WITHIN: Duration = Duration::from_millis(200);

/// A change of what a member owns, partitions in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Assigned(Generation, Vec<i32>),
    Revoked(Generation, Vec<i32>),
    Lost(Vec<i32>),
}

impl Change {
    fn is_of(&self, generation: Generation) -> bool {
        match self {
            Change::Assigned(of, _) | Change::Revoked(of, _) => *of == generation,
            Change::Lost(_) => false,
        }
    }
}

/// Changes that are not yet answered.
#[derive(Debug, Default)]
pub(super) struct Changes {
    queue: VecDeque<Change>,
    generation: u64,
    /// The change whose answer the client waits for.
    open: Option<Change>,
}

impl Changes {
    fn begin(&mut self, change: impl FnOnce(Generation) -> Change) {
        self.generation += 1;
        let change = change(Generation(self.generation));
        self.open = Some(change.clone());
        self.queue.push_back(change);
    }

    fn lost(&mut self, partitions: Vec<i32>) {
        self.open = None;
        self.queue.push_back(Change::Lost(partitions));
    }

    /// The next change for the worker.
    pub(super) fn next(&mut self) -> Option<Change> {
        self.queue.pop_front()
    }

    /// Answers this change. False if it no longer waits for an answer.
    pub(super) fn answer(&mut self, generation: Generation) -> bool {
        self.open.take_if(|change| change.is_of(generation)).is_some()
    }

    /// Delivers this change to the worker again, if it still waits for an answer.
    pub(super) fn again(&mut self, generation: Generation) {
        let open = self.open.iter().filter(|change| change.is_of(generation));
        self.queue.extend(open.cloned());
    }

    /// Answers the change that waits for an answer, if any, and returns it.
    pub(super) fn answer_any(&mut self) -> Option<Change> {
        self.queue.clear();
        self.open.take()
    }
}

/// The context of a worker's consumer.
pub(super) struct GroupContext {
    changes: Mutex<Changes>,
    closing: AtomicBool,
    /// An assignment was lost since the producer's last abort.
    has_lost: AtomicBool,
    health: Health,
}

impl GroupContext {
    pub(super) fn new(health: Health) -> GroupContext {
        let (closing, has_lost) = (AtomicBool::new(false), AtomicBool::new(false));
        GroupContext { changes: Mutex::default(), closing, has_lost, health }
    }

    /// Locked for a moment only, never across a poll.
    pub(super) fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().expect("no thread panics while it holds the changes")
    }

    /// Whether an assignment was lost that sent outputs or positions may belong to. Recorded before the client rejoins,
    /// so no generation of a later assignment is used without it.
    pub(super) fn has_lost(&self) -> bool {
        self.has_lost.load(Ordering::Acquire)
    }

    /// The producer has aborted whatever it had sent.
    pub(super) fn forget_loss(&self) {
        self.has_lost.store(false, Ordering::Release);
    }

    /// From now on partitions are unassigned without an answer of the worker, as soon as the client waits for one.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<i32> {
    let mut partitions: Vec<i32> = list.elements().iter().map(|element| element.partition()).collect();
    partitions.sort_unstable();
    partitions
}

/// Whether the client closes without an answer. Of two changes that were open when it was to close, it waits for one
/// answer only; the answer to the other would be dropped, and its sender would wait for ever.
fn is_closed_soon<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> bool {
    let began = Instant::now();
    while !consumer.closed() && began.elapsed() < CLOSED_WITHIN {
        std::thread::sleep(Duration::from_millis(1));
    }
    consumer.closed()
}

/// Unassigns partitions, for whichever rebalance protocol the group uses.
pub(super) fn unassign<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    list: &TopicPartitionList,
) -> Result<(), KafkaError> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
        _ => consumer.unassign(),
    }
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.health.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.health.error(&error, reason);
    }
}

impl ConsumerContext for GroupContext {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<GroupContext>,
        kind: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let assigning = kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let closing = self.closing.load(Ordering::Acquire);
        if closing && is_closed_soon(consumer) {
            return;
        }
        let lost = !assigning && consumer.assignment_lost();
        if !closing && !lost {
            let partitions = partitions(list);
            self.changes().begin(|generation| match assigning {
                true => Change::Assigned(generation, partitions),
                false => Change::Revoked(generation, partitions),
            });
            return;
        }
        if lost && !closing {
            self.has_lost.store(true, Ordering::Release);
            self.changes().lost(partitions(list));
        }
        let answered = if assigning {
            // Nobody is left to read them: an empty answer ends the rebalance.
            consumer.incremental_assign(&TopicPartitionList::new())
        } else {
            unassign(consumer, list)
        };
        if let Err(error) = answered {
            tracing::warn!(reason = %error, "partitions could not be unassigned; the group reassigns them after the session timeout");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_an_older_change_does_not_undo_a_newer_one() {
        let mut changes = Changes::default();
        changes.begin(|generation| Change::Revoked(generation, vec![1]));
        let Some(Change::Revoked(first, _)) = changes.next() else { panic!("a change was written down") };
        changes.begin(|generation| Change::Assigned(generation, vec![1, 2]));
        assert!(!changes.answer(first), "the revocation no longer stands");
        let Some(Change::Assigned(second, _)) = changes.next() else { panic!("the newer change follows") };
        assert!(changes.answer(second));
        assert!(!changes.answer(second), "it is answered once");
    }

    #[test]
    fn a_change_that_cannot_be_answered_yet_is_delivered_again_as_long_as_it_stands() {
        let mut changes = Changes::default();
        changes.begin(|generation| Change::Assigned(generation, vec![1]));
        let Some(Change::Assigned(first, _)) = changes.next() else { panic!("a change was written down") };
        changes.again(first);
        assert_eq!(changes.next(), Some(Change::Assigned(first, vec![1])));
        assert!(changes.answer(first));
        changes.again(first);
        assert_eq!(changes.next(), None, "it was answered");
    }

    #[test]
    fn what_is_lost_needs_no_answer_and_voids_the_open_one() {
        let mut changes = Changes::default();
        changes.begin(|generation| Change::Revoked(generation, vec![3]));
        changes.lost(vec![3]);
        let Some(Change::Revoked(generation, _)) = changes.next() else {
            panic!("a change was written down")
        };
        assert!(!changes.answer(generation));
        assert_eq!(changes.next(), Some(Change::Lost(vec![3])));
        assert_eq!(changes.answer_any(), None);
    }
}
