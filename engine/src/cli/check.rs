//! `tripline check`: every error and warning of a configuration, a schema or packs, and the coverage of a mapping.

mod described;
mod missing;
mod odd;
mod order;
mod record;
mod sample;
mod shown;
mod suspicious;

use super::error::{CliError, InputError};
use super::refused::refused_by_run;
use super::report::{Exit, Report, print, print_styled};
use super::text;
use crate::config::{self, PackOptions};
use crate::runtime::recovery::Retention;
use clap::Args;
use sample::{COUNTED_MAX, Sample};
use serde_json::Value;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Instant;
use tripline_core::scores::ModelRegistry;
use tripline_rules::diagnostic::{Diagnostics, File, Paint};
use tripline_rules::schema::{Partial, Schema};
use tripline_rules::value::TextKey;

/// Check a configuration with its schema and packs, or packs or a schema alone.
///
/// Lists the errors and warnings of all files, with file, line and suggestion. Exit 1 when there is an error.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  tripline check deploy/examples/demo/tripline.yaml\n  tripline check --schema deploy/examples/demo/schema.yaml deploy/examples/demo/packs/cards.yaml"
)]
pub struct Check {
    /// Configuration, packs or schema.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Schema of the packs; by default `schema.yaml` in the folder of the first pack or its parent.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// File of records on which the mapping of a configuration is tried.
    #[arg(long, value_name = "FILE")]
    sample: Option<PathBuf>,
    /// How many records of the file are tried, from its first on.
    #[arg(long, value_name = "N", requires = "sample", default_value_t = 10_000,
          value_parser = clap::value_parser!(u64).range(1..=COUNTED_MAX))]
    sample_records: u64,
    /// Print errors and warnings of all files as one JSON array.
    #[arg(long)]
    json: bool,
}

/// The usual name of a configuration.
const CONFIGURATION: &str = "tripline.yaml";

