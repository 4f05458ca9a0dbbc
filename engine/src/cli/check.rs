//! `tripline check`: every error and warning of a configuration, a schema or packs, and the coverage of a mapping.

use super::error::CliError;
use super::feed::header_error;
use super::report::{Exit, Report};
use super::text;
use crate::config::{self, MODELS, PackOptions};
use crate::io::file::{FileFormat, FileSource};
use crate::runtime::recovery::Retention;
use clap::Args;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tripline_core::batch::{Batch, ShardId};
use tripline_core::decode::{Coverage, Decoder, Reason};
use tripline_core::event::Event;
use tripline_rules::diagnostic::{Diagnostics, File, Paint};
use tripline_rules::schema::{Partial, Schema};
use tripline_rules::value::{Slot, TextKey};

/// Maximum records read from a sample.
const SAMPLE_MAX: u64 = 10_000;

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
    /// File of records on which the mapping is tried.
    #[arg(long, value_name = "FILE")]
    sample: Option<PathBuf>,
    /// Print errors and warnings as JSON.
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Runs the command.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn run(self) -> Result<Exit, CliError> {
        let mut is_fine = true;
        let mut packs = Vec::new();
        for path in &self.files {
            let file = config::read(path)?;
            if is_configuration(&file.text) {
                is_fine &= self.configuration(path)?;
            } else if is_schema(&file.text) {
                is_fine &= self.schema(&file)?;
            } else {
                packs.push(file);
            }
        }
        if !packs.is_empty() {
            is_fine &= self.packs(&packs)?;
        }
        Ok(if is_fine { Exit::Success } else { Exit::Problems })
    }

    fn configuration(&self, path: &Path) -> Result<bool, CliError> {
        let loaded = config::load(path)?;
        self.print(&loaded.problems)?;
        let Some(config) = loaded.config else { return Ok(false) };
        let mut report = Report::new(self.json);
        report.text(|| {
            let rules = config.ruleset().rules().len();
            let facts: usize =
                config.ruleset().programs().iter().map(|program| program.plan().aggregates.len()).sum();
            format!("{}: {rules} rules, {facts} aggregates, no error\n{}", path.display(), retention(&config))
        })?;
        match &self.sample {
            Some(sample) => self.sample(&config, sample),
            None => Ok(true),
        }
    }

    fn schema(&self, file: &File) -> Result<bool, CliError> {
        let (schema, problems) = Schema::load(file);
        self.print(&problems)?;
        if let (Some(schema), false) = (&schema, self.json) {
            println!("{}: {} fields, no error", file.name, schema.fields().len());
        }
        Ok(schema.is_some())
    }

    fn packs(&self, packs: &[File]) -> Result<bool, CliError> {
        let path = match &self.schema {
            Some(path) => Some(path.clone()),
            None => schema_beside(Path::new(&*packs[0].name)),
        };
        let Partial { schema, gaps, problems: mut all } = match path {
            Some(path) => Schema::load_partly(&config::read(&path)?),
            None => Partial::built_in(),
        };
        let models = MODELS.map(str::to_owned);
        let began = Instant::now();
        let options = PackOptions { key: TextKey::default(), models: &models, retention: None };
        let (_, mut problems) = config::compile(packs, &schema, &options);
        let took = began.elapsed();
        problems.retain(|problem| !gaps.explains(problem));
        if all.list().is_empty() {
            all = problems;
        } else {
            all.extend(problems);
        }
        all.sort();
        self.print(&all)?;
        if !self.json {
            println!("{}, {:.2} ms", all.summary(), took.as_secs_f64() * 1e3);
        }
        Ok(all.errors() == 0)
    }

    fn print(&self, problems: &Diagnostics) -> Result<(), CliError> {
        if self.json {
            println!("{}", problems.json());
        } else if !problems.list().is_empty() {
            let paint = if io::stdout().is_terminal() { Paint::Colour } else { Paint::Plain };
            println!("{}", problems.render(paint));
        }
        Ok(())
    }

    /// Tries the mapping on the first records of a file.
    fn sample(&self, config: &config::Config, path: &Path) -> Result<bool, CliError> {
        let format = FileFormat::of(config.installation.format());
        let mut source = FileSource::open(&[path.to_path_buf()], format, 256)?;
        let all: Vec<Slot> = config.mapping.fields.iter().map(|field| field.slot).collect();
        let plan = config.installation.decode_of(&all);
        let mut decoder = Decoder::new(Arc::new(plan));
        if format != FileFormat::JsonLines {
            let header = decoder.set_header(source.header());
            header.map_err(|error| header_error(&[path.to_path_buf()], &source, error))?;
        }
        let mut batch = Batch::new(ShardId::account(0));
        let mut event = Event::new(config.schema().fields().len());
        let mut coverage = Coverage::new(all, config.schema());
        let mut refused = std::collections::BTreeMap::<Reason, u64>::new();
        let mut records = 0;
        while records < SAMPLE_MAX && source.read(&mut batch)? {
            for record in &batch.records {
                records += 1;
                match decoder.decode(batch.value(record), record.offset, &mut event) {
                    Ok(()) => coverage.add(&event),
                    Err(reject) => *refused.entry(reject.reason).or_default() += 1,
                }
            }
        }
        if !self.json {
            println!("{}: {records} records\n{coverage}", path.display());
            for (reason, count) in &refused {
                println!("dead letters, {}: {count}", reason.name());
            }
            if refused.contains_key(&Reason::CardNumber) {
                println!(
                    "an all-digit id can look like a card number by chance: exempt its field with `pan: {{exempt: [event.id]}}`"
                );
            }
        }
        Ok(refused.is_empty())
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
