//! The configuration: `tripline.yaml` with the schema and the packs that it names, checked as a whole.
//!
//! It is read through the same YAML nodes with spans as packs, so every problem has file, line and caret, and one run
//! shows the problems of all files.

mod client;
mod files;
mod mapping;
mod mapping_errors;
mod packs;
mod places;
mod secrets;
mod sections;

pub use files::{Files, ReadError, on_disk, read};
pub use packs::{PackOptions, compile};
pub use places::Places;
pub use sections::{Delivery, Http, Input, Kafka, Log};

use crate::settings::{HttpSettings, InputClock, SnapshotSettings};
use client::SecretFiles;
use files::read_from;
use mapping::{Fields, ReadMapping};
use packs::compile_from;
use sections::Sections;
use std::path::Path;
use std::sync::Arc;
use tripline_core::decode::{CheckedMapping, Mapping};
use tripline_core::installation::Installation;
use tripline_core::scores::ModelRegistry;
use tripline_core::settings::Settings;
use tripline_rules::diagnostic::{Diagnostics, File, Span};
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::{Schema, SchemaGaps};
use tripline_rules::time::{DAY_MS, HOUR_MS};
use tripline_rules::value::TextKey;
use tripline_rules::yaml::{self, Keys, Node};

/// Bytes of a secret, at least; all of them are used.
const SECRET_BYTES_MIN: usize = 16;

/// The secret that the keys of all hashes are derived from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secret {
    /// None is configured: the built-in one is used, and `run` refuses to start.
    Unset,
    /// The built-in one, by `secret: built_in`. Everybody knows it.
    BuiltIn,
    /// That of a file.
    File,
}

/// A configuration without errors.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the shards run: schema, packs, mapping and settings, compiled.
    pub installation: Arc<Installation>,
    /// Where its secret comes from.
    pub secret: Secret,
    /// How records become events, as configured.
    pub mapping: Mapping,
    /// The input.
    pub input: Input,
    /// The broker; `replay` and `features` need none.
    pub kafka: Kafka,
    /// Guarantee and interval of commits.
    pub delivery: Delivery,
    /// Where snapshots are written; without them, shards are restored from the log.
    pub snapshots: Option<SnapshotSettings>,
    /// The HTTP endpoint for operators.
    pub http: Http,
    /// The log.
    pub log: Log,
}

/// A configuration as far as it could be read, and everything that is wrong with it.
#[derive(Debug)]
pub struct Loaded {
    /// `None` when there is any error.
    pub config: Option<Config>,
    /// Errors and warnings of all files.
    pub problems: Diagnostics,
    /// The section `kafka`, whatever else is wrong.
    pub kafka: Kafka,
    /// The section `http`, whatever else is wrong.
    pub http: Http,
    /// Where settings are written that only `check` and `run` judge.
    pub places: Places,
}

/// Reads a configuration with everything it names.
///
/// # Errors
/// When the file itself cannot be read; all other problems are in [`Loaded`].
pub fn load(path: &Path) -> Result<Loaded, ReadError> {
    load_from(path, &on_disk)
}

