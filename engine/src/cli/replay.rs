//! `tripline replay`: the engine over files, deterministic and without Kafka.

mod alerts;

use super::configured::configured_from;
use super::error::CliError;
use super::feed::{Feed, Order, Progress};
use super::paths::refuse_overwrites;
use super::refusals::{self, Refusals, Refused};
use super::report::{Exit, Report};
use super::usage::{Spent, Usage};
use alerts::AlertList;
use clap::Args;
use serde::Serialize;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use tripline_core::batch::Timestamp;
use tripline_core::counts::{Counts, Dropped};
use tripline_core::decision::Evidence;
use tripline_core::installation::Installation;
use tripline_core::outputs::{Outputs, Topic, header};
use tripline_core::results::{Collect, EventResult, EventResults};
use tripline_core::verdict::ModelScores;
use tripline_rules::ruleset::{Rule, Ruleset};

/// Run the engine over files: JSON lines, CSV, or the output of `tripline dump`.
///
/// Files are plain, gzip or zstd. The same records give the same alerts, byte for byte, as in `run` on Kafka.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  tripline replay --config deploy/examples/demo/tripline.yaml \\\n    --input deploy/examples/demo/sample.jsonl --output alerts.jsonl"
)]
pub struct Replay {
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Files of records, read in the given order.
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    input: Vec<PathBuf>,
    /// Process the records in the order of their event times, not of the files: an external merge sort in a temporary
    /// file, in bounded memory.
    #[arg(long)]
    sort: bool,
    /// File for alerts, one per line.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// File for the result of every inserted event: score, action, rules.
    #[arg(long, value_name = "FILE")]
    verdicts: Option<PathBuf>,
    /// File for the records of the verdicts topic: each event on which a rule fired, in any mode.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// File for dead letters, each with its reason.
    #[arg(long, value_name = "FILE")]
    dead_letters: Option<PathBuf>,
    /// Insert events before this time (RFC 3339) without judging them.
    #[arg(long, value_name = "TIME")]
    judge_from: Option<jiff::Timestamp>,
    /// Print the first 20 alerts as lines for people, with times in the time zone of their pack: severity, score,
    /// amount, action with its target, account, event, and each rule with its reason. `--output` writes all alerts.
    #[arg(long, conflicts_with = "json")]
    list: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// What `--json` ends with.
#[derive(Debug, Serialize)]
struct Summary {
    records: u64,
    rows: u64,
    duplicates: u64,
    conflicts: u64,
    late: u64,
    dead_letters: u64,
    labels: u64,
    alerts: u64,
    suppressed: u64,
    /// Events whose `event.ref` names none that is held, and clearings in another currency than their event.
    unresolved_references: u64,
    /// State that was dropped because a limit was reached, by kind.
    dropped: Dropped,
    /// Dumped records with another key than their account's.
    misplaced: u64,
    /// Dead letters and conflicts by field and reason.
    refused: Vec<Refused>,
    seconds: f64,
    cpu_seconds: f64,
    events_per_core_second: f64,
    peak_rss_bytes: u64,
}

impl Replay {
    /// Runs the command.
    ///
    /// # Errors
    /// When a file cannot be read or written, or the configuration has errors.
    pub fn run(self) -> Result<Exit, CliError> {
        let outputs = [&self.output, &self.verdicts, &self.journal, &self.dead_letters];
        let (config, read) = configured_from(&self.config)?;
        refuse_overwrites(self.input.iter().chain(&read), outputs.into_iter().flatten())?;
        let mut settings = config.settings().clone();
        settings.judge_from = self.judge_from.map(|time| Timestamp(time.as_millisecond()));
        let collect = if self.verdicts.is_some() { Collect::Verdicts } else { Collect::Nothing };
        let usage = Usage::begin();
        let order = Order::of(self.sort);
        let mut feed = Feed::open(&config, settings, &self.input, order)?;
        let mut files = Files::create(&self)?;
        let progress = Progress::begin();
        let mut out = Outputs::default();
        let mut results = EventResults::new(collect);
        let mut refusals = Refusals::default();
        let mut alerts = AlertList::default();
        while feed.step(&mut out, &mut results)? {
            files.write(&config.installation, &out, &results)?;
            refusals.take(feed.batch(), &out);
            if self.list {
                alerts.take(&config.installation, &out);
            }
            out.clear();
            results.clear();
            progress.at(feed.counts().records);
        }
        files.flush()?;
        progress.end();
        feed.warn_of_keys();
        feed.warn_of_labels(&config);
        feed.warn_of_order(order);
        let counts = feed.counts();
        let summary = Summary::of(&counts, refusals.found(), usage.end());
        let mut report = Report::new(self.json);
        report.json(&summary)?;
        report.text(|| alerts.text() + &summary.text(&counts, config.ruleset()))?;
        Ok(Exit::Success)
    }
}

impl Summary {
    fn of(counts: &Counts, refused: Vec<Refused>, spent: Spent) -> Summary {
        Summary {
            records: counts.records,
            rows: counts.rows,
            duplicates: counts.duplicates,
            conflicts: counts.conflicts,
            late: counts.late,
            dead_letters: counts.dead_letters,
            labels: counts.labels,
            alerts: counts.alerts,
            suppressed: counts.suppressed,
            unresolved_references: counts.unresolved_references,
            dropped: counts.dropped,
            misplaced: counts.misplaced,
            refused,
            seconds: spent.seconds,
            cpu_seconds: spent.cpu_seconds,
            events_per_core_second: spent.per_cpu_second(counts.records),
            peak_rss_bytes: spent.peak_rss_bytes,
        }
    }

