//! `tripline dump`: writes a topic as JSON lines, which `replay` and `compare` read.

use super::broker;
use super::dumped::Dumped;
use super::error::CliError;
use super::report::{Exit, note};
use crate::io::kafka::transfer::read_topic;
use clap::Args;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

/// Write the committed records of a topic as JSON lines `{partition, offset, appended_at, key, value}`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  tripline dump --brokers 127.0.0.1:9092 --topic bank.alerts --output alerts.dump.jsonl"
)]
pub struct Dump {
    #[command(flatten)]
    broker: broker::Broker,
    /// Topic to read.
    #[arg(long)]
    topic: String,
    /// Output file; standard output by default.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Dump {
    /// Runs the command.
    ///
    /// # Errors
    /// When the topic cannot be read or the file cannot be written.
    pub fn run(self) -> Result<Exit, CliError> {
        let settings = self.broker.settings()?;
        let place = self.output.clone().unwrap_or_else(|| PathBuf::from("standard output"));
        let mut file: Box<dyn Write> = match &self.output {
            Some(path) => Box::new(BufWriter::new(File::create(path).map_err(CliError::file(path))?)),
            None => Box::new(BufWriter::new(io::stdout().lock())),
        };
        let count = read_topic(&settings, &self.topic, |record| {
            let line = Dumped {
                partition: record.partition,
                offset: record.offset,
                appended_at: record.appended_at,
                key: record.key.to_vec(),
                value: record.value.to_vec(),
            };
            writeln!(file, "{}", line.line()).map_err(CliError::file(&place))
        })?;
        file.flush().map_err(CliError::file(&place))?;
        note(&format!("{count} records of topic {}", self.topic));
        Ok(Exit::Success)
    }
}
