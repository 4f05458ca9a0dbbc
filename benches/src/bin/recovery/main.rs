//! What a restart, a take-over and a snapshot take, on a real Kafka and real `tripline run`, exactly once.
//!
//! Probes (events that alert only where the ledger holds what came before) say when a partition is judged again, and
//! that nothing was lost: each must be read once, or the benchmark fails.

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

/// Measures how long `tripline run` takes to come back, and what its snapshots cost, on an Apache Kafka of its own.
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
    /// From the start of a process that was killed or stopped until its first alert.
    Restart(restart::Restart),
    /// A process is killed for good: until another alerts in its partitions, and how long readers wait.
    Takeover(takeover::Takeover),
    /// One process against three, and one of the three killed.
    Scale(scale::Scale),
    /// Latency and CPU with snapshots and without.
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
