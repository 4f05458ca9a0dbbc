//! `tripline simulate`: a seeded stream of a simulated bank's events, to a file or to Kafka.

use super::error::{ArgumentError, CliError};
use super::paths::refuse_overwrites;
use super::report::{Exit, note};
use super::text::duration;
use crate::io::kafka::KafkaSettings;
use crate::io::kafka::transfer::TopicWriter;
use clap::Args;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tripline_core::batch::Timestamp;
use tripline_core::simulate::{Campaigns, Faults, SimulatedEvent, Simulation, SimulationSettings};
use tripline_rules::time::{DAY_MS, HOUR_MS};

/// First event of a file: 2026-01-01T00:00:00Z.
const FILE_START_MS: i64 = 1_767_225_600_000;
/// The longest span that is looked back from now: about 30 years.
const SPAN_MS_MAX: f64 = 1e12;

/// Bounds of the mean number of events of an account per day.
const EVENTS_PER_DAY: (f64, f64) = (0.001, 1_000.0);
/// Bounds of the number of campaigns per day.
const CAMPAIGNS_PER_DAY: (f64, f64) = (0.0, 100_000.0);
/// Bounds of the events per second: the schedule of a slower stream would not fit a duration.
const RATE: (f64, f64) = (0.001, 1e9);

/// Write the events of a simulated bank: genuine customers, unusual genuine activity and fraud campaigns.
///
/// The same seed gives the same bytes. Records are JSON in the format that `deploy/examples/demo` maps.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  tripline simulate --events 10000 --accounts 1000 --seed 7 --output events.jsonl"
)]
pub struct Simulate {
    /// Number of events.
    #[arg(long, value_name = "N")]
    events: u64,
    /// Number of accounts.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    accounts: u32,
    /// Seed of the simulation; the same seed gives the same events.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Time of the first event (RFC 3339). By default 2026-01-01T00:00:00Z for a file; for Kafka so long ago that the
    /// last event is about now.
    #[arg(long, value_name = "TIME")]
    start: Option<jiff::Timestamp>,
    /// Fraud campaigns per day.
    #[arg(long, value_name = "N", default_value_t = 20.0)]
    campaigns_per_day: f64,
    /// Mean number of events per account and day.
    #[arg(long, value_name = "N", default_value_t = 3.0)]
    events_per_account_day: f64,
    /// Share of records that are appended late and out of order.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    out_of_order: f64,
    /// Share of records that are written twice.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    duplicates: f64,
    /// Share of records that cannot be decoded.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    bad: f64,
    /// Share of records with the id of an earlier event and another amount.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    conflicts: f64,
    /// File for the records, one per line.
    #[arg(long, value_name = "FILE", required_unless_present = "brokers")]
    output: Option<PathBuf>,
    /// File for the ground truth of each record, one JSON object per line.
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Publish to these brokers instead of a file; records are keyed by account.
    #[arg(long, value_name = "LIST", requires = "topic", conflicts_with = "output")]
    brokers: Option<String>,
    /// Topic to publish to.
    #[arg(long, requires = "brokers")]
    topic: Option<String>,
    /// Maximum events per second; unlimited by default.
    #[arg(long, value_name = "N", requires = "brokers")]
    rate: Option<f64>,
}

impl Simulate {
    /// Runs the command.
    ///
    /// # Errors
    /// When the records cannot be written.
    pub fn run(self) -> Result<Exit, CliError> {
        let shares = [self.out_of_order, self.duplicates, self.bad, self.conflicts];
        if self.accounts == 0 {
            return Err(ArgumentError::NoAccounts.into());
        }
        if shares.iter().any(|share| !(0.0..=1.0).contains(share)) || shares.iter().sum::<f64>() > 1.0 {
            return Err(ArgumentError::Shares.into());
        }
        for (name, value, (least, most)) in [
            ("events-per-account-day", Some(self.events_per_account_day), EVENTS_PER_DAY),
            ("campaigns-per-day", Some(self.campaigns_per_day), CAMPAIGNS_PER_DAY),
            ("rate", self.rate, RATE),
        ] {
            // Not a number is in no range.
            if value.is_some_and(|value| !(least..=most).contains(&value)) {
                return Err(ArgumentError::Range { name, least, most }.into());
            }
        }
        if self
            .start
            .is_some_and(|start| !(1900..=2150).contains(&start.to_zoned(jiff::tz::TimeZone::UTC).year()))
        {
            return Err(ArgumentError::Start.into());
        }
        refuse_overwrites([], [&self.output, &self.truth].into_iter().flatten())?;
        let mut simulation = Simulation::new(&self.settings());
        let mut truth = match &self.truth {
            Some(path) => Some((path, BufWriter::new(File::create(path).map_err(CliError::file(path))?))),
            None => None,
        };
        let mut destination = self.destination()?;
        let began = Instant::now();
        let mut event = SimulatedEvent::default();
        for number in 0..self.events {
            while !simulation.next_before(Timestamp(i64::MAX / 4), &mut event) {}
            if let Some((path, file)) = &mut truth {
                write_truth(file, &event).map_err(CliError::file(&**path))?;
            }
            if let Some(rate) = self.rate {
                #[expect(clippy::cast_precision_loss, reason = "a schedule of events, in seconds")]
                let due = Duration::from_secs_f64(number as f64 / rate);
                std::thread::sleep(due.saturating_sub(began.elapsed()));
            }
            destination.write(&event)?;
        }
        destination.finish()?;
        self.note_of_late_events();
        if let Some((path, file)) = &mut truth {
            file.flush().map_err(CliError::file(&**path))?;
        }
        let kinds = simulation.campaigns().len();
        note(&format!("{} events of {} accounts, {kinds} campaigns", self.events, self.accounts));
        Ok(Exit::Success)
    }