    /// The summary as text, with dead letters by field and reason, and fired rules.
    fn text(&self, counts: &Counts, ruleset: &Ruleset) -> String {
        let mut text = String::new();
        let mut line = |name: &str, count: u64| {
            text.push_str(&format!("{name:<24}{count:>14}\n"));
        };
        line("records", self.records);
        line("  rows", self.rows);
        line("  duplicates", self.duplicates);
        line("  conflicts", self.conflicts);
        line("  late", self.late);
        line("  dead letters", self.dead_letters);
        if counts.ambiguous_times > 0 {
            line("ambiguous times", counts.ambiguous_times);
        }
        line("labels", self.labels);
        line("alerts", self.alerts);
        line("suppressed", self.suppressed);
        if self.unresolved_references > 0 {
            line("unresolved references", self.unresolved_references);
        }
        for (kind, count) in self.dropped.by_kind().iter().filter(|(_, count)| *count > 0) {
            line(&format!("dropped {}", kind.replace('_', " ")), *count);
        }
        let fired = |at: usize, rule: &Rule| counts.fired.of(&rule.id, at);
        let rules = ruleset.rules().iter().enumerate().map(|(at, rule)| (rule, fired(at, rule)));
        for (rule, fired) in rules.filter(|(_, fired)| *fired > 0) {
            text.push_str(&format!("{fired:>12}  {:<12}{}\n", rule.id, rule.title));
        }
        if !self.refused.is_empty() {
            text.push_str("refused: dead letters and conflicts\n");
        }
        for line in refusals::lines(&self.refused) {
            text.push_str(&format!("{line}\n"));
        }
        text.push_str(&format!(
            "{:.1} s, {:.1} CPU s, {:.0} events per core-second, {} MB peak memory\n",
            self.seconds,
            self.cpu_seconds,
            self.events_per_core_second,
            self.peak_rss_bytes / 1_000_000,
        ));
        text
    }
}

/// The output files.
struct Files {
    topics: Vec<(Topic, PathBuf, BufWriter<File>)>,
    results: Option<(PathBuf, BufWriter<File>)>,
}

impl Files {
    fn create(arguments: &Replay) -> Result<Files, CliError> {
        let create = |path: &PathBuf| -> Result<(PathBuf, BufWriter<File>), CliError> {
            let file = File::create(path).map_err(CliError::file(path))?;
            Ok((path.clone(), BufWriter::with_capacity(1 << 20, file)))
        };
        let mut topics = Vec::new();
        for (topic, path) in [
            (Topic::Alerts, &arguments.output),
            (Topic::Verdicts, &arguments.journal),
            (Topic::DeadLetters, &arguments.dead_letters),
        ] {
            if let Some(path) = path {
                let (path, file) = create(path)?;
                topics.push((topic, path, file));
            }
        }
        Ok(Files { topics, results: arguments.verdicts.as_ref().map(create).transpose()? })
    }

