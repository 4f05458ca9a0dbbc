//! `tripline features`: the feature matrix of a history, computed by the code that `run` uses.

use super::configured::configured_from;
use super::error::{CliError, SetupError};
use super::feed::{Feed, Order, Progress};
use super::paths::refuse_overwrites;
use super::report::{Exit, print, without_row};
use super::usage::Usage;
use clap::Args;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use tripline_core::outputs::Outputs;
use tripline_core::results::{Collect, EventResults};

/// Write the features of the packs for every input record as CSV.
///
/// The first column is `event`; the features follow in pack order. Money is in major units, yes/no is 0 or 1, a
/// missing value is empty.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  tripline features --config deploy/examples/handbook/tripline.yaml \\\n    --input deploy/examples/handbook/sample.csv --output features.csv"
)]
pub struct Features {
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
    /// CSV file to write.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

impl Features {
    /// Runs the command.
    ///
    /// # Errors
    /// When a file cannot be read or written, the configuration has errors, or no pack has a feature.
    pub fn run(self) -> Result<Exit, CliError> {
        let (config, read) = configured_from(&self.config)?;
        refuse_overwrites(self.input.iter().chain(&read), [&self.output])?;
        let features = config.ruleset().features();
        if features.is_empty() {
            return Err(SetupError::NoFeatures.into());
        }
        let mut settings = config.settings().clone();
        settings.features = true;
        settings.models.retain(|name| config.ruleset().reads_model(name));
        let usage = Usage::begin();
        let mut feed = Feed::open(&config, settings, &self.input, Order::of(self.sort))?;
        let file = File::create(&self.output).map_err(CliError::file(&self.output))?;
        let mut file = BufWriter::with_capacity(1 << 20, file);
        let mut text = String::from("event");
        features.iter().for_each(|feature| text.extend([",", &feature.name]));
        text.push('\n');
        let progress = Progress::begin();
        let mut out = Outputs::default();
        let mut results = EventResults::new(Collect::Features);
        let mut rows = 0;
        while feed.step(&mut out, &mut results)? {
            for line in results.rows() {
                text.push_str(results.event(line));
                for value in results.features(line) {
                    text.push(',');
                    if !value.is_nan() {
                        write!(text, "{value}").expect("a string accepts all text");
                    }
                }
                text.push('\n');
            }
            rows += results.rows().len();
            file.write_all(text.as_bytes()).map_err(CliError::file(&self.output))?;
            text.clear();
            out.clear();
            results.clear();
            progress.at(feed.counts().records);
        }
        file.flush().map_err(CliError::file(&self.output))?;
        progress.end();
        feed.warn_of_keys();
        feed.warn_of_labels(&config);
        let spent = usage.end();
        let records = feed.counts().records;
        #[expect(clippy::cast_precision_loss, reason = "shown in whole megabytes")]
        let megabytes = spent.peak_rss_bytes as f64 / 1e6;
        print(&format!(
            "{rows} rows of {} features from {records} records: {:.1} s, {:.0} events per core-second, {megabytes:.0} MB peak memory\n",
            features.len(),
            spent.seconds,
            spent.per_cpu_second(records),
        ))?;
        print(&without_row(&feed.counts()))?;
        Ok(Exit::Success)
    }
}
