//! How often a worker commits and lets time pass, and how long it may take to leave.

use crate::runtime::clock::Clock;
use std::time::Duration;

/// The times of a worker.
#[derive(Clone, Debug)]
pub struct Timings {
    /// Number of the worker in its process.
    pub worker: usize,
    /// How long judged records may wait for their commit.
    pub commit_interval: Duration,
    /// If alerts are visible only after their commit: the shortest time from a commit to the next one for a waiting
    /// alert.
    pub alert_gap: Option<Duration>,
    /// A batch of so many records means that more are waiting. Then no early commit begins for an alert: it would
    /// delay the alerts of the records behind it.
    pub batch_full: usize,
    /// How often time passes on an idle shard.
    pub tick: Duration,
    /// How long the last commit may take when a shard is revoked or the worker stops.
    pub leave_within: Duration,
    /// The clock of all of them.
    pub clock: Clock,
}

impl Default for Timings {
    fn default() -> Timings {
        Timings {
            worker: 0,
            commit_interval: Duration::from_millis(100),
            alert_gap: None,
            batch_full: usize::MAX,
            tick: Duration::from_secs(1),
            leave_within: Duration::from_secs(10),
            clock: Clock::default(),
        }
    }
}
