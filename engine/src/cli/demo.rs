//! `tripline demo`: a bank, its broker and the engine in one process, with nothing installed.
//!
//! The engine really consumes from and produces to the broker, and the screen is a reader of the alerts topic like any other.

mod alert;
mod files;
mod judge;
mod screen;
mod story;
mod summary;
mod tally;
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
use crate::ops::http::Shown;
use crate::ops::overview::About;
use crate::ops::reporter::Reporter;
use crate::runtime::recovery::Lookback;
use crate::runtime::shutdown::Shutdown;
use crate::runtime::source::SourceError;
use alert::{Alert, grouped};
use clap::Args;
use judge::Judging;
use screen::Screen;
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};
use story::{LIVE, Plot, Story};
use summary::Summary;
use tally::Tally;
use tripline_core::settings::Settings;
use tripline_core::spaces::Spaces;

/// Accounts of the bank: with so many the past is lived in a few seconds.
const ACCOUNTS: u32 = 2_000;
/// Seconds of the story in a second of watching.
const SPEED_UP: f64 = 60.0;
/// Partitions of the demo's topics: one, so that a seed's story is judged in one order.
const PARTITIONS: u32 = 1;
/// How often the bank looks for events that fall due.
const PUBLISH_EVERY: Duration = Duration::from_millis(10);
/// How often it is said how it stands.
const STATUS_EVERY: Duration = Duration::from_secs(5);
/// How long the last alerts are waited for, once everything was judged.
const LAST_ALERTS: Duration = Duration::from_millis(300);
/// How long the engine may take to get ready, and to judge the rest at the end.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// See fraud being caught: a simulated bank, a Kafka broker and the engine in one process.
///
/// The bank has lived 90 days already. Thieves of five kinds begin at once; honest people travel, shop and play beside
/// them. Every alert says why, and whether it was right. A second of watching is a minute of the story.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  tripline demo --for 30s --seed 7")]
pub struct Demo {
    /// End after so long, such as 30s or 5min; without it, Ctrl-C ends the show.
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    watch: Option<Duration>,
    /// Another seed, another story.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Accounts of the bank.
    #[arg(long, value_name = "N", default_value_t = ACCOUNTS, value_parser = clap::value_parser!(u32).range(500..=1_000_000))]
    accounts: u32,
    /// Seconds of the story in a second of watching.
    #[arg(long, value_name = "X", default_value_t = SPEED_UP, value_parser = speed)]
    speed_up: f64,
    /// Print the summary as one JSON object; the show goes to standard error.
    #[arg(long)]
    json: bool,
}

fn time(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|fault: jiff::Error| fault.to_string())?;
    Duration::try_from(span).map_err(|_| "a time is not negative".to_owned())
}

fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (1.0..=1_000.0).contains(&speed) { Ok(speed) } else { Err("1 to 1000".to_owned()) }
}

/// What the threads of a show share.
struct Show {
    reporter: Arc<Reporter>,
    shutdown: Shutdown,
    tally: Mutex<Tally>,
    judged: Arc<AtomicU64>,
}

impl Show {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().expect("nobody panics while counting")
    }
}

impl Demo {
    /// Runs the command.
    ///
    /// # Errors
    /// When the broker cannot listen on loopback, or the engine ends early.
    pub fn run(self) -> Result<Exit, CliError> {
        match self.show() {
            // Who reads has seen enough, as `head` does.
            Err(CliError::Stream(fault)) if fault.kind() == ErrorKind::BrokenPipe => Ok(Exit::Success),
            ended => ended,
        }
    }

