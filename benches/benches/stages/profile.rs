//! The profile score: its inputs from an account's rows of ten days, and the score from the inputs.

use crate::feed::Feed;
use criterion::{Criterion, Throughput};
use ndarray::{ArrayView2, ArrayViewMut1};
use std::hint::black_box;
use tripline_benches::load;
use tripline_core::event::Reference;
use tripline_core::ledger::RowRef;
use tripline_core::outputs::Outputs;
use tripline_core::profile::ProfileReader;
use tripline_core::settings::Settings;
use tripline_core::signals::NoSignals;
use tripline_models::model::Model;
use tripline_models::profile::{INPUTS, Profile};

const ACCOUNTS: u32 = 2_000;
const DAYS: usize = 10;
const PAYMENTS: usize = 1_024;

pub(crate) fn bench(criterion: &mut Criterion) {
    let count = ACCOUNTS as usize * 3 * DAYS;
    let mut feed = Feed::new(ACCOUNTS);
    let mut settings = feed.config.settings().clone();
    // With this model the ledgers keep rows of 90 days.
    settings.models = Settings::new("").models;
    let mut engine = load::engine(&feed.config, settings);
    let mut out = Outputs::default();
    for batch in feed.batches(count) {
        engine.step(&batch, &NoSignals, &mut out);
        out.clear();
    }
    // The same feed again, as events.
    let events = Feed::new(ACCOUNTS).events(count);
    let ledgers = engine.shard().ledgers();
    let mut reader =
        ProfileReader::new(feed.config.schema(), ledgers).expect("the load pack's rows keep amounts");
    let mut payments = Vec::new();
    for event in &events {
        reader.begin_day(event.at);
        if reader.reads(event)
            && let Some(row) = ledgers.find(event.account, Reference { id: event.id, event_type: None })
        {
            reader.observe(event);
            payments.push((row, event));
        }
    }
    let payments: Vec<(RowRef, _)> = payments.split_off(payments.len() - PAYMENTS);
    let mut inputs = vec![0.0; PAYMENTS * INPUTS.len()];
    let mut group = criterion.benchmark_group("profile");
    group.throughput(Throughput::Elements(PAYMENTS as u64));
    group.bench_function("inputs", |bencher| {
        bencher.iter(|| {
            for ((row, event), inputs) in payments.iter().zip(inputs.chunks_exact_mut(INPUTS.len())) {
                reader.read(ledgers, *row, event, inputs);
            }
            black_box(&inputs);
        });
    });
    let mut scores = vec![0.0; PAYMENTS];
    group.bench_function("score", |bencher| {
        let inputs = ArrayView2::from_shape((PAYMENTS, INPUTS.len()), &inputs).expect("a row a payment");
        bencher.iter(|| Profile.score(inputs, ArrayViewMut1::from(black_box(&mut scores[..]))));
    });
    group.finish();
}
