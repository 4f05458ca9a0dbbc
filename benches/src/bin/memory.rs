//! `replay` from memory: events per core-second of one engine with the load pack, over records that are already in
//! memory. The ledgers of all accounts contain a day of rows before the measurement begins.

use clap::Parser;
use mimalloc::MiMalloc;
use tripline_benches::{cost, load, records};
use tripline_core::account_shard::AccountShard;
use tripline_core::batch::{Batch, Timestamp};
use tripline_core::outputs::Outputs;
use tripline_core::signals::NoSignals;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Events per core-second from memory.
#[derive(Parser)]
struct Arguments {
    /// Accounts of the bank.
    #[arg(long, default_value_t = 1_000_000)]
    accounts: u32,
    /// Events of a round.
    #[arg(long, default_value_t = 400_000)]
    events: usize,
    /// Number of rounds; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Hours of events before the first round.
    #[arg(long, default_value_t = 26)]
    past_hours: i64,
    /// Records of a batch.
    #[arg(long, default_value_t = records::BATCH_RECORDS)]
    batch: usize,
    /// Also score every payment with the profile model.
    #[arg(long)]
    profile: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let config = load::config();
    let mut settings = config.settings().clone();
    if !arguments.profile {
        settings.models.clear();
    }
    let mut engine = load::engine(&config, settings);
    let mut feed = records::Records::new(arguments.accounts);
    let mut out = Outputs::default();
    let mut batch = records::empty();
    let until = Timestamp(records::START.0 + arguments.past_hours * 3_600_000);
    while feed.fill(&mut batch, arguments.batch, until) {
        engine.step(&batch, &NoSignals, &mut out);
        out.clear();
    }
    let keys = engine.shard().ledgers().keys();
    println!(
        "{} events of past, {keys} accounts with rows, {:.0} MB resident",
        engine.counts().records,
        mb(cost::rss_bytes())
    );
    let mut rates = Vec::new();
    for round in 1..=arguments.rounds {
        let batches = feed.batches(arguments.events, arguments.batch);
        let (seconds, alerts) = run(&mut engine, &batches, &mut out);
        let rate = count(arguments.events) / seconds;
        println!(
            "round {round}: {rate:.0} events per core-second, {:.0} ns an event, {alerts} alerts",
            1e9 / rate
        );
        rates.push(rate);
    }
    println!("median of {}: {:.0} events per core-second", rates.len(), cost::median(&rates));
}

/// CPU seconds of this thread, and alerts.
fn run(engine: &mut AccountShard, batches: &[Batch], out: &mut Outputs) -> (f64, u64) {
    let alerts = engine.counts().alerts;
    let began = cost::thread_cpu_seconds();
    for batch in batches {
        engine.step(batch, &NoSignals, out);
        out.clear();
    }
    (cost::thread_cpu_seconds() - began, engine.counts().alerts - alerts)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^53")]
fn count(events: usize) -> f64 {
    events as f64
}

#[expect(clippy::cast_precision_loss, reason = "megabytes for people")]
fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
