//! The cost of a restart, a takeover and a snapshot, on a real Kafka and `tripline run` processes with exactly once.
//!
//! Probes are events that alert only if the ledger has the earlier ones. Their alerts show when a partition is judged
//! again and that nothing was lost: each must be read once, or the benchmark fails.

mod cost;
mod restart;
mod scale;
mod site;
mod stable;
mod stream;
mod takeover;

use clap::{Parser, Subcommand};
use tripline_benches::kafka::Failure;
use tripline_benches::report;

/// Measures how long `tripline run` takes to restart, and what its snapshots cost, on its own Apache Kafka.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    context: site::Context,
    /// Keep the results as benches/runs/NAME-PART.json.
    #[arg(long, global = true, value_name = "NAME")]
    record: Option<String>,
}

#[derive(Subcommand)]
enum What {
    /// Time from the start of a killed or stopped process to its first alert.
    Restart(restart::Restart),
    /// A process is killed for good: time until others alert in its partitions, and how long readers are blocked.
    Takeover(takeover::Takeover),
    /// One process compared with three; then one of the three is killed.
    Scale(scale::Scale),
    /// Latency and CPU time with and without snapshots.
    SnapshotCost(cost::Cost),
}

impl What {
    /// Names of the reports.
    fn names(&self) -> Vec<&'static str> {
        match self {
            What::Restart(restart) => restart.names(),
            What::Takeover(_) => vec!["takeover"],
            What::Scale(_) => vec!["scale", "scale-takeover"],
            What::SnapshotCost(_) => vec!["snapshot-cost"],
        }
    }
}

fn main() -> Result<(), Failure> {
    let Arguments { what, context, record } = Arguments::parse();
    let names = what.names();
    let place =
        |name: &str| record.as_ref().map(|record| report::place(&format!("{record}-{name}"))).transpose();
    let places = names.iter().map(|name| place(name)).collect::<Result<Vec<_>, Failure>>()?;
    let reports = match what {
        What::Restart(restart) => restart.measure(&context)?,
        What::Takeover(takeover) => takeover.measure(&context)?,
        What::Scale(scale) => scale.measure(&context)?,
        What::SnapshotCost(cost) => cost.measure(&context)?,
    };
    for (report, place) in reports.iter().zip(places) {
        println!("{report}");
        if let Some(place) = place {
            report.keep(&place)?;
            println!("kept as {}\n", place.display());
        }
    }
    Ok(())
}
