//! End to end on a real Kafka: throughput of `tripline run` beside a bare consumer of the same records, or, open loop,
//! the time from an event's due time until its alert is read.

mod bare;
mod bench;
mod latency;
mod throughput;

use clap::{Parser, Subcommand};
use std::time::Duration;
use tripline_benches::kafka::Failure;
use tripline_benches::report;

/// Measures `tripline run` on its own Apache Kafka: events per CPU second beside a bare consumer's.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// Measure latency instead, open loop.
    #[arg(long)]
    latency: bool,
    /// The delivery guarantee.
    #[arg(long, value_enum, default_value = "exactly-once")]
    guarantee: bench::Guarantee,
    /// Measure the throughput under both guarantees instead, in turn.
    #[arg(long, conflicts_with_all = ["latency", "guarantee"])]
    both: bool,
    /// Events of a round; with --latency as many as the rate sends in 30 s.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1_000..))]
    events: Option<u32>,
    /// Accounts of the bank, each with a day of events in the ledgers before the first round.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(100..))]
    accounts: u32,
    /// Number of rounds; the median counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// With --latency: events a second.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// With --latency: seconds of warm-up rounds, which do not count.
    #[arg(long, default_value_t = 60)]
    warm_up: u64,
    /// Fraud campaigns per day for 1,000,000 accounts: 100 by default, and 24,000 with --latency, so that one event in
    /// a hundred alerts.
    #[arg(long)]
    campaigns: Option<f64>,
    /// Keep the result as benches/runs/NAME.json.
    #[arg(long, value_name = "NAME")]
    record: Option<String>,
}

#[derive(Subcommand)]
enum What {
    /// The bare consumer as a separate process.
    #[command(hide = true)]
    Bare { brokers: String, group: String, events: u64 },
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    if let Some(What::Bare { brokers, group, events }) = &arguments.what {
        return bare::run(brokers, group, *events);
    }
    let place = arguments.record.as_deref().map(report::place).transpose()?;
    let campaigns = arguments.campaigns.unwrap_or(if arguments.latency { 24_000.0 } else { 100.0 });
    let load = bench::Load { accounts: arguments.accounts, campaigns, guarantee: arguments.guarantee };
    let report = if arguments.latency {
        let events = arguments.events.unwrap_or(arguments.rate.saturating_mul(30));
        latency::measure(
            load,
            (arguments.rate, Duration::from_secs(arguments.warm_up)),
            events,
            arguments.rounds,
        )?
    } else if arguments.both {
        throughput::compare(load, arguments.events.unwrap_or(1_000_000), arguments.rounds)?
    } else {
        throughput::measure(load, arguments.events.unwrap_or(1_000_000), arguments.rounds)?
    };
    print!("{report}");
    if let Some(place) = place {
        report.keep(&place)?;
        println!("\nkept as {}", place.display());
    }
    Ok(())
}
