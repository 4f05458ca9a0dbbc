//! `tripline bootstrap`: ledgers out of months of history files, so that `run` goes on live from an offset.

mod hand_over;
mod plan;
mod worker;

use super::configured::configured;
use super::error::{CliError, GroupError, SetupError};
use super::feed::{Order, Records};
use super::report::{Exit, Report};
use super::usage::{Spent, Usage};
use super::{broker, run};
use crate::config::Config;
use crate::io::kafka::Group;
use crate::io::snapshot::Catalogue;
use crate::ops::reporter::Reporter;
use crate::runtime;
use clap::{Args, ValueEnum};
use plan::Plan;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use tripline_core::batch::{ShardId, Timestamp};
use tripline_core::decode::{FieldMapping, FieldSource};
use tripline_rules::schema::EVENT_ID;
use worker::Bootstrapped;

/// Restore the ledgers of a new consumer group from history files: JSON lines, CSV, or the output of `tripline dump`.
///
/// No event is judged. Each record goes to the partition of its account, by `input.partitioner`; the records of the
/// topic before the given offset follow. The ledgers of each partition are written as a snapshot, and the offset is
/// committed for the group, where `run` continues. The alerts from there on are those of `replay --judge-from` over
/// each partition's history and log. The history must end before that offset: `run` treats an event that the history
/// already contains as a duplicate and does not judge it.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  tripline bootstrap --config tripline.yaml --history history/*.jsonl --offsets latest"
)]
pub struct Bootstrap {
    /// Configuration file with `snapshots:` and `kafka:`.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// History files (plain, gzip or zstd), read in the given order; the records of an account must be in time order.
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    history: Vec<PathBuf>,
    /// Process the records in the order of their event times, not of the files: an external merge sort in a temporary
    /// file, in bounded memory.
    #[arg(long)]
    sort: bool,
    /// Where the group continues: at the end of the topic when the command starts, at its beginning, or at its
    /// committed offsets.
    #[arg(long, value_enum, default_value_t = Offsets::Latest)]
    offsets: Offsets,
    /// Replace committed offsets and snapshots of the group.
    #[arg(long)]
    force: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// Where the group continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Offsets {
    /// After the newest record.
    Latest,
    /// At the oldest record: the whole topic is judged.
    Earliest,
    /// At the committed offsets, after a loss of snapshots. Open cooldowns and incidents are restored.
    Committed,
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
    accounts: u64,
    rows_held: u64,
    ledger_bytes: u64,
    snapshot_bytes: u64,
    positions: Vec<i64>,
    seconds: f64,
    cpu_seconds: f64,
    records_per_second: f64,
    peak_rss_bytes: u64,
}

impl Bootstrap {
    /// Runs the command.
    ///
    /// # Errors
    /// When a file cannot be read, the group is not free, or brokers or store do not take what they are given.
    pub fn run(self) -> Result<Exit, CliError> {
        let config = configured(&self.config)?;
        run::refuse_derived(&config)?;
        run::require_secret(&config)?;
        refuse_numbers(&config)?;
        let partitioner = config.input.partitioner.ok_or(SetupError::NoPartitioner)?;
        let settings = broker::of_config(&config)?;
        let catalogue = run::snapshots(&config)?.ok_or(SetupError::NoSnapshots)?;
        let report: Arc<dyn runtime::report::Report> = Arc::<Reporter>::default();
        let records = Records::open(&config, &self.history, Order::of(self.sort))?;
        let group = Group::open(&settings, &report)?;
        let extents = group.extents()?;
        let positions = self.positions((&group, &extents), &settings.group, &catalogue)?;
        let usage = Usage::begin();
        let now = Timestamp(jiff::Timestamp::now().as_millisecond());
        let threads = config.kafka.workers.min(positions.len()).max(1);
        let plan = Plan {
            config: &config,
            settings: &settings,
            input: &group.input(),
            catalogue: &catalogue,
            extents: &extents,
            positions: &positions,
            report: &report,
            begun_at: now,
            threads,
            partitioner,
        };
        let done = plan.restore(records, self.offsets == Offsets::Committed)?;
        // Only whole snapshots are of any use: the group begins when all of them lie there.
        group.begin_at(&positions)?;
        let summary = Summary::of(&done, positions, usage.end());
        let mut report = Report::new(self.json);
        report.json(&summary)?;
        report.text(|| summary.text(&done, &settings.group, &settings.topic))?;
        Ok(Exit::Success)
    }

