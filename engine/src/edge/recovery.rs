//! How a shard is filled from the log before it goes live. It knows where records lie, not what they mean.

use super::source::Position;
use std::time::Duration;
use tripline_core::batch::{Batch, Shard, Timestamp};

/// One filling of one shard; what arrives under an older ticket is not for the engine that is there now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// How far back the log must be read, in the log's own time before the committed record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// For rows, ms.
    pub rows_ms: i64,
    /// For verdicts, ms.
    pub verdicts_ms: i64,
}

/// What a filled shard holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Append time of the oldest record read back; `None` when there was none.
    pub held_from: Option<Timestamp>,
    /// The append time from which records were wanted.
    pub wanted_from: Option<Timestamp>,
    /// Older records were not read, and all appended from this time on were.
    pub skipped_before: Option<Timestamp>,
    /// Retention had already removed records that were wanted.
    pub truncated: bool,
    /// Input records read back.
    pub rows: u64,
    /// Verdicts read back.
    pub verdicts: u64,
}

/// What a filling gives, in this order: rows, verdicts, then ready.
#[derive(Debug)]
pub enum Recovered {
    /// Input records to insert without judging.
    Rows(Ticket, Batch),
    /// The shard's own committed verdicts.
    Verdicts(Ticket, Batch),
    /// All has been handed over.
    Ready(Ticket, Shard, History),
    /// It broke off; begin again with an empty engine.
    Failed(Ticket, Shard, String),
}

/// Fills shards beside the worker's thread.
pub trait Recovery {
    /// Begins to read back what lies before this position.
    fn begin(&mut self, at: &Position) -> Ticket;

    /// Gives the next piece, waiting at most so long. The queue behind it is bounded.
    fn next(&mut self, wait: Duration) -> Option<Recovered>;

    /// Stops a filling that nobody needs any more.
    fn cancel(&mut self, ticket: Ticket);
}

/// Picks a shard's committed verdicts out of its journal, each once.
///
/// Without transactions the journal may hold verdicts of records whose offset was never committed, and the same ones
/// again from the judging that followed. Both judgings give the same bytes in the same order, so a verdict counts when
/// its record lies before the committed offset and it comes after all that were taken.
#[derive(Debug)]
pub struct Journal {
    next: i64,
    latest: i64,
    /// Verdicts taken of the latest record.
    taken: Vec<Vec<u8>>,
}

impl Journal {
    /// Takes verdicts of the records before this offset.
    pub fn before(next: i64) -> Journal {
        Journal { next, latest: -1, taken: Vec::new() }
    }

    /// Whether to take this verdict of the record at offset `cause`.
    pub fn takes(&mut self, cause: i64, verdict: &[u8]) -> bool {
        if cause >= self.next || cause < self.latest {
            return false;
        }
        if cause > self.latest {
            self.latest = cause;
            self.taken.clear();
        }
        let new = self.taken.iter().all(|taken| taken != verdict);
        if new {
            self.taken.push(verdict.to_vec());
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_with_a_crash_in_it_gives_each_committed_verdict_once() {
        // Committed up to 9. The first run died while it wrote 7's second verdict; the next began again at 5.
        let log = [(3, "a"), (5, "b"), (7, "c"), (5, "b"), (7, "c"), (7, "d"), (8, "e"), (9, "f")];
        let mut journal = Journal::before(9);
        let taken: Vec<&str> = log
            .iter()
            .filter(|(cause, verdict)| journal.takes(*cause, verdict.as_bytes()))
            .map(|(_, verdict)| *verdict)
            .collect();
        assert_eq!(taken, ["a", "b", "c", "d", "e"]);
    }
}