    fn show(&self) -> Result<Exit, CliError> {
        let config = files::config()?;
        let mut screen = screen::open(self.json);
        let broker = MockBroker::start()?;
        let settings = settings(config.clone(), &broker)?;
        let reporter = Arc::<Reporter>::default();
        let show = Show {
            shutdown: reporter.status.shutdown().clone(),
            reporter: Arc::clone(&reporter),
            tally: Mutex::new(Tally::new(LIVE)),
            judged: Arc::default(),
        };
        let about = Arc::new(About::of(&config));
        let shown = Shown { about, reporter };
        let _control = Control::start(None, shown)?;
        let names = settings.topics();
        let mut topics = vec![settings.topic.as_str()];
        topics.extend(OUTPUT_TOPICS.iter().map(|topic| names.name(*topic)));
        screen.broker(&settings.brokers, &topics, &names.alerts)?;
        let (give, take) = channel();
        let summary = thread::scope(|scope| {
            let engine = scope.spawn(|| serve(&settings, &show, take));
            let told = self.tell(&config, &settings, &show, &mut screen, give);
            show.shutdown.request();
            let ended = engine.join().expect("the engine's supervisor does not panic");
            let summary = told?;
            ended?;
            Ok::<Option<Summary>, CliError>(summary)
        })?;
        if let Some(summary) = summary {
            screen.summary(&summary)?;
            Report::new(self.json).json(&summary)?;
        }
        Ok(Exit::Success)
    }

    /// Loads the past, goes live, and tells the story to its end; nothing when it was ended before it began.
    fn tell(
        &self,
        config: &Config,
        settings: &KafkaSettings,
        show: &Show,
        screen: &mut Screen<impl Write + Send>,
        give: Sender<Spaces>,
    ) -> Result<Option<Summary>, CliError> {
        let plot = Plot { seed: self.seed, accounts: self.accounts, speed_up: self.speed_up };
        let began = Instant::now();
        let (mut story, spaces, events) = load(plot, config, show)?;
        // The engine has ended when nobody takes them; it says why itself.
        let _ = give.send(spaces);
        if show.shutdown.is_requested() {
            return Ok(None);
        }
        let (accounts, events) = (grouped(plot.accounts.into()), grouped(events));
        let seconds = began.elapsed().as_secs_f64();
        screen.line(&format!(
            "Seed {}: {accounts} accounts and their last 90 days, {events} events, are in the ledgers after {seconds:.1} s.",
            plot.seed
        ))?;
        if !await_ready(show)? {
            return Ok(None);
        }
        let (live, speed_up) = (jiff::Timestamp::from_millisecond(LIVE.0).unwrap_or_default(), plot.speed_up);
        screen.line(&format!(
            "Live from {}; a second of watching is {speed_up} s of the story.\n",
            live.strftime("%A, %-d %B %Y, %H:%M UTC")
        ))?;
        let began = Instant::now();
        let end = self.watch.map(|watch| began + watch);
        thread::scope(|scope| {
            let bank: ScopedJoinHandle<'_, Result<(), SourceError>> =
                scope.spawn(|| publish(&mut story, settings, show, began, end));
            let watched = watch(settings, show, screen, end);
            show.shutdown.request();
            bank.join().expect("the bank does not panic")?;
            watched
        })?;
        let mut tally = show.tally();
        story.finish(&mut tally);
        Ok(Some(Summary::new(plot, &tally, began.elapsed())))
    }
}

/// The demo's own settings on the demo's own broker.
fn settings(mut config: Config, broker: &MockBroker) -> Result<KafkaSettings, CliError> {
    broker.topics(&config.input.topic, &config.kafka.prefix, PARTITIONS)?;
    config.kafka.brokers = Some(broker.brokers());
    config.kafka.workers = 1;
    // The in-process broker answers a fetch that finds nothing only after this time, whatever comes meanwhile.
    config.kafka.client.insert("fetch.wait.max.ms".to_owned(), "5".to_owned());
    let mut settings = broker::of_config(&config)?;
    settings.lookback = Lookback { rows_ms: 0, verdicts_ms: 0, retention_ms: 0 };
    Ok(settings)
}

