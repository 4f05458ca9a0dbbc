//! Dead letters of a run over files, grouped by field and reason, each group with its first record: shared by `replay`
//! and `check --sample`, so that both say the same.

use super::text::{grouped, table};
use serde::Serialize;
use std::collections::BTreeMap;
use tripline_core::batch::Batch;
use tripline_core::outputs::{Outputs, Topic, header};

/// Records with one error of one field.
#[derive(Clone, Debug, Serialize)]
pub struct Refused {
    pub reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Where the field comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    pub count: u64,
    /// The first such record, and the byte of the error in it.
    pub partition: u32,
    pub offset: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub byte: Option<u64>,
}

/// Groups by field and reason.
#[derive(Default)]
pub struct Refusals(BTreeMap<(Option<String>, String), Refused>);

impl Refusals {
    /// Takes the dead letters that the records of a step caused. Returns their offsets.
    pub fn take(&mut self, batch: &Batch, out: &Outputs) -> Vec<i64> {
        let mut offsets = Vec::new();
        for letter in out.records.iter().filter(|output| output.topic == Topic::DeadLetters) {
            let of = |name: &str| {
                let found = out.headers(letter).iter().find(|(header, _)| *header == name);
                found.map(|(_, value)| value.clone())
            };
            self.add(Refused {
                reason: of(header::ERROR_REASON).unwrap_or_default(),
                field: of(header::ERROR_FIELD),
                place: of(header::ERROR_PLACE),
                count: 1,
                partition: batch.shard.partition,
                offset: letter.cause,
                byte: of(header::ERROR_BYTE).and_then(|byte| byte.parse().ok()),
            });
            offsets.push(letter.cause);
        }
        offsets
    }

    /// Adds a record.
    pub fn add(&mut self, refused: Refused) {
        let group = (refused.field.clone(), refused.reason.clone());
        self.0.entry(group).and_modify(|first| first.count += 1).or_insert(refused);
    }

    /// The groups, by field and reason.
    pub fn found(self) -> Vec<Refused> {
        self.0.into_values().collect()
    }
}

impl Refused {
    /// The first record; records count from 1, as lines do.
    pub fn first(&self) -> String {
        let partition =
            if self.partition > 0 { format!(" of partition {}", self.partition) } else { String::new() };
        let byte = self.byte.map(|byte| format!(", byte {byte}")).unwrap_or_default();
        format!("record {}{partition}{byte}", self.offset + 1)
    }
}

/// The groups as lines of a table; none without a group.
pub fn lines(refused: &[Refused]) -> Vec<String> {
    if refused.is_empty() {
        return Vec::new();
    }
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let mut rows = vec![["  field", "place", "reason", "records", "first"].map(str::to_owned)];
    rows.extend(refused.iter().map(|refused| {
        [
            format!("  {}", known(&refused.field)),
            known(&refused.place),
            refused.reason.clone(),
            grouped(refused.count),
            refused.first(),
        ]
    }));
    table(&rows)
}
