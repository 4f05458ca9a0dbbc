//! A shard that is filled again from the end of its log and from its own verdicts goes on as if nothing had happened,
//! but for accounts that were asleep: their newest row lies before what is read.

use crate::engine::{Published, Row};
use crate::generator::{Case, Dice, Record, long_case};
use crate::mapping::installed;
use crate::oracle::{DAY, HOUR};
use crate::seeds::seeds;
use std::sync::Arc;
use tripline_core::account_shard::AccountShard;
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::installation::Installation;
use tripline_core::outputs::{Outputs, Topic};
use tripline_core::results::{Collect, EventResult, EventResults};
use tripline_core::settings::Settings;
use tripline_core::spaces::DerivedShards;
use tripline_core::verdict::Recorded;

const STREAMS: u64 = 1_500;

/// How a stream is run.
struct Shop {
    installation: Arc<Installation>,
}

/// A shard and all that it has said.
struct ShardRun {
    engine: AccountShard,
    published: Vec<Published>,
    rows: Vec<Row>,
}

impl Shop {
    fn of(case: &Case, dice: &mut Dice) -> Shop {
        let settings = Settings {
            topic: "laws.events".to_owned(),
            lateness_ms: case.settings.lateness,
            retention_ms: case.settings.retention,
            rows_per_ledger: u16::try_from(case.settings.rows_max).expect("caps are small"),
            totals_threshold: dice.pick(&[0, 7, usize::MAX]),
            models: dice.percent(60).then(|| "profile".to_owned()).into_iter().collect(),
            features: true,
            ..Settings::new("laws")
        };
        let mapping = if case.settings.labels { &installed().labelled } else { &installed().mapping };
        let installation =
            Installation::compile(&installed().schema, &installed().account, mapping, settings)
                .expect("the mapping fits the schema");
        Shop { installation: Arc::new(installation) }
    }

    fn open(&self) -> ShardRun {
        ShardRun { engine: AccountShard::new(&self.installation), published: Vec::new(), rows: Vec::new() }
    }

    /// A shard filled again as of a record, from the log's end and from what an earlier run had published.
    fn fill(&self, before: &[Record], published: &[Published]) -> (ShardRun, usize) {
        let mut run = self.open();
        let newest = before.last().and_then(|record| record.appended).expect("logs here have append times");
        let since = newest - self.installation.lookback().input_ms;
        let read = before.iter().position(|record| record.appended >= Some(since)).expect("the last one is");
        if read > 0 {
            run.engine.skip_before(Timestamp(since));
        }
        run.engine.restore(&batch(&before[read..]));
        let open_since = newest - self.installation.lookback().verdicts_ms;
        let journal = before.iter().filter(|record| record.appended >= Some(open_since));
        let first = journal.map(|record| record.offset).next().expect("the last one is");
        let is_read = |record: &&Published| record.topic == Topic::Verdicts && record.cause >= first;
        for verdict in published.iter().filter(is_read) {
            let recorded: Recorded = serde_json::from_slice(&verdict.value).expect("a verdict reads back");
            run.engine.shard_mut().fold(recorded.at, recorded.changes);
        }
        (run, read)
    }
}

/// Whether an account may have no event for two days after those that are not read. Records that are refused tell
/// nothing, and events are up to six hours older than their records; so this is on the safe side.
fn may_have_slept(records: &[Record], read: usize) -> bool {
    const REFUSED: usize = 3;
    let account = |record: &Record| record.key.clone();
    let times = |records: &[Record], of: &str| -> Vec<i64> {
        records.iter().filter(|record| record.key == of).filter_map(|record| record.appended).collect()
    };
    records[..read].iter().map(account).any(|account| {
        let (before, after) = (times(&records[..read], &account), times(&records[read..], &account));
        let newest = before[before.len().saturating_sub(REFUSED)];
        let next = after.get(REFUSED - 1).or(after.last());
        next.is_some_and(|next| next - newest >= 2 * DAY - 7 * HOUR)
    })
}

fn batch(records: &[Record]) -> Batch {
    let mut batch = Batch::new(ShardId::account(0));
    for record in records {
        batch.push(record.offset, record.appended.map(Timestamp), record.key.as_bytes(), &record.value);
    }
    batch
}

impl ShardRun {
    fn step(&mut self, records: &[Record]) {
        let (mut out, mut results) = (Outputs::default(), EventResults::new(Collect::Features));
        let mut derived = DerivedShards::new(self.engine.installation());
        self.engine.step_with(&batch(records), &mut derived.collecting(&mut results), &mut out);
        self.published.extend(out.records.iter().map(|output| Published {
            topic: output.topic,
            partition: 0,
            cause: output.cause,
            key: out.key(output).to_vec(),
            value: out.value(output).to_vec(),
            headers: out.headers(output).to_vec(),
        }));
        self.rows.extend(results.rows().iter().map(|line| Row {
            partition: 0,
            event: results.event(line).to_owned(),
            score: line.score,
            action: format!("{:?} {}", line.action, score_bits(&results, line)),
            features: results.features(line).iter().map(|feature| feature.to_bits()).collect(),
        }));
    }

    /// What was said from a record on, topic by topic, in words.
    fn since(&self, published: usize, rows: usize) -> Vec<String> {
        let mut since: Vec<&Published> = self.published[published..].iter().collect();
        since.sort_by_key(|record| record.topic);
        let words = since.into_iter().map(|record| {
            let value = String::from_utf8_lossy(&record.value);
            format!("{:?} {} {:?} {:?} {value}", record.topic, record.cause, record.key, record.headers)
        });
        words.chain(self.rows[rows..].iter().map(|row| format!("{row:?}"))).collect()
    }
}

#[test]
fn a_shard_filled_again_at_any_record_says_the_same_bytes() {
    let (mut skipped, mut alerts, mut silenced, mut slept) = (0, 0, 0, 0);
    for seed in seeds(5_000_000, STREAMS) {
        let case = long_case(seed);
        let mut dice = Dice::new(!seed);
        let shop = Shop::of(&case, &mut dice);
        let cut = 1 + dice.below(case.records.len() - 1);
        let mut steady = shop.open();
        case.records[..cut].iter().for_each(|record| steady.step(std::slice::from_ref(record)));
        let (published, rows) = (steady.published.len(), steady.rows.len());
        let (mut again, read) = shop.fill(&case.records[..cut], &steady.published);
        if may_have_slept(&case.records, read) {
            slept += 1;
            continue;
        }
        case.records[cut..].iter().for_each(|record| steady.step(std::slice::from_ref(record)));
        again.step(&case.records[cut..]);
        let (one, other) = (steady.since(published, rows), again.since(0, 0));
        for (one, other) in one.iter().zip(&other) {
            assert_eq!(one, other, "seed {seed}, filled again before record {cut}, read from {read}");
        }
        assert_eq!(one.len(), other.len(), "seed {seed}, filled again before record {cut}, read from {read}");
        skipped += u64::from(read > 0);
        alerts += steady.engine.counts().alerts;
        silenced += steady.engine.counts().suppressed;
    }
    println!(
        "restarts: {STREAMS} streams, {skipped} of a part of the log, {slept} with an account asleep, {alerts} alerts, \
         {silenced} silenced"
    );
    assert!(slept < STREAMS / 2, "{slept} streams were not compared");
    assert!(skipped > STREAMS / 20 && alerts > STREAMS && silenced > 0);
}

/// The bits of an event's model score, `u64::MAX` where no model runs.
fn score_bits(results: &EventResults, result: &EventResult) -> u64 {
    results.scores(result).first().map_or(u64::MAX, |score| score.to_bits())
}
