//! The whole step over a batch, from bytes to outputs, on ledgers with a day of 100,000 accounts.

use crate::feed::Feed;
use criterion::{BatchSize, Criterion, Throughput};
use tripline_benches::load;
use tripline_benches::records::{BATCH_RECORDS, START, empty};
use tripline_core::batch::Timestamp;
use tripline_core::outputs::Outputs;
use tripline_core::signals::NoSignals;

const ACCOUNTS: u32 = 100_000;
const PAST_MS: i64 = 26 * 3_600_000;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut feed = Feed::new(ACCOUNTS);
    let mut engine = load::engine(&feed.config, feed.config.settings().clone());
    let mut out = Outputs::default();
    let mut batch = empty();
    while feed.records.fill(&mut batch, BATCH_RECORDS, Timestamp(START.0 + PAST_MS)) {
        engine.step(&batch, &NoSignals, &mut out);
        out.clear();
    }
    let mut group = criterion.benchmark_group("step");
    group.throughput(Throughput::Elements(BATCH_RECORDS as u64));
    group.bench_function("batch", |bencher| {
        bencher.iter_batched(
            || feed.batches(BATCH_RECORDS),
            |batches| {
                for batch in &batches {
                    engine.step(batch, &NoSignals, &mut out);
                    out.clear();
                }
                // The drop is not part of a step.
                batches
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}
