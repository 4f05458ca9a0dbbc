//! Logging for operators: text or JSON lines on standard error, never account data.

use crate::settings::LogFormat;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// The filter is invalid, or logging was set up before.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up logging: {0}")]
pub struct LogError(String);

/// Sets up logging for the process. `filter` is a level or a list such as `info,tripline=debug`.
///
/// # Errors
/// When the filter is invalid, or logging was set up before.
pub fn start(format: LogFormat, filter: &str) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(filter).map_err(|error| LogError(error.to_string()))?;
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A closed standard error would be reported on standard error, which panics.
        .log_internal_errors(false)
        .with_ansi(colours);
    match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    }
    .map_err(|error| LogError(error.to_string()))
}

/// Why [`start`] would refuse a filter.
pub fn refusal(filter: &str) -> Option<String> {
    EnvFilter::try_new(filter).err().map(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_is_refused() {
        let error = start(LogFormat::Text, "tripline=loudly").unwrap_err();
        assert!(error.to_string().starts_with("cannot set up logging"), "{error}");
        assert!(refusal("a=b=debug").is_some() && refusal("info,tripline=debug").is_none());
    }
}
