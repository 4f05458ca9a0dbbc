//! A sample's result as text, and as findings of `check --json`. It reads nothing.

use super::sample::{COUNTED_MAX, Example, Sample};
use crate::cli::refusals;
use crate::cli::text::{duration, grouped, table};
use serde_json::{Value, json};
use std::fmt::Write;

/// Places that are listed.
const PLACES_MAX: usize = 20;

impl Sample {
    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.counts(&mut text);
        self.dead_letters(&mut text);
        for example in &self.examples {
            show(example, &mut text);
        }
        for field in &self.missing {
            let _ = writeln!(text, "{}", field.line());
        }
        for unread in &self.unread {
            let field = unread.field.as_deref().unwrap_or("a field");
            let _ = writeln!(
                text,
                "{field}: cannot be read in {} of {} records, first in {}; nothing reads this field, so they are \
                 accepted",
                grouped(unread.count),
                grouped(self.records),
                unread.first()
            );
        }
        for (array, elements) in &self.arrays {
            let _ = writeln!(
                text,
                "{array}: has up to {elements} elements; those that no field names are not read"
            );
        }
        if !self.unmapped.is_empty() {
            let mut places: Vec<&str> = self.unmapped.keys().map(String::as_str).take(PLACES_MAX).collect();
            let more = format!("and {} more", self.unmapped.len().saturating_sub(PLACES_MAX));
            places.extend((self.unmapped.len() > PLACES_MAX).then_some(more.as_str()));
            let _ = writeln!(text, "no field is mapped from: {}", places.join(", "));
        }
        for suspicion in &self.suspicious {
            let _ = writeln!(text, "looks wrong: {}: {}", suspicion.field, suspicion.message);
        }
        text
    }

    /// How much of the file was read.
    fn extent(&self) -> String {
        let records = grouped(self.records);
        if self.file_records == self.records && self.records < COUNTED_MAX {
            return format!("{records} records");
        }
        let at_least = if self.file_records >= COUNTED_MAX { "at least " } else { "" };
        let all = grouped(self.file_records);
        format!("the first {records} of {at_least}{all} records; `--sample-records N` reads more")
    }

    fn counts(&self, text: &mut String) {
        let _ = writeln!(text, "{}: {}", self.file, self.extent());
        let parts = [
            ("rows", self.rows),
            ("duplicates", self.duplicates),
            ("conflicts", self.conflicts),
            ("late", self.late),
            ("dead letters", self.dead_letters),
        ];
        let parts: Vec<String> =
            parts.iter().map(|(name, count)| format!("{name} {}", grouped(*count))).collect();
        let _ = writeln!(text, "  {}", parts.join(", "));
        let Some(order) = &self.order else { return };
        let _ = writeln!(text, "  events from {} to {}", order.first, order.last);
        let events = self.rows + self.duplicates + self.late;
        let gap = format!("largest gap {} from {}", duration(order.largest_gap_ms), order.gap_from);
        let lateness = duration(self.lateness_ms);
        let late = format!("{} late (`time.lateness` is {lateness})", grouped(self.late));
        let share = match order.out_of_order {
            0 => "all in order of time".to_owned(),
            _ if order.newest_first => "newest first: sort the records by time with `--sort`".to_owned(),
            count => format!("{} of {} out of order", grouped(count), grouped(events)),
        };
        let _ = writeln!(text, "  {share}; {late}; {gap}");
    }

    fn dead_letters(&self, text: &mut String) {
        if self.refused.is_empty() {
            return;
        }
        let _ = writeln!(text, "dead letters");
        for line in refusals::lines(&self.refused) {
            let _ = writeln!(text, "{line}");
        }
        let mut helps: Vec<&str> = Vec::new();
        for help in self.refused.iter().filter_map(|refused| help(&refused.reason)) {
            if !helps.contains(&help) {
                helps.push(help);
            }
        }
        for help in helps {
            let _ = writeln!(text, "  {help}");
        }
    }

    /// As findings of `check --json`: a group of dead letters is an error, a value that looks wrong a warning; the last
    /// one is the whole result.
    pub fn findings(&self) -> Vec<Value> {
        let finding = |code: &str, severity: &str, message: String| json!({"code": code, "severity": severity, "message": message, "file": self.file});
        let refused = self.refused.iter().map(|refused| {
            let field = refused.field.as_deref().map(|field| format!(" of {field}")).unwrap_or_default();
            let message = format!(
                "{}{field} in {} of {} records, first in {}",
                refused.reason,
                refused.count,
                self.records,
                refused.first()
            );
            let mut found = finding("sample_dead_letter", "error", message);
            found["dead_letter"] = json!(refused);
            if let Some(help) = help(&refused.reason) {
                found["help"] = json!(help);
            }
            found
        });
        let suspicious = self.suspicious.iter().map(|suspicion| {
            finding("sample_suspicious", "warning", format!("{}: {}", suspicion.field, suspicion.message))
        });
        let dead_letters = self.dead_letters + self.conflicts;
        let message = format!("{dead_letters} dead letters in {}", self.extent());
        let mut whole = finding("sample", "note", message);
        whole["sample"] = json!(self);
        refused.chain(suspicious).chain([whole]).collect()
    }
}

/// What is likely behind a reason.
fn help(reason: &str) -> Option<&'static str> {
    match reason {
        "card_number" => Some(
            "an all-digit id can look like a card number by chance: exempt its field with `pan: {exempt: [event.id]}`",
        ),
        "not_utf8" => Some(
            "records that are not UTF-8 are probably Latin-1 (ISO 8859-1) or Windows-1252: convert the file with \
             `iconv -f WINDOWS-1252 -t UTF-8`",
        ),
        "too_deep" => {
            Some("records may have more levels: set `input: {depth: …}`, 16 by default and at most 64")
        }
        "decimal_comma" => Some(
            "a decimal comma was found (as in `12,50`), and no setting of the mapping reads one: the feed must write \
             numbers and amounts with a decimal point and without a sign between thousands (`1234.50`)",
        ),
        "bad_money" | "bad_number" => Some(
            "numbers and amounts have a decimal point, and no sign between thousands, blank or unit: `1234.50`, not \
             `1,234.50` or `1234.50 EUR`",
        ),
        "bad_id" => Some(
            "ids have 1 to 64 characters of `A-Z a-z 0-9 _ . : -`, and no blank, neither between nor around them",
        ),
        "wrong_cell_count" => Some(
            "a record has more or fewer cells than the header: check `delimiter`; a cell that contains the delimiter, \
             such as an amount with a decimal comma, stands in quotes",
        ),
        "ambiguous_time" | "bad_time" => Some(
            "a local time that clocks repeat or skip when summer time ends or begins is refused, unless the mapping \
             says `ambiguous: earlier` or `later`",
        ),
        _ => None,
    }
}

fn show(example: &Example, text: &mut String) {
    let _ = writeln!(text, "record {}", example.offset + 1);
    let rows: Vec<[String; 4]> = example
        .values
        .iter()
        .map(|value| {
            let place = if value.places.is_empty() { "-".to_owned() } else { value.places.join(" ") };
            let source = if value.source.is_empty() { "-".to_owned() } else { value.source.join(" ") };
            [format!("  {}", value.field), place, source, value.value.clone()]
        })
        .collect();
    for line in table(&rows) {
        let _ = writeln!(text, "{line}");
    }
}