    fn write(
        &mut self,
        installation: &Installation,
        out: &Outputs,
        results: &EventResults,
    ) -> Result<(), CliError> {
        for (topic, path, file) in &mut self.topics {
            for output in out.records.iter().filter(|output| output.topic == *topic) {
                let written = match topic {
                    Topic::DeadLetters => write_dead_letter(file, out, output),
                    _ => file.write_all(out.value(output)).and_then(|()| file.write_all(b"\n")),
                };
                written.map_err(CliError::file(&*path))?;
            }
        }
        if let Some((path, file)) = &mut self.results {
            for line in results.rows() {
                write_line(file, installation, results, line).map_err(CliError::file(&*path))?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), CliError> {
        for (_, path, file) in &mut self.topics {
            file.flush().map_err(CliError::file(&*path))?;
        }
        if let Some((path, file)) = &mut self.results {
            file.flush().map_err(CliError::file(&*path))?;
        }
        Ok(())
    }
}

fn write_dead_letter(
    file: &mut impl Write,
    out: &Outputs,
    output: &tripline_core::outputs::Output,
) -> std::io::Result<()> {
    #[derive(Serialize)]
    struct Letter<'a> {
        offset: i64,
        reason: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        field: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        place: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        byte: Option<u64>,
        value: std::borrow::Cow<'a, str>,
    }
    let of = |name: &str| {
        let found = out.headers(output).iter().find(|(header, _)| *header == name);
        found.map(|(_, value)| value.as_str())
    };
    let letter = Letter {
        offset: output.cause,
        reason: of(header::ERROR_REASON).unwrap_or_default(),
        field: of(header::ERROR_FIELD),
        place: of(header::ERROR_PLACE),
        byte: of(header::ERROR_BYTE).and_then(|byte| byte.parse().ok()),
        value: String::from_utf8_lossy(out.value(output)),
    };
    serde_json::to_writer(&mut *file, &letter)?;
    file.write_all(b"\n")
}

/// `{"event":…,"at":…,"account":…,"score":…,"action":…,"rules":[…],"models":{…},"shadow":[…]}`
fn write_line(
    file: &mut impl Write,
    installation: &Installation,
    results: &EventResults,
    line: &EventResult,
) -> std::io::Result<()> {
    let rules = installation.ruleset().rules();
    #[derive(Serialize)]
    struct Written<'a> {
        event: &'a str,
        at: Timestamp,
        account: &'a str,
        score: i32,
        action: &'a str,
        rules: Vec<&'a str>,
        models: ModelScores<'a>,
        shadow: Vec<ShadowFiring<'a>>,
    }
    #[derive(Serialize)]
    struct ShadowFiring<'a> {
        id: &'a str,
        reason: &'a str,
        values: &'a serde_json::Map<String, serde_json::Value>,
    }
    let shadow = results.shadow(line).iter().map(|(rule, Evidence { reason, values })| ShadowFiring {
        id: &rules[*rule].id,
        reason,
        values,
    });
    let written = Written {
        event: results.event(line),
        at: line.at,
        account: results.account(line),
        score: line.score,
        action: line.action.name(),
        rules: results.rules(line).iter().map(|rule| rules[*rule].id.as_str()).collect(),
        models: ModelScores::of(results.scores(line).iter().copied().enumerate(), installation),
        shadow: shadow.collect(),
    };
    serde_json::to_writer(&mut *file, &written)?;
    file.write_all(b"\n")
}
