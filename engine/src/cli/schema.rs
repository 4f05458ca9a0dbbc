//! `tripline schema`: the fields a rule may read, and JSON Schemas for what Tripline writes and reads.

use super::configured::configured;
use super::error::CliError;
use super::report::{Exit, print};
use super::text::{WIDTH, wrapped};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use tripline_rules::catalogue::{EVENT_TYPES, FIELDS, WellKnown};
use tripline_rules::schema::{CurrencyOf, Field, Kind};

/// Show the fields of a schema, or the JSON Schema of a file or message format.
///
/// Editors use the JSON Schemas of packs, configurations and schema files to complete and check YAML.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  tripline schema fields")]
pub struct SchemaCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Fields with kind, ISO 8583 data element and meaning: the well-known ones, or those of a configuration
    #[command(after_help = "Example:\n  tripline schema fields --config deploy/examples/demo/tripline.yaml")]
    Fields {
        /// Configuration file whose schema is shown.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// JSON Schema (2020-12) of an alert
    #[command(after_help = "Example:\n  tripline schema alert > alert.schema.json")]
    Alert,
    /// JSON Schema (2020-12) of a verdict
    #[command(after_help = "Example:\n  tripline schema verdict > verdict.schema.json")]
    Verdict,
    /// JSON Schema (2020-12) of a pack, for editors
    #[command(after_help = "Example:\n  tripline schema pack > pack.schema.json")]
    Pack,
    /// JSON Schema (2020-12) of a configuration with its mapping, for editors
    #[command(after_help = "Example:\n  tripline schema config > config.schema.json")]
    Config,
    /// JSON Schema (2020-12) of a schema file, for editors
    #[command(after_help = "Example:\n  tripline schema schema > schema.schema.json")]
    Schema,
}

/// The least width of what a field means, however wide the other columns are.
const DOC_CHARS_MIN: usize = 24;
/// Values of a closed set that are listed; there are more currencies.
const LISTED_VALUES_MAX: usize = 60;

/// The published schema of alerts; tests validate every alert against it.
pub const ALERT_SCHEMA: &str = include_str!("../../../deploy/schemas/alert.schema.json");
/// The published schema of verdicts.
pub const VERDICT_SCHEMA: &str = include_str!("../../../deploy/schemas/verdict.schema.json");
/// The published schema of packs; tests validate every shipped pack against it.
const PACK_SCHEMA: &str = include_str!("../../../deploy/schemas/pack.schema.json");
/// The published schema of configurations; likewise.
const CONFIG_SCHEMA: &str = include_str!("../../../deploy/schemas/config.schema.json");
/// The published schema of schema files; likewise.
const SCHEMA_SCHEMA: &str = include_str!("../../../deploy/schemas/schema.schema.json");

impl SchemaCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// When the configuration cannot be read or has errors.
    pub fn run(self) -> Result<Exit, CliError> {
        match self.what {
            What::Alert => print(ALERT_SCHEMA)?,
            What::Verdict => print(VERDICT_SCHEMA)?,
            What::Pack => print(PACK_SCHEMA)?,
            What::Config => print(CONFIG_SCHEMA)?,
            What::Schema => print(SCHEMA_SCHEMA)?,
            What::Fields { config: None } => {
                let rows: Vec<Row> = FIELDS.iter().map(Row::of_well_known).collect();
                print(&listed(&rows))?;
            }
            What::Fields { config: Some(path) } => {
                let config = configured(&path)?;
                let rows: Vec<Row> = config.schema().fields().iter().map(Row::of_field).collect();
                print(&listed(&rows))?;
            }
        }
        Ok(Exit::Success)
    }
}

/// A field as it is listed. Values of a closed set follow what the field means.
struct Row {
    name: String,
    kind: String,
    element: String,
    doc: String,
}

impl Row {
    fn of_well_known(field: &WellKnown) -> Row {
        let (kind, values) = match field.kind.split_once("one of ") {
            Some((_, values)) => ("one of", values.to_owned()),
            None if field.kind == "one of" => ("one of", EVENT_TYPES.join("|")),
            None => (field.kind, String::new()),
        };
        Row::new(field.name, kind, &values, field.iso8583, field.doc)
    }

    fn of_field(field: &Field) -> Row {
        let values = match &field.kind {
            Kind::OneOf(codes) if codes.values().len() <= LISTED_VALUES_MAX => {
                codes.listed().map(|(value, _)| value).collect::<Vec<_>>().join("|")
            }
            _ => String::new(),
        };
        Row::new(&field.name, &kind(&field.kind), &values, field.iso8583, &field.doc)
    }

    fn new(name: &str, kind: &str, values: &str, element: Option<&str>, doc: &str) -> Row {
        let colon = if doc.is_empty() || values.is_empty() { "" } else { ": " };
        Row {
            name: name.to_owned(),
            kind: kind.replace(" in account.currency", ""),
            element: element.unwrap_or_default().to_owned(),
            doc: format!("{doc}{colon}{values}"),
        }
    }
}

/// Columns as wide as their widest word; the last one is broken, so that lines fit a terminal.
fn listed(rows: &[Row]) -> String {
    let width = |of: fn(&Row) -> &str| rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0);
    let widths = [width(|row| &row.name), width(|row| &row.kind), width(|row| &row.element)];
    let indent = widths.iter().sum::<usize>() + 2 * widths.len();
    let mut text = String::new();
    for row in rows {
        let [name, kind, element] = widths;
        let mut lines = wrapped(&row.doc, WIDTH.saturating_sub(indent).max(DOC_CHARS_MIN)).into_iter();
        let first = lines.next().unwrap_or_default();
        let line = format!("{:<name$}  {:<kind$}  {:<element$}  {first}", row.name, row.kind, row.element);
        text.push_str(line.trim_end());
        text.push('\n');
        lines.for_each(|line| text.push_str(&format!("{:indent$}{line}\n", "")));
    }
    text
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Bool => "yes/no".to_owned(),
        Kind::Number => "number".to_owned(),
        Kind::Money(CurrencyOf::Account) => "money".to_owned(),
        Kind::Money(CurrencyOf::Fixed(currency)) => format!("money in {}", currency.code()),
        Kind::OneOf(codes) if codes.values().len() > LISTED_VALUES_MAX => "currency".to_owned(),
        Kind::OneOf(_) => "one of".to_owned(),
        Kind::Text => "text".to_owned(),
        Kind::Time => "time".to_owned(),
        Kind::Duration => "duration".to_owned(),
        Kind::Geo => "location".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_well_known_field_is_listed_in_lines_of_a_terminal() {
        let rows: Vec<Row> = FIELDS.iter().map(Row::of_well_known).collect();
        let text = listed(&rows);
        for field in FIELDS {
            let line =
                text.lines().find(|line| line.split(' ').next() == Some(field.name)).expect(field.name);
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        // A list of values without a blank is broken at its bars.
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    }
}
