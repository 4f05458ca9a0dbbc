//! `tripline demo`: a simulated bank, a Kafka broker and the engine in one process, without an installation.
//!
//! The engine consumes from and produces to the broker, and the screen consumes the alerts topic as any subscriber
//! would.

mod alert;
mod campaign_counts;
mod files;
mod processor;
mod scenario;
mod screen;
mod summary;
#[cfg(test)]
mod tests;

use super::broker;
use super::error::{CliError, DemoError};
use super::feed::Progress;
use super::report::{Exit, Report};
use crate::config::Config;
use crate::io::kafka::mock::MockBroker;
use crate::io::kafka::transfer::{TopicWriter, follow_topic};
use crate::io::kafka::{self, KafkaSettings, RunError};
use crate::names::OUTPUT_TOPICS;
use crate::ops::control::Control;
use crate::ops::http::HttpState;
use crate::ops::reporter::Reporter;
use crate::ops::status_report::ProcessInfo;
use crate::runtime::report;
use crate::runtime::shutdown::Shutdown;
use crate::runtime::source::SourceError;
use crate::settings::{Guarantee, HttpSettings};
use alert::Alert;
use campaign_counts::CampaignCounts;
use clap::Args;
use processor::SpacesProcessor;
use scenario::{History, LIVE, Scenario, ScenarioSettings};
use screen::Screen;
use std::io::{ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};
use summary::Summary;
use tripline_core::installation::Lookback;
use tripline_core::spaces::Spaces;

/// Accounts of the bank: the history of so many is simulated in a few seconds.
const ACCOUNTS: u32 = 2_000;
/// Simulated seconds per second of real time.
const SPEED_UP: f64 = 60.0;
/// Partitions of the demo's topics: one, so that the events of a seed are judged in one order.
const PARTITIONS: u32 = 1;
/// Where metrics are served: a free port, as the broker's.
const LOOPBACK: HttpSettings =
    HttpSettings { listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0), allow_remote: false };
/// Between two looks for events that are due.
const PUBLISH_EVERY: Duration = Duration::from_millis(10);
/// Between two status lines.
const STATUS_EVERY: Duration = Duration::from_secs(5);
/// How long the screen waits for the last alerts once every event was judged.
const LAST_ALERTS: Duration = Duration::from_millis(300);
/// How long the engine may take to become ready, and to judge the remaining events at the end.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// The longest time that the demo can be asked to run for.
const TIME_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// Run a simulated bank, a Kafka broker and the engine in one process.
///
/// The bank starts with 90 days of history, of which the last ones are judged. Fraud campaigns of five kinds begin at
/// once, among customers who travel, shop and play. Each alert is shown with its reasons and with whether it is
/// correct. By default one second of real time is one minute of simulated time.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  tripline demo --for 30s --seed 7")]
pub struct Demo {
    /// End after this time, such as 30s or 5min; by default the demo runs until Ctrl-C.
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    watch: Option<Duration>,
    /// Seed of the simulation; the same seed gives the same events.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Accounts of the bank.
    #[arg(long, value_name = "N", default_value_t = ACCOUNTS, value_parser = clap::value_parser!(u32).range(500..=1_000_000))]
    accounts: u32,
    /// Simulated seconds per second of real time.
    #[arg(long, value_name = "X", default_value_t = SPEED_UP, value_parser = speed)]
    speed_up: f64,
    /// Print the summary as one JSON object; alerts and status lines go to standard error.
    #[arg(long)]
    json: bool,
}

fn time(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    let time = Duration::try_from(span).map_err(|_| "the time must not be negative".to_owned())?;
    if time > TIME_MAX { Err("the time must be at most 8760 h, a year".to_owned()) } else { Ok(time) }
}

fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (1.0..=1_000.0).contains(&speed) { Ok(speed) } else { Err("must be between 1 and 1000".to_owned()) }
}

/// What the threads of the demo share.
struct Shared {
    reporter: Arc<Reporter>,
    shutdown: Shutdown,
    counts: Mutex<CampaignCounts>,
    judged: Arc<AtomicU64>,
}

impl Shared {
    fn counts(&self) -> MutexGuard<'_, CampaignCounts> {
        self.counts.lock().expect("no thread panics while counting")
    }
}

/// When the live part began, and when it ends unless Ctrl-C ends it.
#[derive(Clone, Copy)]
struct Period {
    began: Instant,
    end: Option<Instant>,
}

