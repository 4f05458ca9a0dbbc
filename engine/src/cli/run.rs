//! `tripline run`: the service on Kafka.

use super::broker;
use super::configured::configured;
use super::error::{CliError, SetupError};
use super::report::Exit;
use super::topics;
use crate::config::{Config, Secret};
use crate::io::kafka;
use crate::io::snapshot::{Catalogue, Store, Writer};
use crate::ops::control::Control;
use crate::ops::http::HttpState;
use crate::ops::log;
use crate::ops::reporter::Reporter;
use crate::ops::status_report::ProcessInfo;
use crate::runtime::clock::Clock;
use crate::runtime::report::Report;
use crate::runtime::shard_processor::ShardProcessor;
use crate::runtime::snapshots::Snapshots;
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tripline_core::decode::Format;
use tripline_core::placement::Placement;
use tripline_core::snapshot::InputTopic;

/// How long the last snapshots may take to be written once every worker has ended.
const WRITTEN_WITHIN: Duration = Duration::from_secs(5);

/// Run the service: consume events from Kafka and publish alerts, until SIGTERM.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  tripline run --config deploy/examples/reference/tripline.yaml")]
pub struct Run {
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Run {
    /// Runs the command.
    ///
    /// # Errors
    /// When the configuration cannot be run, or the service ended without a shutdown request.
    pub fn run(self) -> Result<Exit, CliError> {
        let config = configured(&self.config)?;
        refuse_derived(&config)?;
        if let Format::Csv { .. } = config.mapping.format {
            return Err(SetupError::CsvTopic.into());
        }
        let settings = broker::of_config(&config)?;
        require_secret(&config)?;
        log::start(config.log.format, &config.log.level)?;
        let reporter = Arc::<Reporter>::default();
        let shutdown = reporter.status.shutdown().clone();
        let report: Arc<dyn Report> = Arc::<Reporter>::clone(&reporter);
        let process = Arc::new(ProcessInfo::of(&config));
        let state = HttpState { process, reporter };
        let control = Control::start(Some(config.http.settings), state)?;
        if let Some(address) = control.address() {
            tracing::info!(%address, "HTTP server started: /healthz, /readyz, /status, /metrics");
        }
        let snapshots = snapshots(&config)?;
        let writer =
            snapshots.as_ref().map(|snapshots| Writer::start(snapshots.clone(), Arc::clone(&report)));
        let written = writer.clone();
        let make = {
            let report = Arc::clone(&report);
            let (installation, partitioner) = (Arc::clone(&config.installation), config.input.partitioner);
            let every = config.snapshots.as_ref().map(|snapshots| snapshots.every);
            let writer = writer.map(Arc::new).zip(every);
            move |_worker, input: &InputTopic| {
                let snapshots = writer
                    .clone()
                    .map(|(writer, every)| Snapshots::new(writer, every, input.clone(), Clock::default()));
                let mut settings = installation.settings().clone();
                settings.placement = partitioner.map_or(Placement::Unchecked, |partitioner| {
                    Placement::ByPartition { partitioner, partitions: input.partitions }
                });
                let installation = Arc::new(installation.with_settings(settings));
                ShardProcessor::new(installation, Arc::clone(&report), input.clone(), snapshots)
            }
        };
        topics::warn(&settings, config.snapshots.as_ref().map(|snapshots| snapshots.every));
        let ended = kafka::run(&settings, &report, &shutdown, snapshots, make);
        if written.is_some_and(|writer| !writer.wait(WRITTEN_WITHIN)) {
            tracing::warn!("the last snapshots could not be written in time; the previous ones stay");
        }
        ended?;
        Ok(Exit::Success)
    }
}

/// Refuses packs that need a derived key space.
///
/// # Errors
/// When there are any.
pub fn refuse_derived(config: &Config) -> Result<(), CliError> {
    let derived: Vec<String> =
        config.ruleset().programs()[1..].iter().map(|program| program.plan().space.entity.clone()).collect();
    if derived.is_empty() {
        return Ok(());
    }
    Err(SetupError::KeySpaces(derived).into())
}

/// Refuses a configuration that does not say which secret it has: state and ids are of that secret for good.
///
/// # Errors
/// When it says nothing of it.
pub fn require_secret(config: &Config) -> Result<(), CliError> {
    match config.secret {
        Secret::Unset => Err(SetupError::NoSecret.into()),
        Secret::BuiltIn | Secret::File => Ok(()),
    }
}

/// The snapshots of the configured group, if configured.
///
/// # Errors
/// When the store cannot be opened.
pub fn snapshots(config: &Config) -> Result<Option<Catalogue>, CliError> {
    let Some(settings) = &config.snapshots else { return Ok(None) };
    let store = Store::open(&settings.store)?;
    if store.is_local() {
        tracing::info!(
            store = settings.store,
            "the snapshot store is local: processes on other hosts restore the shards that they take over from the log"
        );
    }
    Ok(Some(Catalogue::new(store, &config.kafka.group)))
}
