//! The broker of a command: from a configuration, or from the command line.

use super::configured::configured_alone;
use super::error::{ArgumentError, CliError, SetupError};
use crate::config::Config;
use crate::io::kafka::KafkaSettings;
use clap::Args;
use std::path::PathBuf;

/// The broker of a command.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Broker {
    /// Brokers as `host:port`, separated by commas.
    #[arg(long, value_name = "LIST")]
    brokers: Option<String>,
    /// Configuration file whose `kafka:` section names the brokers.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Broker {
    /// The settings of the client, and the files that they were read from. Errors of schema and packs do not matter.
    ///
    /// # Errors
    /// When the configuration itself has errors or names no brokers.
    pub fn settings(&self) -> Result<(KafkaSettings, Vec<PathBuf>), CliError> {
        let unnamed = |brokers: &str| KafkaSettings::new(brokers, "none", "tripline-tools", "none");
        match (&self.brokers, &self.config) {
            (Some(brokers), _) if brokers.trim().is_empty() => Err(ArgumentError::EmptyBrokers.into()),
            (Some(brokers), _) => Ok((unnamed(brokers), Vec::new())),
            (None, Some(path)) => {
                let (loaded, files) = configured_alone(path)?;
                let brokers = loaded.kafka.brokers.as_deref().ok_or(SetupError::NoBrokers)?;
                let settings = KafkaSettings { client: loaded.kafka.client.clone(), ..unnamed(brokers) };
                Ok((valid(settings)?, files))
            }
            (None, None) => Err(ArgumentError::NoBrokers.into()),
        }
    }
}

/// The Kafka settings of a configuration.
///
/// # Errors
/// When it names no brokers, or they cannot be used.
pub fn of_config(config: &Config) -> Result<KafkaSettings, CliError> {
    valid(unchecked(config).ok_or(SetupError::NoBrokers)?)
}

/// The Kafka settings of a configuration, whether they can be used or not; none when it names no brokers.
pub fn unchecked(config: &Config) -> Option<KafkaSettings> {
    let brokers = config.kafka.brokers.as_deref()?;
    Some(KafkaSettings {
        instance: config.kafka.instance.clone(),
        workers: config.kafka.workers,
        client: config.kafka.client.clone(),
        clock: config.input.clock,
        start: config.input.start,
        guarantee: config.delivery.guarantee,
        commit_interval: config.delivery.commit_interval,
        lookback: config.installation.lookback(),
        ..KafkaSettings::new(brokers, &config.input.topic, &config.kafka.group, &config.kafka.prefix)
    })
}

fn valid(settings: KafkaSettings) -> Result<KafkaSettings, CliError> {
    let errors = settings.errors();
    if errors.is_empty() { Ok(settings) } else { Err(SetupError::Client(errors).into()) }
}