impl Demo {
    /// Runs the command.
    ///
    /// # Errors
    /// When the broker cannot listen on loopback, or the engine ends early.
    pub fn run(self) -> Result<Exit, CliError> {
        match self.serve() {
            // The reader of the output has closed it, as `head` does.
            Err(CliError::Stream(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(Exit::Success),
            ended => ended,
        }
    }

    /// Starts broker and engine, runs the scenario, and stops them.
    fn serve(&self) -> Result<Exit, CliError> {
        let config = files::config()?;
        let mut screen = screen::open(self.json);
        let broker = MockBroker::start()?;
        let kafka = kafka_settings(config.clone(), &broker)?;
        let reporter = Arc::<Reporter>::default();
        let shared = Shared {
            shutdown: reporter.status.shutdown().clone(),
            reporter: Arc::clone(&reporter),
            counts: Mutex::new(CampaignCounts::new(LIVE)),
            judged: Arc::default(),
        };
        let process = Arc::new(ProcessInfo::of(&config));
        let state = HttpState { process, reporter };
        let control = Control::start(Some(LOOPBACK), state)?;
        let names = kafka.topics();
        let mut topics = vec![kafka.topic.as_str()];
        topics.extend(OUTPUT_TOPICS.iter().map(|topic| names.name(*topic)));
        screen.broker(&kafka.brokers, &topics, &names.alerts)?;
        if let Some(address) = control.address() {
            screen.http(address)?;
        }
        let (loaded, spaces) = channel();
        let summary = thread::scope(|scope| {
            let engine = scope.spawn(|| run_engine(&kafka, &shared, spaces));
            let summary = self.run_scenario(&config, &kafka, &shared, &mut screen, loaded);
            shared.shutdown.request();
            let ended = engine.join().expect("the engine's supervisor does not panic");
            let summary = summary?;
            ended?;
            Ok::<Option<Summary>, CliError>(summary)
        })?;
        if let Some(summary) = summary {
            screen.summary(&summary)?;
            Report::new(self.json).json(&summary)?;
        }
        Ok(Exit::Success)
    }

    /// Loads the history, publishes events and shows alerts until the end; nothing when the demo was stopped before
    /// that.
    fn run_scenario(
        &self,
        config: &Config,
        kafka: &KafkaSettings,
        shared: &Shared,
        screen: &mut Screen<impl Write + Send>,
        loaded: Sender<Spaces>,
    ) -> Result<Option<Summary>, CliError> {
        let settings = ScenarioSettings { seed: self.seed, accounts: self.accounts, speed_up: self.speed_up };
        let began = Instant::now();
        let (History { mut scenario, events, counts: history }, spaces) = load(settings, config, shared)?;
        // Without a receiver the engine has ended, and reports its own error.
        let _ = loaded.send(spaces);
        if shared.shutdown.is_requested() {
            return Ok(None);
        }
        screen.loaded(settings, events, began.elapsed())?;
        if !await_ready(shared)? {
            return Ok(None);
        }
        screen.live(settings)?;
        let began = Instant::now();
        let period = Period { began, end: self.watch.map(|watch| began + watch) };
        thread::scope(|scope| {
            let bank: ScopedJoinHandle<'_, Result<(), SourceError>> =
                scope.spawn(|| publish(&mut scenario, kafka, shared, period));
            let shown = show_alerts(kafka, shared, screen, period);
            shared.shutdown.request();
            bank.join().expect("the simulation does not panic")?;
            shown
        })?;
        let mut counts = shared.counts();
        scenario.finish(&mut counts);
        let account_days = scenario.account_days(settings.judged_from(), counts.now);
        Ok(Some(Summary::new(settings, &history, &counts, account_days, began.elapsed())))
    }
}

/// The settings of the Kafka client for the in-process broker.
fn kafka_settings(mut config: Config, broker: &MockBroker) -> Result<KafkaSettings, CliError> {
    // The demo's configuration has no `kafka:` section: `run` does not support its key spaces yet.
    config.kafka.prefix = "demo".to_owned();
    config.delivery.guarantee = Guarantee::AtLeastOnce;
    broker.topics(&config.input.topic, &config.kafka.prefix, PARTITIONS)?;
    config.kafka.brokers = Some(broker.brokers());
    config.kafka.workers = 1;
    // The in-process broker answers an empty fetch only after this time, even when records arrive before.
    config.kafka.client.insert("fetch.wait.max.ms".to_owned(), "5".to_owned());
    let mut settings = broker::of_config(&config)?;
    settings.lookback = Lookback { input_ms: 0, verdicts_ms: 0, row_retention_ms: 0 };
    Ok(settings)
}

/// Runs the engine on the broker, as soon as the history is in its ledgers.
fn run_engine(kafka: &KafkaSettings, shared: &Shared, spaces: Receiver<Spaces>) -> Result<(), RunError> {
    let (spaces, judged) = (Mutex::new(spaces), Arc::clone(&shared.judged));
    let report: Arc<dyn report::Report> = Arc::<Reporter>::clone(&shared.reporter);
    let counted = Arc::clone(&report);
    kafka::run(kafka, &report, &shared.shutdown, None, move |_, _| {
        // The worker joins its group meanwhile, so the two waits overlap.
        let spaces = spaces.lock().expect("no thread panics while waiting").recv();
        let spaces = spaces.expect("the history is loaded to its end");
        SpacesProcessor::new(spaces, Arc::clone(&judged), Arc::clone(&counted))
    })
}

/// The bank with its history in the ledgers.
fn load(
    settings: ScenarioSettings,
    config: &Config,
    shared: &Shared,
) -> Result<(History, Spaces), DemoError> {
    let mut spaces = scenario::spaces(config, settings);
    let progress = Progress::begin();
    let history = Scenario::with_history(settings, &mut spaces, |events| {
        progress.at(events);
        !shared.shutdown.is_requested()
    });
    progress.end();
    Ok((history.map_err(DemoError::Alert)?, spaces))
}

/// Waits until the engine consumes its partition; false when the demo was stopped before.
fn await_ready(shared: &Shared) -> Result<bool, CliError> {
    let began = Instant::now();
    while shared.reporter.status.phases().1 == 0 {
        if shared.shutdown.is_requested() {
            return Ok(false);
        }
        if began.elapsed() > READY_WITHIN {
            return Err(DemoError::NotReady(READY_WITHIN).into());
        }
        thread::sleep(PUBLISH_EVERY);
    }
    Ok(true)
}

/// Publishes events as they become due.
fn publish(
    scenario: &mut Scenario,
    kafka: &KafkaSettings,
    shared: &Shared,
    period: Period,
) -> Result<(), SourceError> {
    let writer = TopicWriter::new(kafka, &kafka.topic)?;
    while !shared.shutdown.is_requested() && period.end.is_none_or(|end| Instant::now() < end) {
        let now = scenario.time_after(period.began.elapsed());
        while let Some(event) = scenario.next_before(now) {
            let (at, account, value) = (event.appended_at, event.account.clone(), event.value.clone());
            scenario.count(&mut shared.counts());
            writer.send(at, account.as_bytes(), &value, &[])?;
        }
        thread::sleep(PUBLISH_EVERY);
    }
    writer.finish()
}

/// Consumes the alerts topic and shows alerts, until the end.
fn show_alerts(
    kafka: &KafkaSettings,
    shared: &Shared,
    screen: &mut Screen<impl Write>,
    period: Period,
) -> Result<(), CliError> {
    let mut next_status = Instant::now() + STATUS_EVERY;
    let (mut events_before, mut last_alert) = (0, Instant::now());
    follow_topic(kafka, &kafka.topics().alerts, |record| {
        if let Some(record) = record {
            let alert: Alert = serde_json::from_slice(record.value).map_err(DemoError::Alert)?;
            let assessment = shared.counts().alert(&alert);
            screen.alert(&alert, assessment)?;
            last_alert = Instant::now();
        }
        let now = Instant::now();
        if now >= next_status {
            let counts = shared.counts();
            #[expect(clippy::cast_precision_loss, reason = "events of five seconds")]
            let rate = (counts.events - events_before) as f64 / STATUS_EVERY.as_secs_f64();
            screen.status(&counts, rate)?;
            (events_before, next_status) = (counts.events, next_status + STATUS_EVERY);
        }
        if shared.shutdown.is_requested() {
            return Ok(false);
        }
        let over = period.end.map(|end| now.saturating_duration_since(end));
        let Some(over) = over.filter(|over| !over.is_zero()) else { return Ok(true) };
        let all_judged = shared.judged.load(Ordering::Relaxed) >= shared.counts().events;
        Ok(over < READY_WITHIN && (!all_judged || over.min(last_alert.elapsed()) < LAST_ALERTS))
    })
}
