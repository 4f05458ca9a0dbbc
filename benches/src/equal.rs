//! Whether what a service has published is what `replay` makes of the records it read: alerts and verdicts, byte for byte.

use crate::kafka::{Broker, Failure};
use crate::service::output;
use std::path::Path;

/// Dumps the topics `PREFIX.events`, `.alerts` and `.verdicts`, replays the first and compares the others with what that
/// gives. Prints the counts; the files stay in the folder.
///
/// # Errors
/// When they differ: an alert is missing, there twice, or another.
pub fn compare(
    program: &Path,
    broker: &Broker,
    prefix: &str,
    config: &str,
    folder: &Path,
) -> Result<(), Failure> {
    let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let brokers = broker.address();
    for topic in ["events", "alerts", "verdicts"] {
        let (into, topic) = (file(&format!("{topic}.dump")), format!("{prefix}.{topic}"));
        output(program, &["dump", "--brokers", &brokers, "--topic", &topic, "--output", &into])?;
    }
    let (input, alerts, journal) = (file("events.dump"), file("alerts.jsonl"), file("verdicts.jsonl"));
    let arguments =
        ["replay", "--config", config, "--input", &input, "--output", &alerts, "--journal", &journal];
    print!("{}", output(program, &[&arguments[..], &["--json"]].concat())?);
    for (ours, theirs) in [("alerts.dump", &alerts), ("verdicts.dump", &journal)] {
        print!("{prefix} {ours}: {}", output(program, &["compare", &file(ours), theirs])?);
    }
    Ok(())
}
