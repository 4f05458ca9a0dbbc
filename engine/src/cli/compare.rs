//! `tripline compare`: compares two sets of alerts, whatever the order of their partitions.

use super::dumped::{self, Dumped};
use super::error::{CliError, InputError, LineError};
use super::report::{Exit, Report};
use crate::io::file::{Lines, open};
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Compare two sets of alerts or verdicts, byte for byte; exit 1 at the first difference.
///
/// Each file is the output of `replay` or of `dump`. Alerts are matched by id, verdicts by event and entity. Two files
/// without a record are no comparison: exit 2.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  tripline replay --config deploy/examples/demo/tripline.yaml \\\n    --input deploy/examples/demo/sample.jsonl --output first.jsonl\n  tripline replay --config deploy/examples/demo/tripline.yaml \\\n    --input deploy/examples/demo/sample.jsonl --output second.jsonl\n  tripline compare first.jsonl second.jsonl"
)]
pub struct Compare {
    /// File with the first set.
    first: PathBuf,
    /// File with the second set.
    second: PathBuf,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Compared {
    equal: bool,
    first: usize,
    second: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<Difference>,
}

#[derive(Serialize)]
struct Difference {
    id: String,
    first: Option<String>,
    second: Option<String>,
}

/// Alerts by id. All alerts of an id are kept, so that a repeated alert is a difference.
type Set = BTreeMap<String, Vec<String>>;

impl Compare {
    /// Runs the command.
    ///
    /// # Errors
    /// When a file cannot be read or holds no alerts, or neither holds a record.
    pub fn run(self) -> Result<Exit, CliError> {
        let (first, second) = (read(&self.first)?, read(&self.second)?);
        if first.is_empty() && second.is_empty() {
            return Err(InputError::NothingToCompare(self.first, self.second).into());
        }
        let difference = first_difference(&first, &second);
        let count = |set: &Set| set.values().map(Vec::len).sum();
        let compared = Compared {
            equal: difference.is_none(),
            first: count(&first),
            second: count(&second),
            difference,
        };
        let mut report = Report::new(self.json);
        report.json(&compared)?;
        report.text(|| match &compared.difference {
            None => format!("equal: {} records\n", compared.first),
            Some(difference) => {
                let shown = |side: &Option<String>| side.clone().unwrap_or_else(|| "(absent)".to_owned());
                format!(
                    "different: {} records in the first, {} in the second\n{}\n< {}\n> {}\n",
                    compared.first,
                    compared.second,
                    difference.id,
                    shown(&difference.first),
                    shown(&difference.second),
                )
            }
        })?;
        Ok(if compared.equal { Exit::Success } else { Exit::Problems })
    }
}

fn first_difference(first: &Set, second: &Set) -> Option<Difference> {
    let mut ids: Vec<&String> = first.keys().chain(second.keys()).collect();
    ids.sort();
    ids.dedup();
    ids.into_iter().find_map(|id| {
        let (ours, theirs) = (first.get(id), second.get(id));
        let text = |side: Option<&Vec<String>>| side.map(|values| values.join("\n  "));
        (ours != theirs).then(|| Difference { id: id.clone(), first: text(ours), second: text(theirs) })
    })
}

fn read(path: &Path) -> Result<Set, CliError> {
    let mut lines = Lines::new(open(path).map_err(CliError::file(path))?);
    let mut set = Set::new();
    let mut line = Vec::new();
    let mut number = 0;
    while lines.next(&mut line).map_err(CliError::file(path))? {
        number += 1;
        let (id, text) = entry(std::mem::take(&mut line)).map_err(|source| InputError::Line {
            path: path.to_path_buf(),
            number,
            source,
        })?;
        set.entry(id).or_default().push(text);
    }
    // Several records of one identity are compared as a set, too.
    set.values_mut().for_each(|values| values.sort());
    Ok(set)
}

/// The identity and the text of the record in a line.
fn entry(line: Vec<u8>) -> Result<(String, String), LineError> {
    let value = if dumped::is_dumped(&line) { Dumped::read(&line)?.value } else { line };
    let text = String::from_utf8(value).map_err(LineError::NotText)?;
    Ok((id(&text)?, text))
}

/// The id of an alert; of a verdict, which has none, the position of its event and its entity.
fn id(text: &str) -> Result<String, LineError> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|_| LineError::NotJson)?;
    match (value.get("id").and_then(serde_json::Value::as_str), value.get("event")) {
        (Some(id), _) => Ok(id.to_owned()),
        (None, Some(event)) => Ok(format!("{event} {}", value["entity"])),
        (None, None) => Err(LineError::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(lines: &[&str]) -> Set {
        let mut set = Set::new();
        for line in lines {
            set.entry(id(line).unwrap()).or_default().push((*line).to_owned());
        }
        set
    }

    #[test]
    fn order_does_not_matter_but_a_changed_byte_a_missing_and_a_repeated_alert_do() {
        let (a, b) = (r#"{"id":"a","score":1}"#, r#"{"id":"b","score":2}"#);
        assert!(first_difference(&set(&[a, b]), &set(&[b, a])).is_none());
        let found = |first: &[&str], second: &[&str]| {
            first_difference(&set(first), &set(second)).map(|found| found.id)
        };
        assert_eq!(found(&[a, b], &[a]), Some("b".to_owned()));
        assert_eq!(found(&[a], &[a, a]), Some("a".to_owned()));
        assert_eq!(found(&[a], &[r#"{"id":"a","score":2}"#]), Some("a".to_owned()));
    }
}
