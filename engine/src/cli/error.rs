//! Why a command could not do its work: exit status 2. It does not depend on a command.

use super::dumped::DumpedError;
use crate::config::ReadError;
use crate::io::kafka::mock::MockError;
use crate::io::kafka::{BeginError, RunError};
use crate::io::snapshot::ObjectStoreError;
use crate::ops::control::ControlError;
use crate::ops::log::LogError;
use crate::runtime::sink::SinkError;
use crate::runtime::source::SourceError;
use std::io;
use std::path::PathBuf;
use std::string::FromUtf8Error;
use std::time::Duration;
use tripline_core::decode::HeaderError;

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A file cannot be read or written.
    #[error("{path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Standard input or output failed.
    #[error("standard streams")]
    Stream(#[from] io::Error),
    /// Configuration, schema or packs have errors; they were listed.
    #[error("{0} has errors, listed above")]
    Invalid(PathBuf),
    /// A configuration cannot be read.
    #[error(transparent)]
    Config(#[from] ReadError),
    /// An argument cannot be used.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// The configuration lacks what the command needs.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A file is not what the command reads.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Records cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Outputs cannot be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// Logging cannot be set up.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The HTTP endpoint or the signal handlers cannot be set up.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The service ended before it was asked to.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The snapshot store cannot be used.
    #[error(transparent)]
    Store(#[from] ObjectStoreError),
    /// Topics are not as the command needs them.
    #[error(transparent)]
    Topics(#[from] TopicsError),
    /// The consumer group is not free for `bootstrap`.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// The positions of the consumer group cannot be committed.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// No process returned its status.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// The demo's broker failed.
    #[error(transparent)]
    Broker(#[from] MockError),
    /// The demo's engine failed.
    #[error(transparent)]
    Demo(#[from] DemoError),
}

impl CliError {
    /// Whether the reader of standard output has closed it.
    pub fn is_closed_output(&self) -> bool {
        matches!(self, CliError::Stream(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// A file error with its path.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> CliError {
        let path = path.into();
        move |source| CliError::File { path, source }
    }
}

/// An argument that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArgumentError {
    /// A bank without accounts has no events.
    #[error("`--accounts` must be at least 1")]
    NoAccounts,
    /// Shares of irregular records.
    #[error(
        "`--out-of-order`, `--duplicates`, `--bad` and `--conflicts` must each lie between 0 and 1, and add up to at most 1"
    )]
    Shares,
    /// A rate, or a mean number of events or campaigns, that no simulation has.
    #[error("`--{name}` must be a number from {least} to {most}")]
    Range {
        /// The argument.
        name: &'static str,
        /// The least that it can be.
        least: f64,
        /// The most that it can be.
        most: f64,
    },
    /// A simulation that would leave the calendar.
    #[error("`--start` must be from 1900 to 2150")]
    Start,
    /// An output would overwrite what the command reads.
    #[error("the output {0} is also an input: it would be overwritten")]
    OutputIsInput(PathBuf),
    /// Two outputs would be written over each other.
    #[error("{0} is given for two outputs: give each a file of its own")]
    OutputTwice(PathBuf),
    /// Nowhere to write to.
    #[error("no destination: set `--output`, or `--brokers` and `--topic`")]
    NoDestination,
    /// An empty list of brokers.
    #[error("`--brokers` is empty: name at least one `host:port`")]
    EmptyBrokers,
    /// No broker to talk to.
    #[error("no broker: set `--brokers` or `--config`")]
    NoBrokers,
    /// Not the address of a process.
    #[error("`{0}` is not an address: use `http://host:port`")]
    Url(String),
}

/// What a configuration lacks for a command.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Nothing to write a matrix of.
    #[error("the packs define no features: add `features:` to a pack")]
    NoFeatures,
    /// The place of an account is not known.
    #[error(
        "`bootstrap` puts each account into the partition that its producers choose: set `input.partitioner` to their \
         partitioner instead of `none`"
    )]
    NoPartitioner,
    /// Nothing to compare scores with.
    #[error(
        "the mapping has no labels: add `labels:` to `input:`, or map `event.ref` and `label.outcome` of label events"
    )]
    NoLabels,
    /// Nothing to evaluate.
    #[error("no record of the input became an event; {0}")]
    NoEvents(String),
    /// Settings of the Kafka client that it refuses.
    #[error("`kafka:` cannot be used: {}", .0.join("; "))]
    Client(Vec<String>),
    /// No broker to talk to.
    #[error("the configuration names no brokers: set `kafka: {{brokers: host:port}}`")]
    NoBrokers,
    /// The ids of alerts and the hashes of accounts would be those of every installation.
    #[error(
        "the configuration has no secret: set `secret: {{file: …}}`, the same file for all processes of the group, or for \
         demos and tests `secret: built_in`"
    )]
    NoSecret,
    /// Nowhere to write snapshots to.
    #[error("the configuration has no snapshot store: set `snapshots: {{store: …}}`")]
    NoSnapshots,
    /// The process chose its port itself.
    #[error("`http.listen` has port 0, so the process listens on a free port: name the port with `--url`")]
    AnyPort,
    /// Key spaces beside the account's.
    #[error(
        "the packs aggregate by {}, and `run` does not support key spaces beside the account's yet: \
         use `replay` or `demo`, which run every key space",
        .0.join(", ")
    )]
    KeySpaces(Vec<String>),
    /// A topic has no header line.
    #[error(
        "`input.format` is `csv`, and records of a topic have no header line that names the columns: `run` reads JSON; use \
         `replay` for files"
    )]
    CsvTopic,
    /// Rows of a file and records of a topic would have the same ids.
    #[error(
        "`event.id` is the number of the record, which is not unique across history and topic: map an id that the bank \
         assigns"
    )]
    EventId,
}

