//! `tripline schema`: the fields a rule may read, and JSON Schemas for what Tripline writes and reads.

use super::configured::configured;
use super::error::CliError;
use super::report::{Exit, print};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use tripline_rules::schema::{CurrencyOf, Field, Kind, Schema};

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
            What::Fields { config: None } => print(&listed(Schema::built_in().fields()))?,
            What::Fields { config: Some(path) } => print(&listed(configured(&path)?.schema().fields()))?,
        }
        Ok(Exit::Success)
    }
}

fn listed(fields: &[Field]) -> String {
    let line = |field: &Field| {
        let element = field.iso8583.map(|element| format!("DE {element}")).unwrap_or_default();
        format!("{:<24}{:<28}{element:<8}{}\n", field.name, kind(&field.kind), field.doc)
    };
    fields.iter().map(line).collect()
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Bool => "yes/no".to_owned(),
        Kind::Number => "number".to_owned(),
        Kind::Money(CurrencyOf::Account) => "money in account.currency".to_owned(),
        Kind::Money(CurrencyOf::Fixed(_)) => "money".to_owned(),
        Kind::OneOf(codes) if codes.values().len() > 6 => format!("one of {} values", codes.values().len()),
        Kind::OneOf(codes) => format!("one of {}", codes.values().join("|")),
        Kind::Text => "text".to_owned(),
        Kind::Time => "time".to_owned(),
        Kind::Duration => "duration".to_owned(),
        Kind::Geo => "location".to_owned(),
    }
}
