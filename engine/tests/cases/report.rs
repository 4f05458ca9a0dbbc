//! What a command printed and wrote, read as alerts, feature rows, findings and dead letters.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::case::Compared;
use crate::command::Ended;
use crate::text::short;

/// Cells by column.
pub type Row = BTreeMap<String, Value>;

impl Ended {
    pub fn alerts(&self) -> Result<Vec<Value>, String> {
        json_lines(&self.path_after("--output")?)
    }

    pub fn dead_letters(&self) -> Result<Vec<Value>, String> {
        json_lines(&self.path_after("--dead-letters")?)
    }

    /// Feature rows by event id; the second row of an id is `id#2`.
    pub fn feature_rows(&self) -> Result<BTreeMap<String, Row>, String> {
        let path = self.path_after("--output")?;
        let mut reader =
            csv::Reader::from_path(&path).map_err(|error| self.unreadable(&error.to_string()))?;
        let mut rows = BTreeMap::new();
        for row in reader.deserialize::<BTreeMap<String, String>>() {
            let row = row.map_err(|error| self.unreadable(&error.to_string()))?;
            let id = row.get("event").ok_or("the features have no column `event`")?.clone();
            let again = (2..).map(|number| format!("{id}#{number}"));
            let name =
                std::iter::once(id.clone()).chain(again).find(|name| !rows.contains_key(name)).unwrap();
            rows.insert(name, row.into_iter().map(|(column, cell)| (column, Value::String(cell))).collect());
        }
        Ok(rows)
    }

    /// The findings of `check --json`.
    pub fn findings(&self) -> Result<Vec<Map<String, Value>>, String> {
        serde_json::from_str(&self.stdout)
            .map_err(|error| format!("stdout is no list of findings: {error}: {}", short(&self.stdout)))
    }

    /// The last line of standard output that holds a JSON object.
    pub fn last_object(&self) -> Result<Value, String> {
        let line = self.stdout.lines().rev().find(|line| line.trim_start().starts_with('{'));
        let line = line.ok_or_else(|| self.unreadable("no JSON object on stdout"))?;
        serde_json::from_str(line).map_err(|error| format!("{error}: {}", short(line)))
    }

    /// Name and text of standard output, standard error and every written file.
    pub fn everything(&self) -> Vec<(&str, String)> {
        let mut texts = vec![("stdout", self.stdout.clone()), ("stderr", self.stderr.clone())];
        for name in &self.wrote {
            let bytes = fs::read(self.folder.join(name)).unwrap_or_default();
            texts.push((name, String::from_utf8_lossy(&bytes).into_owned()));
        }
        texts
    }

    /// What two steps are compared by.
    pub fn outcome(&self, what: Compared) -> Result<Vec<String>, String> {
        let mut outcome = match what {
            Compared::Exit => vec![self.exit.to_string()],
            Compared::Stdout => vec![self.stdout.clone()],
            Compared::Diagnostics => self.findings()?.iter().map(said).collect(),
            Compared::Features => self.feature_rows()?.iter().map(|row| format!("{row:?}")).collect(),
            Compared::AlertIds => self.alerts()?.iter().map(|alert| alert["id"].to_string()).collect(),
            Compared::Alerts => self.alerts()?.iter().map(line).collect(),
        };
        outcome.sort();
        Ok(outcome)
    }

    fn unreadable(&self, problem: &str) -> String {
        format!("{problem}; exit {}: {} {}", self.exit, short(&self.stdout), short(&self.stderr))
    }
}

/// A file that was not written holds no lines.
fn json_lines(path: &Path) -> Result<Vec<Value>, String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| serde_json::from_str(line).map_err(|error| format!("{error}: {}", short(line))))
        .collect()
}

/// Code, message, label and help of a finding; neither its place nor its severity.
pub fn said(finding: &Map<String, Value>) -> String {
    let words = finding.iter().filter(|(key, _)| !["file", "severity"].contains(&key.as_str()));
    words.filter_map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" ")
}

/// Rules of an alert by id.
pub fn rules(alert: &Value) -> BTreeMap<&str, &Value> {
    let rules = alert["rules"].as_array().into_iter().flatten();
    rules.filter_map(|rule| Some((rule["id"].as_str()?, rule))).collect()
}

/// An alert in one line.
pub fn line(alert: &Value) -> String {
    let rules: Vec<String> =
        rules(alert).iter().map(|(id, rule)| format!("{id} {} {}", rule["reason"], rule["values"])).collect();
    format!("{} of {}: {}", alert["event"]["id"], alert["account"], rules.join(", "))
}

pub fn lines(alerts: &[Value]) -> String {
    if alerts.is_empty() {
        "no alert".to_owned()
    } else {
        alerts.iter().map(line).collect::<Vec<_>>().join("; ")
    }
}
