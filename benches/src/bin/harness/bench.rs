//! What both measurements use: a broker, a bank with a day of events in the topic, and the service, restored from them.

use std::fs;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tripline::names::metric;
use tripline::ops::status_client::{StatusClientError, get};
use tripline_benches::kafka::{Broker, Failure, Stamp, asking, await_committed, begin_at, ends};
use tripline_benches::records::{START, write_past};
use tripline_benches::service::{Installation, Process, create_output_topics, program};
use tripline_core::simulate::{Campaigns, Simulation, SimulationSettings};

/// The input topic.
pub(super) const TOPIC: &str = "load.events";
/// The prefix of the output topics, and the service's group.
pub(super) const PREFIX: &str = "load";
/// Workers of the service, and consumers of the bare process.
pub(super) const WORKERS: usize = 2;

/// Partitions of the input.
const PARTITIONS: usize = tripline_benches::kafka::PARTITIONS as usize;
/// The service is live within this time.
const LIVE_WITHIN: Duration = Duration::from_secs(600);

/// The bank.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) accounts: u32,
    /// Per day and 1,000,000 accounts.
    pub(super) campaigns: f64,
    pub(super) guarantee: Guarantee,
}

/// The delivery guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Guarantee {
    /// With transactions.
    ExactlyOnce,
    /// Without transactions.
    AtLeastOnce,
}

impl Guarantee {
    /// Its names in the configuration and in reports.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Guarantee::ExactlyOnce => ("exactly_once", "exactly once"),
            Guarantee::AtLeastOnce => ("at_least_once", "at least once"),
        }
    }
}

/// A broker, the feed of its input, and the live service with a day of events.
pub(super) struct Bench {
    pub(super) feed: Simulation,
    pub(super) service: Process,
    pub(super) asking: rdkafka::consumer::BaseConsumer,
    pub(super) folder: TempDir,
    /// Description of the load and the service, for reports.
    pub(super) about: String,
    /// Port of the service's metrics.
    http: u16,
    // Last, so that its clients are dropped before it.
    pub(super) broker: Broker,
}

impl Bench {
    /// Starts them and waits until the service is live.
    pub(super) fn start(load: Load) -> Result<Bench, Failure> {
        let program = program()?;
        let folder = tempfile::tempdir()?;
        let broker = Broker::start()?;
        // Simulated days pass in seconds, so records have the simulation's timestamps.
        broker.topic(TOPIC, Stamp::CreateTime)?;
        create_output_topics(&broker, PREFIX)?;
        let campaigns = Campaigns::poisson(load.campaigns * f64::from(load.accounts) / 1e6);
        let settings = SimulationSettings { campaigns, ..SimulationSettings::new(7, load.accounts, START) };
        let mut feed = Simulation::new(&settings);
        let past = write_past(&mut feed, &broker.address(), TOPIC)?;
        let asking = asking(&broker.address(), PREFIX)?;
        begin_at(&asking, TOPIC, &ends(&asking, TOPIC)?)?;
        let http = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let address = broker.address();
        let on = Installation {
            config: "benches/packs/tripline.yaml",
            packs: &["benches/packs/load.yaml"],
            brokers: &address,
            clock: "create_time",
            lateness: "1h",
            snapshots: "",
            workers: WORKERS,
            instance: "0",
            client: "{}",
            guarantee: load.guarantee.words().0,
            http,
        };
        let config = on.write(PREFIX, TOPIC, PREFIX, folder.path())?;
        let arguments = ["run", "--config", &config.to_string_lossy()];
        let service = Process::start(&program, &arguments, &folder.path().join("service.log"))?;
        let about = format!(
            "the load pack, {} accounts, {past} events of past in the ledgers, {WORKERS} workers, {PARTITIONS} partitions, \
             {}",
            load.accounts,
            load.guarantee.words().1
        );
        let mut bench = Bench { feed, service, asking, folder, about, http, broker };
        bench.until_live(http)?;
        eprintln!("harness: {}", bench.about);
        Ok(bench)
    }

    /// Waits until all shards are live and stay so: a rebalance moves shards to the second worker.
    fn until_live(&mut self, http: u16) -> Result<(), Failure> {
        let live = format!("{}{{phase=\"live\"}} {PARTITIONS}\n", metric::SHARDS);
        let (began, mut settled) = (Instant::now(), 0);
        while settled < 4 {
            ended(&mut self.service, &self.folder)?;
            if began.elapsed() > LIVE_WITHIN {
                return Err("the service was not live within ten minutes".into());
            }
            // There is no response while it starts.
            let page = metrics(http).unwrap_or_default();
            settled = if page.contains(&live) { settled + 1 } else { 0 };
            thread::sleep(Duration::from_millis(500));
        }
        Ok(())
    }

    /// Waits until the service has committed these offsets.
    pub(super) fn until_committed(&mut self, goal: &[i64]) -> Result<(), Failure> {
        await_committed(&self.asking, TOPIC, goal, || ended(&mut self.service, &self.folder))
    }

    /// Number of alerts of the service.
    pub(super) fn alerts(&self) -> Result<u32, Failure> {
        let page = metrics(self.http)?;
        let made = page.lines().filter(|line| line.starts_with(metric::ALERTS));
        let counts = made.map(|line| Ok(line.rsplit(' ').next().unwrap_or_default().parse::<u32>()?));
        counts.sum()
    }

    /// Stops the service by SIGTERM.
    pub(super) fn stop(self) -> Result<(), Failure> {
        self.service.stop()
    }
}

/// Fails with the end of the service's log when it has exited.
fn ended(service: &mut Process, folder: &TempDir) -> Result<(), Failure> {
    let Some(status) = service.ended()? else { return Ok(()) };
    let log = fs::read_to_string(folder.path().join("service.log")).unwrap_or_default();
    let tail: Vec<&str> = log.lines().rev().take(5).collect();
    let tail: Vec<&str> = tail.into_iter().rev().collect();
    Err(format!("the service ended with {status}:\n{}", tail.join("\n")).into())
}

/// The service's page of metrics.
fn metrics(port: u16) -> Result<String, StatusClientError> {
    get(&format!("127.0.0.1:{port}"), "/metrics")
}