/// Runs the engine on the broker, as soon as its ledgers are there.
fn serve(settings: &KafkaSettings, show: &Show, take: Receiver<Spaces>) -> Result<(), RunError> {
    let (take, judged) = (Mutex::new(take), Arc::clone(&show.judged));
    let report: Arc<dyn crate::runtime::report::Report> = Arc::<Reporter>::clone(&show.reporter);
    kafka::run(settings, &report, &show.shutdown, None, move |_, _| {
        // The worker joins its group meanwhile, so the two waits overlap.
        let spaces =
            take.lock().expect("nobody panics while waiting").recv().expect("the past is loaded to its end");
        Judging::new(spaces, Arc::clone(&judged))
    })
}

/// The bank with its past in the ledgers, and how many events that were.
fn load(plot: Plot, config: &Config, show: &Show) -> Result<(Story, Spaces, u64), CliError> {
    let mut spaces = spaces(config);
    let progress = Progress::begin();
    let (story, events) = Story::with_past(plot, &mut spaces, |events| {
        progress.at(events);
        !show.shutdown.is_requested()
    });
    progress.end();
    Ok((story, spaces, events))
}

/// Every key space of the demo, which judges from going live.
fn spaces(config: &Config) -> Spaces {
    let settings = Settings { judge_from: Some(LIVE), ..config.settings().clone() };
    Spaces::new(&Arc::new(config.installation.with_settings(settings)))
}

/// Waits until the engine judges what comes; false when the show was stopped before.
fn await_ready(show: &Show) -> Result<bool, CliError> {
    let began = Instant::now();
    while show.reporter.status.phases().1 == 0 {
        if show.shutdown.is_requested() {
            return Ok(false);
        }
        if began.elapsed() > READY_WITHIN {
            return Err(DemoError::NotReady(READY_WITHIN).into());
        }
        thread::sleep(PUBLISH_EVERY);
    }
    Ok(true)
}

/// Publishes what happens as it falls due.
fn publish(
    story: &mut Story,
    settings: &KafkaSettings,
    show: &Show,
    began: Instant,
    end: Option<Instant>,
) -> Result<(), SourceError> {
    let writer = TopicWriter::new(settings, &settings.topic)?;
    while !show.shutdown.is_requested() && end.is_none_or(|end| Instant::now() < end) {
        let now = story.time_after(began.elapsed());
        while let Some(event) = story.next_before(now) {
            let (at, account, value) = (event.appended_at, event.account.clone(), event.value.clone());
            story.tell(&mut show.tally());
            writer.send(at, account.as_bytes(), &value, &[])?;
        }
        thread::sleep(PUBLISH_EVERY);
    }
    writer.finish()
}

/// Reads the alerts back from the broker and shows them, until the show is over.
fn watch(
    settings: &KafkaSettings,
    show: &Show,
    screen: &mut Screen<impl Write>,
    end: Option<Instant>,
) -> Result<(), CliError> {
    let mut next_status = Instant::now() + STATUS_EVERY;
    let (mut events_before, mut heard) = (0, Instant::now());
    follow_topic(settings, &settings.topics().alerts, |record| {
        if let Some(record) = record {
            let alert: Alert = serde_json::from_slice(record.value).map_err(DemoError::Alert)?;
            let mark = show.tally().alert(&alert);
            screen.alert(&alert, mark)?;
            heard = Instant::now();
        }
        let now = Instant::now();
        if now >= next_status {
            let tally = show.tally();
            let (events, _) = tally.counts();
            #[expect(clippy::cast_precision_loss, reason = "events of five seconds")]
            let rate = (events - events_before) as f64 / STATUS_EVERY.as_secs_f64();
            screen.status(&tally, rate)?;
            (events_before, next_status) = (events, next_status + STATUS_EVERY);
        }
        if show.shutdown.is_requested() {
            return Ok(false);
        }
        let Some(over) = end.map(|end| now.saturating_duration_since(end)).filter(|over| !over.is_zero())
        else {
            return Ok(true);
        };
        let all_judged = show.judged.load(Ordering::Relaxed) >= show.tally().counts().0;
        Ok(over < READY_WITHIN && (!all_judged || over.min(heard.elapsed()) < LAST_ALERTS))
    })
}
