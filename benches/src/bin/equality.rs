//! Checks that `run` on a real Kafka, with a clean restart in the middle, gives the alerts and verdicts of `replay`
//! over the dumped topic, byte for byte: for three installations, each with a feed that has injected faults.

use clap::Parser;
use std::fs;
use std::path::{Path, PathBuf};
use tripline_benches::equal::compare;
use tripline_benches::kafka::{Broker, Failure, Stamp, Writer, asking};
use tripline_benches::service::{Installation, Process, create_output_topics, program};
use tripline_core::batch::Timestamp;
use tripline_core::simulate::{Campaigns, Fault, Faults, SimulatedEvent, Simulation, SimulationSettings};

/// Compares `run` on Kafka with `replay` of what it read.
#[derive(Parser)]
struct Arguments {
    /// Events of each installation.
    #[arg(long, default_value_t = 100_000)]
    events: u32,
    /// Only the installation of this name.
    #[arg(long)]
    only: Option<String>,
    /// Keep the files in this folder.
    #[arg(long)]
    keep: Option<PathBuf>,
}

/// An installation and its feed.
struct Case {
    name: &'static str,
    /// Its configuration; input and broker are replaced.
    config: &'static str,
    packs: &'static [&'static str],
    /// Whether the broker's clock stamps the input: then all events lie within the last hours.
    broker_clock: bool,
    /// Number of accounts by number of events.
    accounts: fn(u32) -> u32,
    seed: u64,
}

/// The lookback of the shipped pack is 90 days, with scores of profiles: the whole log is read again after the restart.
/// That of the load pack is a day: first over many days, most of which are not read again; then by the broker's clock.
const CASES: [Case; 3] = [
    Case {
        name: "cards",
        config: "deploy/examples/demo/tripline.yaml",
        packs: &["deploy/examples/demo/packs/cards.yaml"],
        broker_clock: false,
        accounts: |events| events / 100,
        seed: 11,
    },
    Case {
        name: "load",
        config: "benches/packs/tripline.yaml",
        packs: &["benches/packs/load.yaml"],
        broker_clock: false,
        accounts: |events| events / 50,
        seed: 12,
    },
    Case {
        name: "append",
        config: "benches/packs/tripline.yaml",
        packs: &["benches/packs/load.yaml"],
        broker_clock: true,
        accounts: |events| events,
        seed: 13,
    },
];

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let folder = tempfile::tempdir()?;
    let folder = arguments.keep.as_deref().unwrap_or(folder.path());
    let broker = Broker::start()?;
    let picked = |case: &&Case| arguments.only.as_ref().is_none_or(|name| name == case.name);
    for case in CASES.iter().filter(picked) {
        let folder = folder.join(case.name);
        fs::create_dir_all(&folder)?;
        Round { case, broker: &broker, folder: &folder, events: arguments.events, program: program()? }
            .run()?;
    }
    println!("equal");
    Ok(())
}

struct Round<'a> {
    case: &'a Case,
    broker: &'a Broker,
    folder: &'a Path,
    events: u32,
    program: PathBuf,
}

/// Number of records with an injected fault, by kind.
#[derive(Default)]
struct Faulty {
    out_of_order: u32,
    duplicates: u32,
    bad: u32,
    other: u32,
}

impl Round<'_> {
    fn run(&self) -> Result<(), Failure> {
        let (name, events) = (self.case.name, i64::from(self.events));
        let topic = format!("{name}.events");
        let stamp = if self.case.broker_clock { Stamp::LogAppendTime } else { Stamp::CreateTime };
        self.broker.topic(&topic, stamp)?;
        create_output_topics(self.broker, name)?;
        let config = self.configure()?;
        let (config, log) = (config.to_string_lossy(), self.folder.join("run.log"));
        let mut feed = self.simulation();
        let writer = Writer::new(&self.broker.address(), &topic, 5)?;
        let mut faults = Faulty::default();
        let asking = asking(&self.broker.address(), name)?;
        // The records are written before the start, so that the service is stopped while it reads them.
        let first = self.events / 2;
        self.load(&mut feed, &writer, first, &mut faults)?;
        let mut service = Process::start(&self.program, &["run", "--config", &config], &log)?;
        service.await_committed(&asking, &topic, events / 10)?;
        service.stop()?;
        let (stopped_after, _) = tripline_benches::kafka::progress(&asking, &topic)?;
        self.load(&mut feed, &writer, self.events - first, &mut faults)?;
        let mut service = Process::start(&self.program, &["run", "--config", &config], &log)?;
        service.await_committed(&asking, &topic, events)?;
        service.stop()?;
        println!(
            "{name}: {events} records, restarted after {stopped_after}; out of order {}, duplicates {}, bad {}, \
             otherwise faulty {}",
            faults.out_of_order, faults.duplicates, faults.bad, faults.other
        );
        compare(&self.program, (self.broker, name), &config, self.folder, None).map(drop)
    }

    /// The installation's configuration with this broker and these topics.
    fn configure(&self) -> Result<PathBuf, Failure> {
        let (name, address) = (self.case.name, self.broker.address());
        let clock = if self.case.broker_clock { "log_append_time" } else { "create_time" };
        let on = Installation {
            config: self.case.config,
            packs: self.case.packs,
            brokers: &address,
            clock,
            lateness: "24h",
            guarantee: "exactly_once",
            snapshots: "",
            workers: 2,
            instance: "0",
            client: "{}",
            http: 0,
        };
        on.write(name, &format!("{name}.events"), name, self.folder)
    }

    fn simulation(&self) -> Simulation {
        let accounts = (self.case.accounts)(self.events).max(100);
        // Event time of these events: there are three per account and day.
        let days = f64::from(self.events) / (3.0 * f64::from(accounts));
        let span = i64::from(self.events) * 86_400_000 / (3 * i64::from(accounts));
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_millis()).unwrap_or(0);
        let start = if self.case.broker_clock { now - span * 2 } else { tripline_benches::records::START.0 };
        let settings = SimulationSettings {
            campaigns: Campaigns::poisson(f64::from(self.events) / 500.0 / days),
            faults: Faults::rough(),
            ..SimulationSettings::new(self.case.seed, accounts, Timestamp(start))
        };
        Simulation::new(&settings)
    }

    fn load(
        &self,
        feed: &mut Simulation,
        writer: &Writer,
        count: u32,
        faults: &mut Faulty,
    ) -> Result<(), Failure> {
        let mut event = SimulatedEvent::default();
        for _ in 0..count {
            while !feed.next_before(Timestamp(i64::MAX / 4), &mut event) {}
            match event.fault {
                Some(Fault::OutOfOrder) => faults.out_of_order += 1,
                Some(Fault::Duplicate) => faults.duplicates += 1,
                Some(Fault::Bad) => faults.bad += 1,
                Some(_) => faults.other += 1,
                None => {}
            }
            writer.send(event.appended_at, event.account.as_bytes(), &event.value)?;
        }
        writer.finish()
    }
}