/// A file that is not what a command reads.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// A CSV file without a header.
    #[error("{0}: the file is empty, but its first line must name the columns")]
    Empty(PathBuf),
    /// A CSV file with another header.
    #[error("{path}")]
    Header {
        /// The first file.
        path: PathBuf,
        /// What does not fit the mapping.
        source: HeaderError,
    },
    /// A CSV file with other lines above its header.
    #[error("{path}: line {number} seems to be the header: remove the {above} lines above it")]
    HeaderBelow {
        /// The file.
        path: PathBuf,
        /// The line that names all columns of the mapping, from 1.
        number: usize,
        /// Lines above it.
        above: usize,
    },
    /// A log has its own order.
    #[error("records of `tripline dump` are in the order of their log: remove `--sort`")]
    SortedDump,
    /// A file of `tripline dump` with something else in it.
    #[error("record {offset} is not a line of `tripline dump`")]
    Dump {
        /// Its number.
        offset: i64,
        /// What is wrong with it.
        source: DumpedError,
    },
    /// A line that is neither an alert nor a verdict.
    #[error("{path}, line {number}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        number: u64,
        /// What is wrong with it.
        source: LineError,
    },
    /// Packs and schemas say nothing about records.
    #[error(
        "`--sample` tries the mapping of a configuration, and {} has none: write `tripline check {} --sample {}`",
        .files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
        .configuration.display(),
        .sample.display()
    )]
    SampleWithoutMapping {
        /// Packs or schemas.
        files: Vec<PathBuf>,
        /// What to check instead.
        configuration: PathBuf,
        /// The records.
        sample: PathBuf,
    },
    /// Two empty sets are equal, and show nothing.
    #[error("nothing to compare: neither {} nor {} has a record", .0.display(), .1.display())]
    NothingToCompare(PathBuf, PathBuf),
    /// No record is an event.
    #[error("none of {0} records can be decoded as an event: try the mapping with `tripline check --sample`")]
    NoEvents(u64),
}

/// A line that `tripline compare` cannot compare.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// A record of `tripline dump` that cannot be read.
    #[error(transparent)]
    Dump(#[from] DumpedError),
    /// Bytes that are not text.
    #[error("not UTF-8")]
    NotText(#[source] FromUtf8Error),
    /// Text that is not JSON.
    #[error("not JSON: each line must hold one alert or verdict")]
    NotJson,
    /// JSON that is something else.
    #[error("neither an alert nor a verdict: `id` and `event` are missing")]
    Other,
}

/// Topics that are not as a command needs them.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// The input exists with another number of partitions.
    #[error(
        "topic {topic} exists and has {found} partitions, not {wanted}: its records cannot be split again, see \
         docs/runbook.md on more partitions"
    )]
    Partitions {
        /// The input topic.
        topic: String,
        /// Its partitions.
        found: u32,
        /// Partitions asked for.
        wanted: u32,
    },
}

/// A consumer group that is not free for `bootstrap`.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// Processes consume in it.
    #[error(
        "consumer group {group} has {members} members: stop its processes and wait until their sessions have timed out"
    )]
    Members {
        /// The group.
        group: String,
        /// How many.
        members: usize,
    },
    /// It has committed offsets.
    #[error(
        "consumer group {0} has committed offsets: choose another `kafka.group`, or replace them with `--force`"
    )]
    Offsets(String),
    /// It has snapshots.
    #[error("consumer group {0} has snapshots: choose another `kafka.group`, or replace them with `--force`")]
    Snapshots(String),
    /// Some partitions have no committed offset.
    #[error(
        "consumer group {0} has no committed offset in some partitions: set `--offsets latest` or `--offsets earliest`"
    )]
    NoOffset(String),
}

/// No process returned its status.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// What happened with each of them.
    #[error("{}", .0.join("; "))]
    NoAnswer(Vec<String>),
}

/// The demo failed.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The engine takes too long.
    #[error("the demo's engine was not ready within {} s", .0.as_secs())]
    NotReady(Duration),
    /// A record of the alerts topic is something else.
    #[error("a record of the demo's alerts topic is not an alert")]
    Alert(#[source] serde_json::Error),
}
