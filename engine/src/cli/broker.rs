//! The broker of a command: from a configuration, or from the command line.

use super::configured::configured;
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
    /// The settings of the client.
    ///
    /// # Errors
    /// When the configuration has errors or names no brokers.
    pub fn settings(&self) -> Result<KafkaSettings, CliError> {
        match (&self.brokers, &self.config) {
            (Some(brokers), _) if brokers.trim().is_empty() => Err(ArgumentError::EmptyBrokers.into()),
            (Some(brokers), _) => Ok(KafkaSettings::new(brokers, "none", "tripline-tools", "none")),
            (None, Some(path)) => of_config(&configured(path)?),
            (None, None) => Err(ArgumentError::NoBrokers.into()),
        }
    }
}

/// The Kafka settings of a configuration.
///
/// # Errors
/// When it names no brokers.
pub fn of_config(config: &Config) -> Result<KafkaSettings, CliError> {
    let Some(brokers) = &config.kafka.brokers else {
        return Err(SetupError::NoBrokers.into());
    };
    let settings = KafkaSettings {
        instance: config.kafka.instance.clone(),
        workers: config.kafka.workers,
        client: config.kafka.client.clone(),
        clock: config.input.clock,
        start: config.input.start,
        guarantee: config.delivery.guarantee,
        commit_interval: config.delivery.commit_interval,
        lookback: config.installation.lookback(),
        ..KafkaSettings::new(brokers, &config.input.topic, &config.kafka.group, &config.kafka.prefix)
    };
    let errors = settings.errors();
    if errors.is_empty() { Ok(settings) } else { Err(SetupError::Client(errors).into()) }
}
