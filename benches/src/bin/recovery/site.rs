//! What every part uses: a broker with a day of a bank's events, processes of one group, and a reader of the alerts.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tripline::io::kafka::KafkaSettings;
use tripline::names::Topics;
use tripline::ops::status_client::get;
use tripline::ops::status_report::StatusReport;
use tripline::settings::Guarantee;
use tripline_benches::equal::compare;
use tripline_benches::kafka::{Broker, Failure, PARTITIONS, Stamp, asking, await_committed, ends};
use tripline_benches::records::{START, write_past};
use tripline_benches::service::{Installation, Process, Spent, create_output_topics, program};
use tripline_benches::watch::Watch;
use tripline_core::simulate::{Simulation, SimulationSettings};

/// The input topic; the prefix of the output topics, which is the name of the group, too.
pub(super) const TOPIC: &str = "load.events";
pub(super) const PREFIX: &str = "load";
/// All shards are live, or have a snapshot, within this time.
const SETTLED_WITHIN: Duration = Duration::from_secs(600);

/// Arguments of all parts.
#[derive(clap::Args)]
pub(super) struct Context {
    /// Also compare alerts and verdicts with `replay` of the dumped input at the end: minutes and gigabytes for
    /// 1,000,000 accounts.
    #[arg(long, global = true)]
    compare: bool,
    /// Keep the logs of the processes in this folder.
    #[arg(long, global = true, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

/// A broker, its clients and a reader of its alerts.
pub(super) struct Site {
    program: PathBuf,
    pub(super) asking: rdkafka::consumer::BaseConsumer,
    pub(super) watch: Watch,
    folder: TempDir,
    kept: Option<PathBuf>,
    is_compared: bool,
    /// Description of the load and the delivery, for reports.
    pub(super) about: String,
    // Last, so that its clients are dropped before it.
    broker: Broker,
}

/// Settings of a process.
#[derive(Clone, Copy)]
pub(super) struct Setup<'a> {
    pub(super) instance: &'a str,
    pub(super) workers: usize,
    /// Interval between two snapshots of a shard; `None` takes none.
    pub(super) snapshots_every: Option<&'a str>,
}

impl Site {
    /// Starts a broker and writes a day of a bank without fraud to the input. Also returns the bank, for more events.
    pub(super) fn start(accounts: u32, context: &Context) -> Result<(Site, Simulation), Failure> {
        let program = program()?;
        let folder = tempfile::tempdir()?;
        context.keep.as_ref().map(fs::create_dir_all).transpose()?;
        let (kept, is_compared) = (context.keep.clone(), context.compare);
        let broker = Broker::start()?;
        // Simulated days pass in seconds, so records have the simulation's timestamps.
        broker.topic(TOPIC, Stamp::CreateTime)?;
        create_output_topics(&broker, PREFIX)?;
        let address = broker.address();
        let mut feed = Simulation::new(&SimulationSettings::new(7, accounts, START));
        let past = write_past(&mut feed, &address, TOPIC)?;
        let about = format!(
            "the load pack, {accounts} accounts, {past} events processed before, {PARTITIONS} partitions, exactly once"
        );
        eprintln!("recovery: {about}");
        let asking = asking(&address, PREFIX)?;
        let watch = Watch::start(&address, &Topics::under(PREFIX).alerts)?;
        Ok((Site { program, asking, watch, folder, kept, is_compared, about, broker }, feed))
    }

    /// `host:port` of the broker.
    pub(super) fn address(&self) -> String {
        self.broker.address()
    }

    /// The topic of the alerts.
    pub(super) fn alerts(&self) -> String {
        Topics::under(PREFIX).alerts
    }

    /// The folder of the snapshots.
    pub(super) fn snapshots(&self) -> PathBuf {
        self.folder.path().join("snapshots")
    }

    /// A process that is not started yet.
    pub(super) fn member(&self, setup: Setup<'_>) -> Result<Member, Failure> {
        let (brokers, store) = (self.broker.address(), self.snapshots());
        let snapshots =
            setup.snapshots_every.map(|every| format!("{{store: {}, every: {every}}}", store.display()));
        let http = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let on = Installation {
            config: "benches/packs/tripline.yaml",
            packs: &["benches/packs/load.yaml"],
            brokers: &brokers,
            clock: "create_time",
            lateness: "1h",
            guarantee: "exactly_once",
            snapshots: snapshots.as_deref().unwrap_or_default(),
            workers: setup.workers,
            instance: setup.instance,
            client: "{}",
            http,
        };
        let folder = self.kept.as_deref().unwrap_or(self.folder.path());
        Ok(Member {
            program: self.program.clone(),
            config: on.write(PREFIX, TOPIC, PREFIX, self.folder.path())?,
            log: folder.join(format!("run-{}.log", setup.instance)),
            http,
            process: None,
        })
    }

    /// Waits until the group has committed everything that is in the input now.
    pub(super) fn await_committed(&self, members: &mut [Member]) -> Result<(), Failure> {
        let goal = ends(&self.asking, TOPIC)?;
        await_committed(&self.asking, TOPIC, &goal, || check(members))
    }

    /// Compares alerts and verdicts with `replay`, with `--compare`. Every process must have exited.
    pub(super) fn compare(&self, member: &Member) -> Result<(), Failure> {
        if !self.is_compared {
            return Ok(());
        }
        let config = member.config.to_string_lossy();
        compare(&self.program, (&self.broker, PREFIX), &config, self.folder.path(), None).map(drop)
    }
}