    /// Where every partition goes on, of a group that is free to begin.
    fn positions(
        &self,
        (group, extents): (&Group, &[(i64, i64)]),
        name: &str,
        catalogue: &Catalogue,
    ) -> Result<Vec<i64>, CliError> {
        let members = group.members()?;
        if members > 0 {
            return Err(GroupError::Members { group: name.to_owned(), members }.into());
        }
        let committed = group.committed()?;
        let has_begun = committed.iter().any(Option::is_some);
        if has_begun && self.offsets != Offsets::Committed && !self.force {
            return Err(GroupError::Offsets(name.to_owned()).into());
        }
        if !self.force && has_snapshots(catalogue, group.partitions())? {
            return Err(GroupError::Snapshots(name.to_owned()).into());
        }
        match self.offsets {
            Offsets::Latest => Ok(extents.iter().map(|(_, end)| *end).collect()),
            Offsets::Earliest => Ok(extents.iter().map(|(first, _)| *first).collect()),
            Offsets::Committed => {
                let all: Option<Vec<i64>> = committed.into_iter().collect();
                Ok(all.ok_or_else(|| GroupError::NoOffset(name.to_owned()))?)
            }
        }
    }
}

fn has_snapshots(catalogue: &Catalogue, partitions: u32) -> Result<bool, CliError> {
    for partition in 0..partitions {
        if !catalogue.list(ShardId::account(partition))?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Rows of a file and records of a topic that are numbered alike would be taken for repeats of each other.
fn refuse_numbers(config: &Config) -> Result<(), CliError> {
    let is_number = |source: &FieldSource| matches!(source, FieldSource::RowNumber);
    let mut places = config.mapping.fields.iter().flat_map(FieldMapping::places);
    if places.any(|place| place.slot == EVENT_ID && is_number(&place.source)) {
        return Err(SetupError::EventId.into());
    }
    Ok(())
}

impl Summary {
    fn of(done: &Bootstrapped, positions: Vec<i64>, spent: Spent) -> Summary {
        let Bootstrapped { counts, written, ledger_bytes } = done;
        Summary {
            records: counts.records,
            rows: counts.rows,
            duplicates: counts.duplicates,
            conflicts: counts.conflicts,
            late: counts.late,
            dead_letters: counts.dead_letters,
            labels: counts.labels,
            accounts: written.keys,
            rows_held: written.rows,
            ledger_bytes: *ledger_bytes,
            snapshot_bytes: written.bytes,
            positions,
            seconds: spent.seconds,
            cpu_seconds: spent.cpu_seconds,
            records_per_second: spent.per_second(counts.records),
            peak_rss_bytes: spent.peak_rss_bytes,
        }
    }

    /// The same for people, with dead letters by reason.
    fn text(&self, done: &Bootstrapped, group: &str, topic: &str) -> String {
        let mut text = String::new();
        let mut line = |name: &str, count: u64| text.push_str(&format!("{name:<24}{count:>14}\n"));
        line("records", self.records);
        line("  rows", self.rows);
        line("  duplicates", self.duplicates);
        line("  conflicts", self.conflicts);
        line("  late", self.late);
        line("  dead letters", self.dead_letters);
        for (reason, count) in &done.counts.reasons {
            line(&format!("    {}", reason.name()), *count);
        }
        line("accounts", self.accounts);
        line("rows held", self.rows_held);
        line("ledger bytes", self.ledger_bytes);
        line("snapshot bytes", self.snapshot_bytes);
        let ahead: i64 = self.positions.iter().sum();
        text.push_str(&format!(
            "{:.1} s, {:.1} CPU s, {:.0} records per second, {} MB peak memory\n\
             {} snapshots written; consumer group {group} continues in topic {topic} after {ahead} records\n",
            self.seconds,
            self.cpu_seconds,
            self.records_per_second,
            self.peak_rss_bytes / 1_000_000,
            self.positions.len(),
        ));
        text
    }
}
