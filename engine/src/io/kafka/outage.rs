//! Whether the brokers answer: a state machine over the results of probes, with one change at each end of an outage.
//!
//! It sends no request itself.

use crate::runtime::report::Outage;
use std::time::{Duration, Instant};
use tripline_core::batch::Timestamp;

/// Brokers that answer, but not all that is asked of them, are an outage only after so long: a partition has no leader
/// for a moment whenever one moves.
const PARTIAL_AFTER: Duration = Duration::from_secs(5);

/// The result of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// The ends of all owned partitions were read.
    Answered,
    /// Brokers answer, but the ends of the owned partitions cannot be read.
    Partial(String),
    /// No broker answers.
    Silent(String),
}

/// A change that is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// An outage began.
    Began,
    /// The outage ended after so long.
    Ended(Duration),
}

/// The brokers as the probes see them.
#[derive(Debug, Default)]
pub(super) struct Outages {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Answering,
    /// They answer in part, and it is not an outage yet.
    Doubtful {
        since: (Instant, Timestamp),
    },
    Outage {
        since: (Instant, Timestamp),
    },
}

impl Outages {
    /// Takes the result of a probe. Returns the outage that stands then, and whether it has just begun or ended.
    pub(super) fn observe(
        &mut self,
        probe: Probe,
        now: (Instant, Timestamp),
    ) -> (Option<Outage>, Option<Change>) {
        let was_outage = matches!(self.state, State::Outage { .. });
        let began = match self.state {
            State::Answering => now,
            State::Doubtful { since } | State::Outage { since } => since,
        };
        let lasts = now.0.saturating_duration_since(began.0);
        let reason = match probe {
            Probe::Answered => {
                self.state = State::Answering;
                return (None, was_outage.then_some(Change::Ended(lasts)));
            }
            Probe::Partial(_) if !was_outage && lasts < PARTIAL_AFTER => {
                self.state = State::Doubtful { since: began };
                return (None, None);
            }
            Probe::Partial(reason) => {
                format!("brokers answer, but the ends of partitions cannot be read: {reason}")
            }
            Probe::Silent(reason) => format!("no broker answers: {reason}"),
        };
        self.state = State::Outage { since: began };
        (Some(Outage { since: began.1, reason }), (!was_outage).then_some(Change::Began))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changes of a series of probes, each at a second of its own.
    fn changes(probes: &[(u64, Probe)]) -> Vec<(u64, Change)> {
        let (mut outages, start) = (Outages::default(), Instant::now());
        let mut found = Vec::new();
        for (second, probe) in probes {
            let at = i64::try_from(second * 1_000).unwrap();
            let (_, change) =
                outages.observe(probe.clone(), (start + Duration::from_secs(*second), Timestamp(at)));
            found.extend(change.map(|change| (*second, change)));
        }
        found
    }

    fn silent() -> Probe {
        Probe::Silent("connection refused".to_owned())
    }

    fn partial() -> Probe {
        Probe::Partial("no leader".to_owned())
    }

    #[test]
    fn an_outage_begins_once_and_ends_once_however_often_it_is_probed() {
        let probes = [
            (0, Probe::Answered),
            (1, silent()),
            (2, silent()),
            // A broker that starts answers before its partitions have leaders.
            (5, partial()),
            (6, silent()),
            (20, partial()),
            (43, Probe::Answered),
            (44, Probe::Answered),
            (50, silent()),
            (51, Probe::Answered),
        ];
        let ended = |seconds| Change::Ended(Duration::from_secs(seconds));
        assert_eq!(
            changes(&probes),
            [(1, Change::Began), (43, ended(42)), (50, Change::Began), (51, ended(1))]
        );
    }

    #[test]
    fn a_partition_without_a_leader_is_an_outage_only_if_that_lasts() {
        assert_eq!(changes(&[(0, partial()), (3, partial()), (4, Probe::Answered), (6, partial())]), []);
        let probes = [(0, partial()), (3, partial()), (5, partial()), (9, partial()), (11, Probe::Answered)];
        assert_eq!(changes(&probes), [(5, Change::Began), (11, Change::Ended(Duration::from_secs(11)))]);
        assert_eq!(
            changes(&[(0, partial()), (1, silent())]),
            [(1, Change::Began)],
            "silence is not waited for"
        );
    }

    #[test]
    fn the_outage_tells_since_when_and_the_latest_reason() {
        let (mut outages, start) = (Outages::default(), Instant::now());
        let mut at = |second: u64, probe| {
            let time = Timestamp(i64::try_from(second).unwrap() * 1_000);
            outages.observe(probe, (start + Duration::from_secs(second), time)).0
        };
        assert_eq!(at(1, Probe::Answered), None);
        let outage = at(7, silent()).unwrap();
        assert_eq!(
            (outage.since, outage.reason.as_str()),
            (Timestamp(7_000), "no broker answers: connection refused")
        );
        let outage = at(9, partial()).unwrap();
        assert_eq!(outage.since, Timestamp(7_000));
        assert!(outage.reason.starts_with("brokers answer, but"), "{}", outage.reason);
        assert_eq!(at(12, Probe::Answered), None);
    }
}
