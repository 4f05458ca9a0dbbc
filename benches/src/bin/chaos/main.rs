//! Fault injection on a real Kafka: `tripline run` processes of one group are killed and stopped at random while a
//! bank's events stream in. For readers of committed records nothing may be lost, doubled or torn.
//!
//! Two checks verify it. A live reader of the alerts must see each id once. Afterwards alerts and verdicts must equal
//! `replay` of the dumped input, byte for byte. A run reports how many faults had an effect: kills in an open
//! transaction, kills while shards were restored, kills of the broker.

mod faults;
mod feed;
mod group;
mod member;
mod packs;
mod places;
mod run_counts;
mod snapshots;

use clap::Parser;
use faults::{Fault, FaultInjector};
use group::Group;
use run_counts::RunCounts;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tripline_benches::equal::{Alike, compare};
use tripline_benches::kafka::{Broker, Failure, Stamp, asking, ends};
use tripline_benches::load::read;
use tripline_benches::proxy::Proxy;
use tripline_benches::service::{create_output_topics, program};

/// The input topic and the prefix of the others.
const TOPIC: &str = "chaos.events";
const PREFIX: &str = "chaos";
/// How long the proxy delays the end of a transaction: longer than the service waits for a response.
const HELD_FOR: Duration = Duration::from_secs(7);
/// Every record must be committed within this time of the last one.
const SETTLED_WITHIN: Duration = Duration::from_secs(180);

/// Kills and stops `tripline run` on a real Kafka; exit 0 when nothing was lost, doubled or torn.
#[derive(Parser)]
struct Arguments {
    /// Number of faults.
    #[arg(long, default_value_t = 10)]
    faults: u32,
    /// Kinds of faults, drawn with equal probability.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "kill")]
    kinds: Vec<Fault>,
    /// Processes of the group.
    #[arg(long, default_value_t = 3)]
    processes: usize,
    /// Events a second.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Accounts of the bank.
    #[arg(long, default_value_t = 20_000)]
    accounts: u32,
    /// Seed of the faults and of the bank.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Add the counts to those in this file.
    #[arg(long)]
    report: Option<PathBuf>,
    /// Keep logs and dumped topics in this folder.
    #[arg(long)]
    keep: Option<PathBuf>,
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    if arguments.kinds.contains(&Fault::Broker)
        && arguments.kinds.iter().any(|kind| matches!(kind, Fault::Silent | Fault::Late | Fault::Place))
    {
        return Err("`broker` cannot be combined with `silent`, `late` or `place`".into());
    }
    let held = tempfile::tempdir()?;
    let folder = arguments.keep.as_deref().unwrap_or(held.path());
    std::fs::create_dir_all(folder)?;
    match run(&arguments, folder) {
        Ok(counts) => {
            println!("{counts}");
            arguments.report.as_deref().map_or(Ok(()), |path| counts.add_to(path))
        }
        Err(error) => {
            let held = held.keep();
            let folder = arguments.keep.as_ref().unwrap_or(&held);
            Err(format!("{error}\nlogs and dumped topics are in {}", folder.display()).into())
        }
    }
}

/// One run on its own broker. Logs and dumped topics go to the folder.
fn run(arguments: &Arguments, folder: &Path) -> Result<RunCounts, Failure> {
    let mut proxy = None;
    // A proxy accepts connections while the broker is down; clients then assume a broker of an old version.
    let is_needed = !arguments.kinds.contains(&Fault::Broker);
    let broker = Broker::start_behind(|port| {
        let started = Proxy::start(port, HELD_FOR)?;
        let to = if is_needed { started.port() } else { port };
        proxy = Some(started);
        Ok(to)
    })?;
    let proxy = proxy.ok_or("the broker has started, so there is a proxy")?;
    let mut counts = RunCounts::default();
    let done = chaos(arguments, (&broker, &proxy), folder, &mut counts);
    if done.is_err() {
        eprintln!("chaos: failed after {counts}");
        // The log is deleted with the broker.
        std::fs::copy(broker.log(), folder.join("broker.log"))?;
    }
    done.map(|()| counts)
}

