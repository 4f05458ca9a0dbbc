//! `tripline dump`: writes a topic as JSON lines, which `replay` and `compare` read.

use super::broker;
use super::dumped::Dumped;
use super::error::CliError;
use super::paths::refuse_overwrites;
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
        let (settings, read) = self.broker.settings()?;
        refuse_overwrites(&read, &self.output)?;
        let mut output = DumpOutput { path: self.output, opened: None };
        let count = read_topic(&settings, &self.topic, |record| {
            let line = Dumped {
                partition: record.partition,
                offset: record.offset,
                appended_at: record.appended_at,
                key: record.key.to_vec(),
                value: record.value.to_vec(),
            };
            output.write(|file| writeln!(file, "{}", line.line()))
        })?;
        output.write(|file| file.flush())?;
        note(&format!("{count} records of topic {}", self.topic));
        Ok(Exit::Success)
    }
}

/// Where records go. A file is created when the brokers have answered: until then it stays as it was.
struct DumpOutput {
    path: Option<PathBuf>,
    opened: Option<Box<dyn Write>>,
}

impl DumpOutput {
    fn write(&mut self, work: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), CliError> {
        let Some(path) = &self.path else {
            let out = self.opened.get_or_insert_with(|| Box::new(BufWriter::new(io::stdout().lock())));
            return Ok(work(out)?);
        };
        let file = match &mut self.opened {
            Some(file) => file,
            none => {
                let created = File::create(path).map_err(CliError::file(path))?;
                none.insert(Box::new(BufWriter::new(created)))
            }
        };
        work(file).map_err(CliError::file(path))
    }
}
