//! Picks a shard's committed verdicts out of its partition of the verdicts topic, each once.

/// Decides about each verdict that is read, in the order of the log.
///
/// Without transactions the topic may hold verdicts of records whose offset was never committed, and the same ones
/// again from the judging that followed. Both judgings give the same bytes in the same order, so a verdict counts when
/// its record lies before the committed offset and it comes after all that were taken.
#[derive(Debug)]
pub struct VerdictFilter {
    from: i64,
    next: i64,
    latest: i64,
    /// Verdicts taken of the latest record.
    taken: Vec<Vec<u8>>,
}

impl VerdictFilter {
    /// Takes verdicts of the records from the first offset on, before the second.
    pub fn between(from: i64, next: i64) -> VerdictFilter {
        VerdictFilter { from, next, latest: -1, taken: Vec::new() }
    }

    /// Whether to take this verdict of the record at offset `cause`.
    pub fn takes(&mut self, cause: i64, verdict: &[u8]) -> bool {
        if cause < self.from || cause >= self.next || cause < self.latest {
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
    fn a_log_with_a_crash_in_it_gives_each_committed_verdict_once() {
        // Committed up to 9. The first run died while it wrote 7's second verdict; the next began again at 5.
        let log = [(3, "a"), (5, "b"), (7, "c"), (5, "b"), (7, "c"), (7, "d"), (8, "e"), (9, "f")];
        let mut filter = VerdictFilter::between(5, 9);
        let taken: Vec<&str> = log
            .iter()
            .filter(|(cause, verdict)| filter.takes(*cause, verdict.as_bytes()))
            .map(|(_, verdict)| *verdict)
            .collect();
        assert_eq!(taken, ["b", "c", "d", "e"], "the snapshot holds what came before 5");
    }
}