/// Starts the group, injects the faults, and compares the output with `replay`.
fn chaos(
    arguments: &Arguments,
    (broker, proxy): (&Broker, &Proxy),
    folder: &Path,
    counts: &mut RunCounts,
) -> Result<(), Failure> {
    // Simulated days pass in seconds, so records have the simulation's timestamps.
    broker.topic(TOPIC, Stamp::CreateTime)?;
    create_output_topics(broker, PREFIX)?;
    let mut group = Group::new(program()?, broker, folder, arguments.processes)?;
    group.start_all()?;
    // A broker that is killed right after topics were created may lose them.
    group.wait(Duration::from_secs(5))?;
    let is_over = AtomicBool::new(false);
    let address = broker.address();
    let (written, live) = thread::scope(|scope| -> Result<_, Failure> {
        let writing =
            scope.spawn(|| feed::write(&address, arguments, &is_over).map_err(|error| error.to_string()));
        let reading = scope.spawn(|| feed::read(&address, &is_over).map_err(|error| error.to_string()));
        let done = FaultInjector::new(arguments, (broker, proxy), &mut group, counts).run();
        // The threads must end even after an error.
        is_over.store(true, Ordering::Release);
        let done = done.and_then(|()| group.start_all()).and_then(|()| {
            while !writing.is_finished() {
                group.wait(Duration::from_millis(50))?;
            }
            Ok(())
        });
        let written = writing.join().map_err(|_| "the writer panicked")?;
        let settled = done.and_then(|()| settle(&mut group, &address));
        let live = reading.join().map_err(|_| "the reader panicked")?;
        settled?;
        Ok((written?, live?))
    })?;
    group.stop_all()?;
    (counts.events, counts.gave_up) = (u64::from(written), group.gave_up());
    (counts.alerts, counts.doubled) = live;
    let [hash, other] =
        [0, 1].map(|pack| group.config(pack).map(|config| read(config).ruleset().hash().to_owned()));
    let alike = Alike { hash: &hash?, other: &other? };
    let alike = (counts.pack_changes > 0).then_some(&alike);
    let config = group.config(0)?.to_string_lossy();
    let others = compare(&program()?, (broker, PREFIX), &config, folder, alike)?;
    if counts.doubled > 0 {
        return Err(format!("{} alerts were read twice", counts.doubled).into());
    }
    let is_idle = counts.alerts == 0 || (counts.kills >= 10 && counts.kills_in_transaction == 0);
    // Without the feature `failpoints` the program never crashes at a place.
    let never_crashed = counts.not_reached > 0 && counts.crashes.is_empty();
    if is_idle || never_crashed || (counts.pack_changes > 0 && others == 0) {
        return Err(format!("too few faults had an effect: {counts}").into());
    }
    counts.runs = 1;
    Ok(())
}

/// Waits until every record is committed.
fn settle(group: &mut Group, address: &str) -> Result<(), Failure> {
    let asking = asking(address, PREFIX)?;
    let began = Instant::now();
    let goal = loop {
        match ends(&asking, TOPIC) {
            Ok(goal) => break goal,
            // A broker that has just started may not be the leader of all partitions yet.
            Err(_) if began.elapsed() < SETTLED_WITHIN => group.wait(Duration::from_millis(200))?,
            Err(error) => return Err(error.into()),
        }
    };
    loop {
        group.wait(Duration::from_millis(200))?;
        let now = tripline_benches::kafka::committed(&asking, TOPIC).unwrap_or_default();
        if !now.is_empty() && now.iter().zip(&goal).all(|(now, goal)| now >= goal) {
            return Ok(());
        }
        if began.elapsed() > SETTLED_WITHIN {
            return Err(format!("the group has committed {now:?} of {goal:?}").into());
        }
    }
}
