//! Records of files, processed by every key space: shared by `replay`, `features`, `evaluate` and `bootstrap`.

use super::dumped::{self, Dumped};
use super::error::{CliError, InputError};
use super::report::note;
use crate::config::Config;
use crate::io::file::{FileFormat, FileSource, open};
use crate::runtime::clock::not_ahead;
use crate::settings::InputClock;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tripline_core::batch::{Batch, ShardId, SourceRecord};
use tripline_core::counts::Counts;
use tripline_core::decode::{Decoder, HeaderError, LabelMapping, Reason};
use tripline_core::event::Event;
use tripline_core::outputs::Outputs;
use tripline_core::placement::Placement;
use tripline_core::results::EventResults;
use tripline_core::settings::Settings;
use tripline_core::spaces::Spaces;

/// In which order records of files are processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they lie in the files.
    AsGiven,
    /// By event time.
    ByTime,
}

impl Order {
    /// By time if `--sort` is given.
    pub fn of(sort: bool) -> Order {
        if sort { Order::ByTime } else { Order::AsGiven }
    }
}

/// Late records of a hundred that are worth a hint.
const DISORDER_PERCENT: u64 = 5;

/// Records of one step: the cache misses of their ledgers overlap, and their registers stay in the cache.
pub const BATCH_RECORDS: usize = 256;

/// Records of files. Records of `tripline dump` are decoded and split by partition.
pub struct Records {
    paths: Vec<PathBuf>,
    format: FileFormat,
    source: FileSource,
    batch: Batch,
    /// Records of `tripline dump`, which carry partition, offset and append time.
    dumped: bool,
    /// Whose clock stamped them.
    clock: InputClock,
    begun: bool,
    /// Records of the batch that belong to further partitions.
    waiting: Vec<Batch>,
}

impl Records {
    /// Opens the first file; with `order` [`Order::ByTime`] reads all of them.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn open(config: &Config, paths: &[PathBuf], order: Order) -> Result<Records, CliError> {
        let format = FileFormat::of(config.installation.format());
        let source = FileSource::open(paths, format, BATCH_RECORDS)?;
        let batch = Batch::new(ShardId::account(0));
        let (paths, waiting, clock) = (paths.to_vec(), Vec::new(), config.input.clock);
        let mut records =
            Records { paths, format, source, batch, dumped: false, clock, begun: false, waiting };
        if order == Order::ByTime {
            records.sort(config)?;
        }
        Ok(records)
    }

    fn sort(&mut self, config: &Config) -> Result<(), CliError> {
        let mut decoder = Decoder::new(Arc::new(config.installation.decode_of(&[], &[])));
        self.take_header(|line| decoder.set_header(line))?;
        let mut event = Event::new(config.schema().fields().len());
        let mut dumped = None;
        self.source.sort(|value, number| {
            dumped.get_or_insert_with(|| dumped::is_dumped(value));
            let source = SourceRecord { partition: 0, offset: number };
            decoder.decode(value, source, &mut event).ok().map(|()| event.at.0)
        })?;
        if dumped == Some(true) { Err(InputError::SortedDump.into()) } else { Ok(()) }
    }

    /// The CSV header; none where the records are not CSV.
    pub fn header(&self) -> Option<&[u8]> {
        (self.format != FileFormat::JsonLines).then(|| self.source.header())
    }

    /// Passes the CSV header to `take`, where there is one.
    ///
    /// # Errors
    /// When it does not fit the mapping.
    pub fn take_header(&self, take: impl FnMut(&[u8]) -> Result<(), HeaderError>) -> Result<(), CliError> {
        let Some(line) = self.header() else { return Ok(()) };
        take_header(self.paths.first().map_or(Path::new(""), PathBuf::as_path), line, take)
    }

    /// The next records of one partition, and whether `dump` wrote them; `None` at the end.
    ///
    /// # Errors
    /// When a file cannot be read, or a line is not a dumped record.
    pub fn next(&mut self) -> Result<Option<(&Batch, bool)>, CliError> {
        loop {
            if let Some(run) = self.waiting.pop() {
                self.batch = run;
                break;
            }
            if !self.source.read(&mut self.batch)? {
                return Ok(None);
            }
            if !self.begun {
                self.begun = true;
                let first = self.batch.records.first();
                self.dumped = first.is_some_and(|first| dumped::is_dumped(self.batch.value(first)));
            }
            if !self.dumped {
                break;
            }
            self.waiting = split(&self.batch, self.clock)?;
        }
        Ok(Some((&self.batch, self.dumped)))
    }
}

/// Processes the records of files with every key space.
pub struct Feed {
    records: Records,
    spaces: Spaces,
}

impl Feed {
    /// Opens the first file.
    ///
    /// # Errors
    /// When it cannot be read, or its header does not fit the mapping.
    pub fn open(
        config: &Config,
        mut settings: Settings,
        paths: &[PathBuf],
        order: Order,
    ) -> Result<Feed, CliError> {
        let records = Records::open(config, paths, order)?;
        settings.placement = config.input.partitioner.map_or(Placement::Unchecked, |_| Placement::ByKey);
        let mut spaces = Spaces::new(&Arc::new(config.installation.with_settings(settings)));
        records.take_header(|line| spaces.set_header(line))?;
        Ok(Feed { records, spaces })
    }

    /// Processes the next records; false at the end.
    ///
    /// # Errors
    /// When a file cannot be read, or a line is not a dumped record.
    pub fn step(&mut self, out: &mut Outputs, results: &mut EventResults) -> Result<bool, CliError> {
        let Some((batch, _)) = self.records.next()? else { return Ok(false) };
        self.spaces.step(batch, out, results);
        Ok(true)
    }