/// A process of the group.
pub(super) struct Member {
    program: PathBuf,
    config: PathBuf,
    log: PathBuf,
    http: u16,
    process: Option<Process>,
}

impl Member {
    /// Starts it.
    pub(super) fn start(&mut self) -> Result<(), Failure> {
        let arguments = ["run", "--config", &self.config.to_string_lossy()];
        self.process = Some(Process::start(&self.program, &arguments, &self.log)?);
        Ok(())
    }

    /// Kills it, as a crash does.
    pub(super) fn kill(&mut self) {
        // A process is killed when it is dropped.
        self.process = None;
    }

    /// Stops it by SIGTERM and waits until it has exited.
    pub(super) fn stop(&mut self) -> Result<(), Failure> {
        self.process.take().map_or(Ok(()), Process::stop)
    }

    /// Its whole log.
    pub(super) fn log(&self) -> Result<String, Failure> {
        Ok(fs::read_to_string(&self.log)?)
    }

    /// Number of shards that were restored without a snapshot, by its log from this byte on.
    pub(super) fn restored_without_snapshot(&self, after: usize) -> Result<usize, Failure> {
        let log = self.log()?;
        let live = log[after..].lines().filter(|line| line.contains("shard is live"));
        Ok(live.filter(|line| !line.contains("snapshot=")).count())
    }

    /// CPU time and memory that it has used.
    pub(super) fn spent(&self) -> Spent {
        self.process.as_ref().map(Process::spent).unwrap_or_default()
    }

    /// Its status; `None` while it does not answer.
    pub(super) fn overview(&self) -> Option<StatusReport> {
        let page = get(&format!("127.0.0.1:{}", self.http), "/status").ok()?;
        serde_json::from_str(&page).ok()
    }

    /// The value of a metric with a label; 0 while the process does not report it.
    ///
    /// # Errors
    /// When the process does not answer.
    pub(super) fn counted(&self, metric: &str, (label, value): (&str, &str)) -> Result<f64, Failure> {
        let page = get(&format!("127.0.0.1:{}", self.http), "/metrics")?;
        let series = format!("{metric}{{{label}=\"{value}\"}}");
        let found = page.lines().find_map(|line| line.strip_prefix(&series));
        Ok(found.map_or(Ok(0.0), |value| value.trim().parse())?)
    }

    /// Its live shards, by its status.
    pub(super) fn live(&self) -> Vec<u32> {
        let shards = self.overview().map(|overview| overview.shards).unwrap_or_default();
        shards.iter().filter(|shard| shard.phase == "live").map(|shard| shard.partition).collect()
    }

    /// Fails when it has exited.
    pub(super) fn check(&mut self) -> Result<(), Failure> {
        let Some(process) = &mut self.process else { return Ok(()) };
        let Some(status) = process.ended()? else { return Ok(()) };
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(5).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        Err(format!("a process exited with {status}:\n{}", tail.join("\n")).into())
    }
}

/// Fails when a process has exited.
pub(super) fn check(members: &mut [Member]) -> Result<(), Failure> {
    members.iter_mut().try_for_each(Member::check)
}

/// Waits until a condition is met.
pub(super) fn until(
    members: &mut [Member],
    what: &str,
    mut is_so: impl FnMut(&[Member]) -> bool,
) -> Result<(), Failure> {
    let began = Instant::now();
    while !is_so(members) {
        check(members)?;
        if began.elapsed() > SETTLED_WITHIN {
            return Err(format!("not within ten minutes: {what}").into());
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Waits until all shards are live and assigned evenly, and stay so for two seconds: rebalances move them between
/// workers. Returns the shards of each member.
pub(super) fn until_balanced(members: &mut [Member], workers: usize) -> Result<Vec<Vec<u32>>, Failure> {
    let all = PARTITIONS.unsigned_abs() as usize;
    let (mut shares, mut since) = (Vec::new(), Instant::now());
    let count = members.len();
    until(members, "every partition is live and each worker has its share", |members| {
        let now: Vec<Vec<u32>> = members.iter().map(Member::live).collect();
        let fair = all / (workers * count);
        let is_fair = now.iter().all(|share| share.len() >= fair * workers);
        if now != shares || !is_fair || now.iter().map(Vec::len).sum::<usize>() != all {
            (shares, since) = (now, Instant::now());
        }
        since.elapsed() > Duration::from_secs(2)
    })?;
    Ok(shares)
}

/// Waits until every shard has a snapshot.
pub(super) fn until_saved(members: &mut [Member]) -> Result<(), Failure> {
    let all = PARTITIONS.unsigned_abs() as usize;
    until(members, "every shard has a snapshot", |members| {
        let views = members.iter().filter_map(Member::overview);
        let shards = views.flat_map(|view| view.shards);
        shards.filter(|shard| shard.snapshot_at.is_some()).count() == all
    })
}

/// The default timeouts after which the broker removes a member from its group and aborts a transaction.
pub(super) fn time_outs() -> String {
    let settings = KafkaSettings::new("", "", "", "");
    let session_ms = settings.consumer(0).get("session.timeout.ms").unwrap_or("?").to_owned();
    let transaction = match settings.guarantee {
        Guarantee::ExactlyOnce { timeout, .. } => format!("{timeout:?}"),
        Guarantee::AtLeastOnce => "none".to_owned(),
    };
    format!("session.timeout.ms {session_ms}, transaction.timeout {transaction}")
}