    /// Events that lie far back when they are published are late for an engine with the default lateness.
    fn note_of_late_events(&self) {
        if self.brokers.is_some() && self.start.is_none() && self.span_ms() > DAY_MS {
            note(&format!(
                "note: the events span {}: those older than `time.lateness` (24 h by default) are late. Simulate fewer \
                 events, or more accounts",
                duration(self.span_ms())
            ));
        }
    }

    fn settings(&self) -> SimulationSettings {
        let start = self.start();
        SimulationSettings {
            events_per_account_day: self.events_per_account_day,
            campaigns: Campaigns::poisson(self.campaigns_per_day),
            faults: Faults {
                out_of_order: self.out_of_order,
                duplicates: self.duplicates,
                bad: self.bad,
                conflicts: self.conflicts,
                ..Faults::none()
            },
            ..SimulationSettings::new(self.seed, self.accounts, start)
        }
    }

    /// The first event: as given, fixed for a file, so that a seed gives the same bytes; for Kafka such that the events
    /// end now. A record with a time far from that of its append would be late or a dead letter.
    fn start(&self) -> Timestamp {
        let given = self.start.map(|start| Timestamp(start.as_millisecond()));
        given.unwrap_or_else(|| match self.brokers {
            Some(_) => Timestamp(jiff::Timestamp::now().as_millisecond().saturating_sub(self.span_ms())),
            None => Timestamp(FILE_START_MS),
        })
    }

    /// About how long the events last, with room for chance: no event is later than now.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "an estimate, and bounded"
    )]
    fn span_ms(&self) -> i64 {
        let days = self.events as f64 / (f64::from(self.accounts) * self.events_per_account_day);
        (days * 1.2 * DAY_MS as f64 + HOUR_MS as f64).clamp(0.0, SPAN_MS_MAX) as i64
    }

    fn destination(&self) -> Result<Destination, CliError> {
        match (&self.output, &self.brokers, &self.topic) {
            (Some(path), ..) => {
                let file = File::create(path).map_err(CliError::file(path))?;
                Ok(Destination::File(path.clone(), BufWriter::with_capacity(1 << 20, file)))
            }
            (None, Some(brokers), Some(topic)) => {
                let settings = KafkaSettings::new(brokers, topic, "tripline-tools", "none");
                Ok(Destination::Topic(TopicWriter::new(&settings, topic)?))
            }
            _ => Err(ArgumentError::NoDestination.into()),
        }
    }
}

/// Where records go.
enum Destination {
    File(PathBuf, BufWriter<File>),
    Topic(TopicWriter),
}

impl Destination {
    fn write(&mut self, event: &SimulatedEvent) -> Result<(), CliError> {
        match self {
            Destination::File(path, file) => file
                .write_all(&event.value)
                .and_then(|()| file.write_all(b"\n"))
                .map_err(CliError::file(&*path)),
            Destination::Topic(writer) => {
                Ok(writer.send(event.appended_at, event.account.as_bytes(), &event.value, &[])?)
            }
        }
    }

    fn finish(self) -> Result<(), CliError> {
        match self {
            Destination::File(path, mut file) => file.flush().map_err(CliError::file(path)),
            Destination::Topic(writer) => Ok(writer.finish()?),
        }
    }
}

fn write_truth(file: &mut impl Write, event: &SimulatedEvent) -> std::io::Result<()> {
    let campaign = event.truth.campaign.map(|campaign| campaign.0);
    let line = serde_json::json!({
        "id": event.id,
        "account": event.account,
        "kind": format!("{:?}", event.truth.kind),
        "fraud": event.truth.is_fraud(),
        "campaign": campaign,
        "fault": event.fault.map(|fault| format!("{fault:?}")),
    });
    writeln!(file, "{line}")
}