impl Check {
    /// Runs the command.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn run(self) -> Result<Exit, CliError> {
        let (mut is_fine, mut found) = (true, Vec::new());
        let (mut packs, mut configurations) = (Vec::new(), 0);
        for path in &self.files {
            let file = config::read(path)?;
            if is_configuration(&file.text) {
                configurations += 1;
                is_fine &= self.configuration(path, &mut found)?;
            } else if is_schema(&file.text) {
                is_fine &= self.schema(&file, &mut found)?;
            } else {
                packs.push(file);
            }
        }
        if let (Some(sample), 0) = (&self.sample, configurations) {
            return Err(InputError::SampleWithoutMapping {
                files: self.files.clone(),
                configuration: configuration_beside(&self.files[0]),
                sample: sample.clone(),
            }
            .into());
        }
        if !packs.is_empty() {
            is_fine &= self.packs(&packs, &mut found)?;
        }
        Report::new(self.json).json(&found)?;
        Ok(if is_fine { Exit::Success } else { Exit::Problems })
    }

    fn configuration(&self, path: &Path, found: &mut Vec<Value>) -> Result<bool, CliError> {
        let mut loaded = config::load(path)?;
        refused_by_run(&mut loaded);
        self.show(&loaded.problems, found)?;
        let Some(config) = loaded.config.filter(|_| loaded.problems.errors() == 0) else { return Ok(false) };
        let mut report = Report::new(self.json);
        report.text(|| {
            let rules = config.ruleset().rules().len();
            let facts: usize =
                config.ruleset().programs().iter().map(|program| program.plan().aggregates.len()).sum();
            format!("{}: {rules} rules, {facts} aggregates, no error\n{}", path.display(), retention(&config))
        })?;
        match &self.sample {
            Some(path) => {
                let sample = Sample::read(&config, path, self.sample_records)?;
                report.text(|| sample.text())?;
                found.extend(sample.findings());
                Ok(sample.is_fine())
            }
            None => Ok(true),
        }
    }

    fn schema(&self, file: &File, found: &mut Vec<Value>) -> Result<bool, CliError> {
        let (schema, problems) = Schema::load(file);
        self.show(&problems, found)?;
        if let (Some(schema), false) = (&schema, self.json) {
            print(&format!("{}: {} fields, no error\n", file.name, schema.fields().len()))?;
        }
        Ok(schema.is_some())
    }

    fn packs(&self, packs: &[File], found: &mut Vec<Value>) -> Result<bool, CliError> {
        let path = match &self.schema {
            Some(path) => Some(path.clone()),
            None => schema_beside(Path::new(&*packs[0].name)),
        };
        let Partial { schema, gaps, problems: mut all } = match path {
            Some(path) => Schema::load_partly(&config::read(&path)?),
            None => Partial::built_in(),
        };
        let models: Vec<String> = ModelRegistry::names().into_iter().map(str::to_owned).collect();
        let began = Instant::now();
        let options = PackOptions { key: TextKey::default(), models: &models, retention: None, lookback: 0 };
        let (_, mut problems) = config::compile(packs, &schema, &options);
        let took = began.elapsed();
        problems.retain(|problem| !gaps.explains(problem));
        if all.list().is_empty() {
            all = problems;
        } else {
            all.extend(problems);
        }
        all.sort();
        self.show(&all, found)?;
        if !self.json {
            print(&format!("{}, {:.2} ms\n", all.summary(), took.as_secs_f64() * 1e3))?;
        }
        Ok(all.errors() == 0)
    }

    /// Prints problems, or adds them to what is found: all files give one array.
    fn show(&self, problems: &Diagnostics, found: &mut Vec<Value>) -> Result<(), CliError> {
        if self.json {
            let list: Vec<Value> = serde_json::from_str(&problems.json()).map_err(io::Error::from)?;
            found.extend(list);
        } else if !problems.list().is_empty() {
            let paint = if io::stdout().is_terminal() { Paint::Colour } else { Paint::Plain };
            // The renderer shows characters that steer a terminal as symbols.
            print_styled(&format!("{}\n", problems.render(paint)))?;
        }
        Ok(())
    }
}

/// The retention that recovery needs of the topics.
fn retention(config: &config::Config) -> String {
    let lookback = config.installation.lookback();
    let every = config.snapshots.as_ref().map(|snapshots| snapshots.every);
    let needed = |keep: Retention| {
        let behind = keep
            .behind_snapshot_ms
            .map_or(String::new(), |ms| format!(", {} behind a snapshot", text::duration(ms)));
        format!("{} (retention.ms={}){behind}", text::duration(keep.alone_ms), keep.alone_ms)
    };
    format!(
        "retention that recovery needs\n  input     {}\n  verdicts  {}\n",
        needed(Retention::of(lookback.input_ms, every)),
        needed(Retention::of(lookback.verdicts_ms, every))
    )
}

/// The configuration that a pack or a schema probably belongs to: in its folder or the one above.
fn configuration_beside(path: &Path) -> PathBuf {
    let folder = path.parent().unwrap_or(Path::new(""));
    let places = [folder.join(CONFIGURATION), folder.join("..").join(CONFIGURATION)];
    places.into_iter().find(|path| path.exists()).unwrap_or_else(|| PathBuf::from(CONFIGURATION))
}

/// A configuration has an input; a pack does not.
fn is_configuration(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("input:") || line.starts_with("stream:"))
}

/// A schema declares fields, and has no rules.
fn is_schema(text: &str) -> bool {
    let has = |key: &str| text.lines().any(|line| line.starts_with(key));
    (has("fields:") || has("keep:")) && !has("pack:") && !has("rules:")
}

fn schema_beside(pack: &Path) -> Option<PathBuf> {
    let folder = pack.parent()?;
    [folder.join("schema.yaml"), folder.join("../schema.yaml")].into_iter().find(|path| path.exists())
}