/// [`load`] from files that need not be on disk.
///
/// # Errors
/// As [`load`].
pub fn load_from(path: &Path, files: &Files<'_>) -> Result<Loaded, ReadError> {
    let file = read_from(path, files)?;
    let mut problems = Diagnostics::new(std::slice::from_ref(&file));
    let Some(root) = yaml::parse(0, &mut problems) else {
        if problems.errors() == 0 {
            problems.error("S002", "the configuration is empty", START);
        }
        secrets::hide_unread(&file, &mut problems);
        return Ok(Loaded::nothing(problems));
    };
    secrets::hide(&root, &mut problems);
    let Some(mut keys) = Keys::of(&root, "the configuration", &mut problems) else {
        return Ok(Loaded::nothing(problems));
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut sections = Sections::read(&mut keys, SecretFiles { folder, files }, &mut problems);
    let mut places = Places::of(&keys);
    if let Some(snapshots) = &mut sections.snapshots {
        snapshots.store = store_from(folder, &snapshots.store);
    }
    if let Some((store, _)) = &mut places.store {
        *store = store_from(folder, store);
    }
    let (kafka, http) = (sections.kafka.clone(), sections.http);
    let config = Reader { keys: &mut keys, folder, files, problems: &mut problems }.read(sections);
    keys.finish(&mut problems);
    problems.sort();
    Ok(Loaded { config: config.filter(|_| problems.errors() == 0), problems, kafka, http, places })
}

/// A snapshot store: a folder is relative to that of the configuration, as every file that it names.
fn store_from(folder: &Path, store: &str) -> String {
    let (scheme, path) = match store.strip_prefix("file://") {
        Some(path) => ("file://", path),
        None => ("", store),
    };
    if path.is_empty() || path.contains("://") {
        return store.to_owned();
    }
    format!("{scheme}{}", folder.join(path).to_string_lossy())
}

impl Loaded {
    /// Of a file that is no configuration.
    fn nothing(problems: Diagnostics) -> Loaded {
        let http = Http { settings: HttpSettings::default() };
        Loaded { config: None, problems, kafka: Kafka::default(), http, places: Places::default() }
    }
}

/// Reads one section after the other, and continues after an error.
struct Reader<'r, 'n> {
    keys: &'r mut Keys<'n>,
    folder: &'r Path,
    files: &'r Files<'r>,
    problems: &'r mut Diagnostics,
}

/// The beginning of the configuration: where an absent section is reported.
const START: Span = Span { file: 0, start: 0, end: 0 };

impl Reader<'_, '_> {
    fn read(mut self, sections: Sections) -> Option<Config> {
        if let Some(version) = self.keys.required("version", START, self.problems) {
            version.form("configuration", self.problems);
        }
        let stream = self.keys.required("stream", START, self.problems);
        let stream = stream.and_then(|node| node.text("`stream`", self.problems)).map(str::to_owned);
        let models = self.models();
        self.check_models(&models, sections.time.retention_ms);
        let (secret, key) = self.secret();
        if let (Secret::Unset, Some(kafka)) = (secret, self.keys.key_span("kafka")) {
            self.problems
                .warning("C023", "no `secret` is configured, and `run` does not start without one", kafka)
                .help(
                    "create one with `head -c 32 /dev/urandom > tripline.key`, and name it: `secret: {file: tripline.key}`; \
                     for demos and tests, `secret: built_in`",
                );
        }
        let (schema, gaps) = self.schema();
        let schema = Arc::new(schema);
        let input = self.keys.required("input", START, self.problems);
        let packs = self.keys.optional("packs");
        // Errors of the schema hide no error of what reads it; what only follows from them is not reported.
        let input = input.and_then(|node| self.input(node, (&schema, &gaps)));
        let labelled = input.as_ref().and_then(|(_, _, checked)| checked.label_after_ms()).unwrap_or(0);
        let options = PackOptions {
            key,
            models: &models,
            retention: sections.time.retention_ms,
            lookback: ModelRegistry::of(&models).lookback_ms().max(labelled),
        };
        let ruleset = self.packs(packs, (&schema, &gaps), &options, sections.kafka.brokers.is_some());
        let (input, mapping, checked) = input?;
        if let Some(ruleset) = &ruleset {
            mapping_errors::report_unmapped(&mapping, ruleset, &schema, self.problems);
        }
        let Sections { time, limits, kafka, delivery, snapshots, http, log } = sections;
        let settings = Settings {
            topic: input.topic.clone(),
            key,
            has_producer_times: input.clock == InputClock::CreateTime,
            lateness_ms: time.lateness_ms,
            jump_ms: time.jump_ms,
            retention_ms: time.retention_ms,
            rows_per_ledger: limits.rows_per_ledger,
            keys_per_shard: limits.keys_per_shard,
            bytes_per_shard: limits.bytes_per_shard,
            models,
            ..Settings::new(&stream?)
        };
        let installation = Installation::new(&schema, &Arc::new(ruleset?), Arc::new(checked), settings);
        let installation = Arc::new(installation);
        Some(Config { installation, secret, mapping, input, kafka, delivery, snapshots, http, log })
    }

    fn models(&mut self) -> Vec<String> {
        let Some(node) = self.keys.optional("models") else { return Vec::new() };
        let words: Vec<(&str, &str)> = ModelRegistry::names().into_iter().map(|name| (name, name)).collect();
        let items = node.items("`models`", self.problems).iter();
        items.filter_map(|item| item.word("a model", &words, self.problems)).map(str::to_owned).collect()
    }

    /// Whether rows are kept for as long as the models read them.
    fn check_models(&mut self, models: &[String], retention_ms: Option<i64>) {
        let (Some(node), Some(retention_ms)) = (self.keys.optional("models"), retention_ms) else { return };
        for name in models {
            let reads_ms = ModelRegistry::of(std::slice::from_ref(name)).lookback_ms();
            if retention_ms < reads_ms {
                let (reads, kept) = (reads_ms / DAY_MS, retention_ms / HOUR_MS);
                self.problems
                    .warning(
                        "C045",
                        format!(
                            "the model `{name}` reads rows of {reads} days, and the retention is {kept} h"
                        ),
                        node.span,
                    )
                    .label("its scores rest on fewer rows")
                    .help(format!("set `time: {{retention: {reads}d}}` or longer, or leave `retention` out"));
            }
        }
    }

    /// The keys of all hashes: from a file, never from the configuration itself.
    fn secret(&mut self) -> (Secret, TextKey) {
        let Some(node) = self.keys.optional("secret") else { return (Secret::Unset, TextKey::default()) };
        if node.scalar().is_some() {
            node.word("the secret", &[("built_in", ())], self.problems);
            return (Secret::BuiltIn, TextKey::default());
        }
        (Secret::File, self.secret_file(node).unwrap_or_default())
    }

    /// The keys of the secret in a file; `None` when that is reported as an error.
    fn secret_file(&mut self, node: &Node) -> Option<TextKey> {
        let mut keys = Keys::of(node, "`secret`", self.problems)?;
        let file = keys.required("file", node.span, self.problems);
        keys.finish(self.problems);
        let file = file?;
        let name = file.text("a file", self.problems)?;
        match (self.files)(&self.folder.join(name)) {
            Err(cause) => {
                self.problems.error("C020", format!("the secret cannot be read: {cause}"), file.span);
                None
            }
            Ok(bytes) if bytes.len() < SECRET_BYTES_MIN => {
                let found = bytes.len();
                self.problems
                    .error(
                        "C021",
                        format!("the secret has {found} bytes, at least {SECRET_BYTES_MIN} are needed"),
                        file.span,
                    )
                    .help("create one with `head -c 32 /dev/urandom`");
                None
            }
            Ok(bytes) => Some(TextKey::derive(&bytes)),
        }
    }

    /// The schema as far as it can be read, and its gaps.
    fn schema(&mut self) -> (Schema, SchemaGaps) {
        let node = self.keys.required("schema", START, self.problems);
        let Some(file) = node.and_then(|node| self.file(node)) else {
            return (Schema::built_in(), SchemaGaps::all());
        };
        let partial = Schema::load_partly(&file);
        self.problems.extend(partial.problems);
        (partial.schema, partial.gaps)
    }

    /// A file that the configuration names, by its path from the configuration's folder.
    fn file(&mut self, node: &Node) -> Option<File> {
        let name = node.text("a file", self.problems)?;
        match read_from(&self.folder.join(name), self.files) {
            Ok(file) => Some(file),
            Err(error) => {
                self.problems.error("C022", format!("`{name}` cannot be read: {}", error.source), node.span);
                None
            }
        }
    }

    fn input(
        &mut self,
        node: &Node,
        (schema, gaps): (&Schema, &SchemaGaps),
    ) -> Option<(Input, Mapping, CheckedMapping)> {
        let mut keys = Keys::of(node, "`input`", self.problems)?;
        let input = Input::read(&mut keys, self.problems);
        let fields = Fields { schema, gaps };
        let read = mapping::read(&mut keys, fields, self.problems);
        let checked = read.as_ref().and_then(|ReadMapping { mapping, unread }| {
            let checked = CheckedMapping::new(mapping, schema);
            checked.map_err(|errors| mapping_errors::report(&errors, unread, fields, self.problems)).ok()
        });
        keys.finish(self.problems);
        Some((input, read?.mapping, checked?))
    }

    fn packs(
        &mut self,
        node: Option<&Node>,
        (schema, gaps): (&Schema, &SchemaGaps),
        options: &PackOptions<'_>,
        on_kafka: bool,
    ) -> Option<Ruleset> {
        let items = node.map_or(&[][..], |node| node.items("`packs`", self.problems));
        let files: Vec<File> = items.iter().filter_map(|item| self.file(item)).collect();
        let (ruleset, mut problems) = compile_from(&files, schema, options, self.files);
        problems.retain(|problem| !gaps.explains(problem));
        for (entity, span) in ruleset.iter().filter(|_| on_kafka).flat_map(Ruleset::derived_places) {
            problems
                .warning(
                    "C038",
                    format!("`run` refuses this pack: it has a key space of its own by {entity}"),
                    *span,
                )
                .label("`replay` and `demo` only")
                .help("configure it without `kafka:`, or leave the pack out for `run`");
        }
        self.problems.extend(problems);
        ruleset
    }
}

impl Config {
    /// The fields.
    pub fn schema(&self) -> &Arc<Schema> {
        self.installation.schema()
    }

    /// The compiled packs.
    pub fn ruleset(&self) -> &Arc<Ruleset> {
        self.installation.ruleset()
    }

    /// What the shards are set to.
    pub fn settings(&self) -> &Settings {
        self.installation.settings()
    }
}
