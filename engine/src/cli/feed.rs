//! Records of files, processed by every key space: shared by `replay`, `features`, `evaluate` and `bootstrap`.

use super::dumped::{self, Dumped};
use super::error::{CliError, InputError};
use crate::config::Config;
use crate::io::file::{FileFormat, FileSource};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tripline_core::batch::{Batch, ShardId};
use tripline_core::counts::Counts;
use tripline_core::decode::HeaderError;
use tripline_core::outputs::Outputs;
use tripline_core::results::EventResults;
use tripline_core::settings::Settings;
use tripline_core::spaces::Spaces;

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
    begun: bool,
    /// Records of the batch that belong to further partitions.
    waiting: Vec<Batch>,
}

impl Records {
    /// Opens the first file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(config: &Config, paths: &[PathBuf]) -> Result<Records, CliError> {
        let format = FileFormat::of(config.installation.format());
        let source = FileSource::open(paths, format, BATCH_RECORDS)?;
        let batch = Batch::new(ShardId::account(0));
        let (paths, waiting) = (paths.to_vec(), Vec::new());
        Ok(Records { paths, format, source, batch, dumped: false, begun: false, waiting })
    }

    /// The CSV header; none where the records are not CSV.
    pub fn header(&self) -> Option<&[u8]> {
        (self.format != FileFormat::JsonLines).then(|| self.source.header())
    }

    /// Passes the CSV header to `take`, where there is one.
    ///
    /// # Errors
    /// When it does not fit the mapping.
    pub fn take_header(&self, take: impl FnOnce(&[u8]) -> Result<(), HeaderError>) -> Result<(), CliError> {
        let Some(line) = self.header() else { return Ok(()) };
        take(line).map_err(|error| header_error(&self.paths, &self.source, error).into())
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
            self.waiting = split(&self.batch)?;
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
    pub fn open(config: &Config, settings: Settings, paths: &[PathBuf]) -> Result<Feed, CliError> {
        let records = Records::open(config, paths)?;
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

    /// Counts of all records so far.
    pub fn counts(&self) -> Counts {
        self.spaces.counts()
    }
}

/// What is wrong with the first file's header.
pub fn header_error(paths: &[PathBuf], file: &FileSource, source: HeaderError) -> InputError {
    let path = paths.first().cloned().unwrap_or_default();
    match file.header() {
        [] => InputError::Empty(path),
        _ => InputError::Header { path, source },
    }
}

/// Runs of consecutive records of one partition, the first one last.
fn split(batch: &Batch) -> Result<Vec<Batch>, CliError> {
    let mut runs: Vec<Batch> = Vec::new();
    for record in &batch.records {
        let line = Dumped::read(batch.value(record))
            .map_err(|source| InputError::Dump { offset: record.offset, source })?;
        let shard = ShardId::account(line.partition);
        if runs.last().is_none_or(|run| run.shard != shard) {
            runs.push(Batch::new(shard));
        }
        let run = runs.last_mut().expect("just pushed");
        run.push(line.offset, line.appended_at, &line.key, &line.value);
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
