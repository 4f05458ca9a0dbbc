//! Compares the alerts and verdicts of a service with those of `replay` over the same input, byte for byte.

use crate::kafka::{Broker, Failure};
use crate::service::output;
use std::fs;
use std::path::Path;
use tripline::names::Topics;

/// Two packs with the same alerts, under both of which the service ran.
pub struct Alike<'a> {
    /// The hash of the replayed pack.
    pub hash: &'a str,
    /// The hash of the other pack.
    pub other: &'a str,
}

/// Dumps the topics of input, alerts and verdicts, replays the input and compares the outputs. Prints the counts; the
/// files stay in the folder. With `alike`, the other pack's hash is first replaced by the replayed one's. Returns the
/// number of replacements.
///
/// # Errors
/// When they differ: an alert is missing, repeated or different.
pub fn compare(
    program: &Path,
    (broker, prefix): (&Broker, &str),
    config: &str,
    folder: &Path,
    alike: Option<&Alike<'_>>,
) -> Result<usize, Failure> {
    let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let brokers = broker.address();
    let (input, topics) = (format!("{prefix}.events"), Topics::under(prefix));
    for (topic, name) in
        [(&input, "events.dump"), (&topics.alerts, "alerts.dump"), (&topics.verdicts, "verdicts.dump")]
    {
        output(program, &["dump", "--brokers", &brokers, "--topic", topic, "--output", &file(name)])?;
    }
    let (input, alerts, journal) = (file("events.dump"), file("alerts.jsonl"), file("verdicts.jsonl"));
    let arguments =
        ["replay", "--config", config, "--input", &input, "--output", &alerts, "--journal", &journal];
    print!("{}", output(program, &[&arguments[..], &["--json"]].concat())?);
    let mut others = 0;
    for (ours, theirs) in [("alerts.dump", &alerts), ("verdicts.dump", &journal)] {
        if let Some(alike) = alike {
            others += alike.equalize(&folder.join(ours))?;
        }
        print!("{prefix} {ours}: {}", output(program, &["compare", &file(ours), theirs])?);
    }
    Ok(others)
}

impl Alike<'_> {
    /// Replaces the other pack's hash in a dumped file, only as a hash of a pack. Returns how often.
    fn equalize(&self, dumped: &Path) -> Result<usize, Failure> {
        // Lines of a dump contain values as strings: their quotes are escaped.
        let pack = |hash: &str| format!(r#"\"pack\":\"{hash}\""#);
        let (text, other) = (fs::read_to_string(dumped)?, pack(self.other));
        fs::write(dumped, text.replace(&other, &pack(self.hash)))?;
        Ok(text.matches(&other).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_hash_of_the_other_pack_is_made_equal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.dump");
        let line = |pack: &str| {
            format!(r#"{{"offset":1,"value":"{{\"id\":\"b2\",\"pack\":\"{pack}\",\"seq\":1}}"}}"#)
        };
        fs::write(&path, format!("{}\n{}\n{}\n", line("a1"), line("b2"), line("c3"))).unwrap();
        assert_eq!(Alike { hash: "a1", other: "b2" }.equalize(&path).unwrap(), 1);
        let expected = format!("{}\n{}\n{}\n", line("a1"), line("a1"), line("c3"));
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    }
}
