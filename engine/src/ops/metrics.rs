//! Numbers for operators, in Prometheus' text format. Updated per batch, never per event.

use crate::names::{header, metric, topic_label};
use crate::runtime::report::Rebalance;
use crate::runtime::sink::CommitError;
use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder, core::Collector,
};
use std::time::Duration;
use tripline_core::batch::ShardId;
use tripline_core::counts::Counts;
use tripline_core::outputs::{Outputs, Topic};

/// Upper bounds of step and commit times, seconds.
const SHORT_S: [f64; 12] = [5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 0.1, 0.5, 2.0];
/// Upper bounds of end-to-end times, seconds.
const LONG_S: [f64; 14] = [1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0, 5.0, 30.0, 300.0, 3_600.0];
/// Upper bounds of the time to restore a shard, seconds.
const RESTORE_S: [f64; 9] = [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0];

/// The process's metrics. Cheap to share; each worker updates the same counters.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    events: IntCounter,
    batches: IntCounter,
    outputs: IntCounterVec,
    alerts: IntCounter,
    fired: IntCounterVec,
    suppressed: IntCounter,
    unresolved: IntCounter,
    ambiguous_times: IntCounter,
    dead_letters: IntCounterVec,
    late: IntCounter,
    duplicates: IntCounter,
    dropped: IntCounterVec,
    lag: IntGaugeVec,
    open_transaction: IntGaugeVec,
    step: Histogram,
    end_to_end: Histogram,
    commit: Histogram,
    commits: IntCounterVec,
    rebalances: IntCounterVec,
    restore: Histogram,
    restored: IntCounter,
    snapshots: IntCounterVec,
    snapshot_bytes: IntCounter,
    snapshot_time: Histogram,
    snapshot_age: prometheus::GaugeVec,
    shards: IntGaugeVec,
    keys_sampled: IntCounter,
    keys_misplaced: IntCounter,
    stalled: prometheus::Counter,
    brokers_reachable: IntGauge,
    broker_errors: IntCounter,
    keys: IntGaugeVec,
    bytes: IntGaugeVec,
    coverage: prometheus::GaugeVec,
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, made: Result<C, prometheus::Error>) -> C {
    let collector = made.expect("names are valid metric names");
    registry.register(Box::new(collector.clone())).expect("each name is registered once");
    collector
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl Metrics {
    /// All metrics, at zero.
    pub fn new() -> Metrics {
        let registry = Registry::new();
        let r = &registry;
        let counter = |name, help| registered(r, IntCounter::new(name, help));
        let seconds = |name, help| registered(r, prometheus::Counter::new(name, help));
        let gauge = |name, help| registered(r, IntGauge::new(name, help));
        let counters = |name, help, label| registered(r, IntCounterVec::new(Opts::new(name, help), &[label]));
        let gauges = |name, help, label| registered(r, IntGaugeVec::new(Opts::new(name, help), &[label]));
        let by_partition =
            |name, help| registered(r, prometheus::GaugeVec::new(Opts::new(name, help), &["partition"]));
        let times = |name, help, bounds: &[f64]| {
            registered(r, Histogram::with_opts(HistogramOpts::new(name, help).buckets(bounds.to_vec())))
        };
        Metrics {
            events: counter(metric::EVENTS, "Input records judged"),
            batches: counter(metric::BATCHES, "Batches judged"),
            outputs: counters(metric::OUTPUTS, "Published records by topic", "topic"),
            alerts: counter(metric::ALERTS, "Alerts raised"),
            fired: counters(metric::RULES_FIRED, "Firings by rule: live, shadow and suppressed", "rule"),
            suppressed: counter(metric::SUPPRESSED, "Events whose alert was suppressed by cooldowns"),
            unresolved: counter(metric::UNRESOLVED, "References without a row, or in another currency"),
            ambiguous_times: counter(metric::AMBIGUOUS_TIMES, "Local times read that occur twice or never"),
            dead_letters: counters(metric::DEAD_LETTERS, "Refused records by reason", "reason"),
            late: counter(metric::LATE, "Records that arrived later than the lateness"),
            duplicates: counter(metric::DUPLICATES, "Duplicate records"),
            dropped: counters(
                metric::DROPPED,
                "State dropped because a limit was reached: keys and their rows, rows beyond a key's cap, cooldowns, incidents, \
                 follow-ups, values of ranks",
                "kind",
            ),
            lag: gauges(metric::LAG, "Records not yet judged", "partition"),
            open_transaction: gauges(
                metric::OPEN_TRANSACTION,
                "Records after the first record of an open upstream transaction",
                "partition",
            ),
            step: times(metric::STEP, "Time to judge a batch", &SHORT_S),
            end_to_end: times(
                metric::END_TO_END,
                "From the broker's append to the outputs handed over, for the oldest record of each batch",
                &LONG_S,
            ),
            commit: times(metric::COMMIT, "Time of a commit, deliveries included", &SHORT_S),
            commits: counters(metric::COMMITS, "Commits by result", "result"),
            rebalances: counters(metric::REBALANCES, "Membership changes by kind", "kind"),
            restore: times(metric::RESTORE, "Time to restore a shard", &RESTORE_S),
            restored: counter(metric::RESTORED, "Log records read to restore shards"),
            snapshots: counters(metric::SNAPSHOTS, "Snapshots by result", "result"),
            snapshot_bytes: counter(metric::SNAPSHOT_BYTES, "Bytes of snapshots written"),
            snapshot_time: times(metric::SNAPSHOT_TIME, "Time to write a shard's snapshot", &RESTORE_S),
            snapshot_age: by_partition(metric::SNAPSHOT_AGE, "Age of the newest snapshot"),
            shards: gauges(metric::SHARDS, "Owned shards by phase", "phase"),
            keys_sampled: counter(
                metric::KEYS_SAMPLED,
                "Records whose partition was compared with their account",
            ),
            keys_misplaced: counter(
                metric::KEYS_MISPLACED,
                "Records in another partition than their account belongs to",
            ),
            stalled: seconds(metric::STALLED, "Time slowed by a full producer queue"),
            brokers_reachable: gauge(metric::BROKERS_REACHABLE, "1 while brokers answer; at 0, lag is stale"),
            broker_errors: counter(metric::BROKER_ERRORS, "Errors that brokers or the client reported"),
            keys: gauges(metric::KEYS, "Ledger keys held", "space"),
            bytes: gauges(metric::BYTES, "Counted bytes of ledgers", "space"),
            coverage: by_partition(metric::COVERAGE, "Share of the longest lookback that rows cover"),
            registry,
        }
    }

    /// A batch was judged in so long; its oldest record was appended `age` before the outputs were handed over.
    pub fn processed(&self, records: usize, step: Duration, age: Option<Duration>) {
        self.events.inc_by(records as u64);
        self.batches.inc();
        self.step.observe(step.as_secs_f64());
        if let Some(age) = age {
            self.end_to_end.observe(age.as_secs_f64());
        }
    }

    /// Outputs were handed over.
    pub fn published(&self, out: &Outputs) {
        for output in &out.records {
            self.outputs.with_label_values(&[topic_label(output.topic)]).inc();
            match output.topic {
                Topic::Late => self.late.inc(),
                Topic::DeadLetters => {
                    let reason = out.headers(output).iter().find(|(name, _)| *name == header::ERROR_REASON);
                    let reason = reason.map_or("unknown", |(_, reason)| reason);
                    self.dead_letters.with_label_values(&[reason]).inc();
                }
                Topic::Alerts => self.alerts.inc(),
                Topic::Verdicts => {}
            }
        }
    }

    /// A rule fired so many times.
    pub fn fired(&self, rule: &str, count: u64) {
        self.fired.with_label_values(&[rule]).inc_by(count);
    }

    /// What became of a shard's records: the counts now, and as they were reported before.
    pub fn counted(&self, now: &Counts, before: &Counts) {
        self.duplicates.inc_by(now.duplicates - before.duplicates);
        self.ambiguous_times.inc_by(now.ambiguous_times - before.ambiguous_times);
        self.suppressed.inc_by(now.suppressed - before.suppressed);
        self.unresolved.inc_by(now.unresolved_references - before.unresolved_references);
        for ((kind, now), (_, before)) in now.dropped.by_kind().into_iter().zip(before.dropped.by_kind()) {
            self.dropped.with_label_values(&[kind]).inc_by(now - before);
        }
        self.keys_sampled.inc_by(now.placed - before.placed);
        self.keys_misplaced.inc_by(now.misplaced - before.misplaced);
    }

    /// Records of a shard not yet judged.
    pub fn lag(&self, shard: ShardId, records: u64) {
        let gauge = self.lag.with_label_values(&[&shard.partition.to_string()]);
        gauge.set(i64::try_from(records).unwrap_or(i64::MAX));
    }

    /// Records of a shard that lie behind the beginning of an open transaction.
    pub fn open_transaction(&self, shard: ShardId, records: u64) {
        let gauge = self.open_transaction.with_label_values(&[&shard.partition.to_string()]);
        gauge.set(i64::try_from(records).unwrap_or(i64::MAX));
    }

    /// A shard is owned no more: its series end.
    pub fn released(&self, shard: ShardId) {
        // A series that was never begun cannot be ended; that is no error.
        let _ = self.open_transaction.remove_label_values(&[&shard.partition.to_string()]);
        let _ = self.lag.remove_label_values(&[&shard.partition.to_string()]);
        let _ = self.snapshot_age.remove_label_values(&[&shard.partition.to_string()]);
        let _ = self.coverage.remove_label_values(&[&shard.partition.to_string()]);
    }

    /// A commit came to an end.
    pub fn committed(&self, result: &Result<(), CommitError>, took: Duration) {
        let label = match result {
            Ok(()) => "committed",
            Err(CommitError::Again(_)) => "again",
            Err(CommitError::Aborted(_)) => "aborted",
            Err(CommitError::Unknown(_)) => "unknown",
            Err(CommitError::Permanent(_)) => "fatal",
        };
        self.commits.with_label_values(&[label]).inc();
        self.commit.observe(took.as_secs_f64());
    }

    /// A change of what a worker owns.
    pub fn rebalanced(&self, change: Rebalance) {
        let label = match change {
            Rebalance::Assigned => "assigned",
            Rebalance::Revoked => "revoked",
            Rebalance::Lost => "lost",
        };
        self.rebalances.with_label_values(&[label]).inc();
    }

    /// A shard was restored.
    pub fn restored(&self, records: u64, took: Duration) {
        self.restored.inc_by(records);
        self.restore.observe(took.as_secs_f64());
    }

    /// A snapshot was written.
    pub fn snapshot_written(&self, bytes: u64, took: Duration) {
        self.snapshots.with_label_values(&["written"]).inc();
        self.snapshot_bytes.inc_by(bytes);
        self.snapshot_time.observe(took.as_secs_f64());
    }

    /// A snapshot could not be written.
    pub fn snapshot_failed(&self) {
        self.snapshots.with_label_values(&["failed"]).inc();
    }

    /// A snapshot was refused during a restore.
    pub fn snapshot_refused(&self) {
        self.snapshots.with_label_values(&["refused"]).inc();
    }

    /// Time since a shard's newest snapshot began.
    pub fn snapshot_age(&self, shard: ShardId, age: Duration) {
        self.snapshot_age.with_label_values(&[&shard.partition.to_string()]).set(age.as_secs_f64());
    }

    /// Owned shards by phase.
    pub fn shards(&self, restoring: usize, live: usize) {
        self.shards.with_label_values(&["restoring"]).set(i64::try_from(restoring).unwrap_or(i64::MAX));
        self.shards.with_label_values(&["live"]).set(i64::try_from(live).unwrap_or(i64::MAX));
    }

    /// The source was slowed for so long.
    pub fn stalled(&self, time: Duration) {
        self.stalled.inc_by(time.as_secs_f64());
    }

    /// Whether the brokers answered when they were last asked.
    pub fn brokers_reachable(&self, are_reachable: bool) {
        self.brokers_reachable.set(i64::from(are_reachable));
    }

    /// A broker or the client reported an error.
    pub fn broker_error(&self) {
        self.broker_errors.inc();
    }

    /// What the ledgers of a key space hold more than was reported before; less is negative. Shards of one space add
    /// up.
    pub fn ledgers(&self, space: &str, keys: i64, bytes: i64) {
        self.keys.with_label_values(&[space]).add(keys);
        self.bytes.with_label_values(&[space]).add(bytes);
    }

    /// Share of the longest look back that a shard holds, 0 to 1.
    pub fn coverage(&self, shard: ShardId, share: f64) {
        self.coverage.with_label_values(&[&shard.partition.to_string()]).set(share);
    }

    /// Everything, in Prometheus' text format.
    pub fn text(&self) -> String {
        let mut bytes = Vec::new();
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut bytes)
            .expect("writing to memory does not fail, and every family has samples");
        String::from_utf8(bytes).expect("the text format is UTF-8")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tripline_core::outputs::Output;

    #[test]
    fn a_dead_letter_is_counted_under_its_reason() {
        let metrics = Metrics::new();
        let mut out = Outputs::default();
        out.headers.push((header::ERROR_REASON, "too_long".to_owned()));
        let (key, value) = (0..0, 0..0);
        out.records.push(Output { topic: Topic::DeadLetters, cause: 3, key, value, headers: 0..1 });
        metrics.published(&out);
        metrics.processed(5, Duration::from_micros(40), Some(Duration::from_millis(7)));
        let text = metrics.text();
        assert!(text.contains("tripline_dead_letters_total{reason=\"too_long\"} 1"), "{text}");
        assert!(text.contains("tripline_outputs_total{topic=\"dead_letters\"} 1"), "{text}");
        assert!(text.contains("tripline_events_total 5"), "{text}");
        assert!(text.contains("tripline_end_to_end_seconds_bucket{le=\"0.01\"} 1"), "{text}");
    }

    #[test]
    fn local_times_that_occur_twice_or_never_are_counted_once() {
        let metrics = Metrics::new();
        let now = Counts { ambiguous_times: 3, ..Counts::default() };
        metrics.counted(&now, &Counts::default());
        metrics.counted(&now, &now.clone());
        assert!(metrics.text().contains("tripline_ambiguous_times_total 3"), "{}", metrics.text());
    }

    #[test]
    fn dropped_state_is_counted_under_its_kind() {
        let metrics = Metrics::new();
        let (before, mut now) = (Counts::default(), Counts::default());
        (now.dropped.keys, now.dropped.cooldowns) = (7, 2);
        metrics.counted(&now, &before);
        metrics.counted(&now, &now.clone());
        let text = metrics.text();
        assert!(text.contains("tripline_dropped_state_total{kind=\"keys\"} 7"), "{text}");
        assert!(text.contains("tripline_dropped_state_total{kind=\"cooldowns\"} 2"), "{text}");
        assert!(text.contains("tripline_dropped_state_total{kind=\"incidents\"} 0"), "{text}");
    }

    #[test]
    fn a_shard_that_left_leaves_no_series_behind() {
        let metrics = Metrics::new();
        let shard = ShardId::account(3);
        metrics.lag(shard, 12);
        assert!(metrics.text().contains("tripline_lag_records{partition=\"3\"} 12"));
        metrics.released(shard);
        assert!(!metrics.text().contains("partition=\"3\""));
    }
}