    /// Processes at most so many of the next records; false at the end.
    ///
    /// # Errors
    /// When a file cannot be read, or a line is not a dumped record.
    pub fn step_at_most(
        &mut self,
        records: u64,
        out: &mut Outputs,
        results: &mut EventResults,
    ) -> Result<bool, CliError> {
        let most = usize::try_from(records).unwrap_or(BATCH_RECORDS).min(BATCH_RECORDS);
        self.records.source.at_most(most);
        self.step(out, results)
    }

    /// How many further records the files have, without processing them; counting ends with the batch that reaches
    /// `most`.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn count_rest(&mut self, most: u64) -> Result<u64, CliError> {
        let Records { source, batch, .. } = &mut self.records;
        source.at_most(BATCH_RECORDS);
        let mut counted = 0;
        while counted < most && source.read(batch)? {
            counted += batch.records.len() as u64;
        }
        Ok(counted)
    }

    /// The records of the last step.
    pub fn batch(&self) -> &Batch {
        &self.records.batch
    }

    /// The CSV header; none where the records are not CSV.
    pub fn header(&self) -> Option<&[u8]> {
        self.records.header()
    }

    /// A warning if dumped records have other keys than their accounts.
    pub fn warn_of_keys(&self) {
        let Counts { placed, misplaced, .. } = self.spaces.counts();
        if misplaced > 0 {
            note(&format!(
                "warning: {misplaced} of {placed} records have another key than their `account.id`: in the topic, records \
                 of one account may be in several partitions, and each part is judged alone. Key the topic by `account.id`, \
                 or set `input.partitioner: none` if each account is in one partition for another reason"
            ));
        }
    }

    /// A hint if many records of files that were not sorted are late or jump in time.
    pub fn warn_of_order(&self, order: Order) {
        let Counts { records, late, reasons, .. } = self.spaces.counts();
        let jumps = reasons.get(&Reason::TimeJump).copied().unwrap_or_default();
        let is_file = order == Order::AsGiven && !self.records.dumped;
        if is_file && late + jumps > 0 && (late + jumps) * 100 >= records * DISORDER_PERCENT {
            note(&format!(
                "warning: {late} of {records} records are late and {jumps} jump in time: unless the files are in the order of \
                 their event times, use `--sort`"
            ));
        }
    }

    /// Counts of all records so far.
    pub fn counts(&self) -> Counts {
        self.spaces.counts()
    }

    /// Warns on standard error of a label column that made no label in any record.
    pub fn warn_of_labels(&self, config: &Config) {
        let Some(labels) = &config.mapping.labels else { return };
        let counts = self.spaces.counts();
        let pending: u64 = self.spaces.accounts().map(|(_, account)| account.pending_labels()).sum();
        if counts.rows > 0 && counts.labels + pending == 0 {
            note(&format!("warning: {}", no_label(labels)));
        }
    }
}

/// What to say of a label column that no record matches.
fn no_label(labels: &LabelMapping) -> String {
    let (column, value) = (&labels.source.value, &labels.equals);
    format!("no record has a label: `{column}` is never `{value}`; check `is:` under `labels:`")
}

/// Passes the header of a file to `take`. Where it does not fit the mapping, the lines below it are tried.
///
/// # Errors
/// What is wrong with the header, and which line seems to be the header.
pub fn take_header(
    path: &Path,
    line: &[u8],
    mut take: impl FnMut(&[u8]) -> Result<(), HeaderError>,
) -> Result<(), CliError> {
    let Err(source) = take(line) else { return Ok(()) };
    let path = path.to_path_buf();
    if line.is_empty() {
        return Err(InputError::Empty(path).into());
    }
    let stream = open(&path).map_err(CliError::file(&path))?;
    let lines = stream.split(b'\n').take(HEADER_LINES_MAX).map_while(Result::ok);
    let found = (1..).zip(lines).skip(1).find(|(_, line)| take(line).is_ok());
    Err(match found {
        Some((number, _)) => InputError::HeaderBelow { path, number, above: number - 1 }.into(),
        None => InputError::Header { path, source }.into(),
    })
}

/// Lines in which the header of a CSV file is looked for.
const HEADER_LINES_MAX: usize = 100;

/// Runs of consecutive records of one partition, the first one last.
fn split(batch: &Batch, clock: InputClock) -> Result<Vec<Batch>, CliError> {
    let mut runs: Vec<Batch> = Vec::new();
    for record in &batch.records {
        let line = Dumped::read(batch.value(record))
            .map_err(|source| InputError::Dump { offset: record.offset, source })?;
        let shard = ShardId::account(line.partition);
        if runs.last().is_none_or(|run| run.shard != shard) {
            runs.push(Batch::new(shard));
        }
        let run = runs.last_mut().expect("just pushed");
        let appended_at = match clock {
            InputClock::LogAppendTime => line.appended_at,
            InputClock::CreateTime => line.appended_at.map(not_ahead),
        };
        run.push(line.offset, appended_at, &line.key, &line.value);
    }
    runs.reverse();
    Ok(runs)
}

/// A progress bar on a terminal, nothing in a pipe.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Shows a bar.
    pub fn begin() -> Progress {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
        let style = ProgressStyle::with_template("{spinner} {human_pos} records, {per_sec}, {elapsed}");
        bar.set_style(style.expect("the template is well formed"));
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress { bar }
    }

    /// Sets the number of processed records.
    pub fn at(&self, records: u64) {
        self.bar.set_position(records);
    }

    /// Removes the bar.
    pub fn end(self) {
        self.bar.finish_and_clear();
    }
}
