//! An installation's configuration: `tripline.yaml` with the schema and packs it names, checked as a whole.
//!
//! Read through the same positioned YAML nodes as packs, so every fault has file, line and caret, and all faults of all
//! files come in one run.

mod mapping;
mod sections;

use mapping::{Fields, ReadMapping};
use sections::Sections;
pub use sections::{Delivery, Http, Input, Kafka, Limits, Log, Time};

use crate::io::snapshot::SnapshotSettings;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tripline_core::decode::{CheckedMapping, Mapping};
use tripline_core::installation::Installation;
use tripline_core::settings::Settings;
use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::{Diagnostics, File, Span};
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::{Schema, SchemaGaps};
use tripline_rules::value::TextKey;
use tripline_rules::yaml::{self, Keys, Node};

/// Models that a configuration may name.
pub const MODELS: [&str; 1] = ["profile"];
/// Bytes of a secret that count, and must be there at least.
const SECRET_BYTES: usize = 16;

/// A configuration without faults.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of the stream: part of every alert's id.
    pub stream: String,
    /// What the shards run: schema, packs and mapping, compiled.
    pub installation: Arc<Installation>,
    /// Where the fields sit in the bank's record, as configured.
    pub mapping: Mapping,
    /// Which models run.
    pub models: Vec<String>,
    /// The input.
    pub input: Input,
    /// How late, and for how long.
    pub time: Time,
    /// Bounds of a shard.
    pub limits: Limits,
    /// The broker; `replay` and `features` need none.
    pub kafka: Kafka,
    /// Guarantee and pace of commits.
    pub delivery: Delivery,
    /// Where snapshots go; none configured, shards are filled from the log.
    pub snapshots: Option<SnapshotSettings>,
    /// The operator's endpoint.
    pub http: Http,
    /// The log.
    pub log: Log,
    /// The key of all hashes.
    pub key: TextKey,
}

/// Why a configuration could not even be looked at.
#[derive(Debug, thiserror::Error)]
#[error("{path}")]
pub struct ReadError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// A configuration as far as it could be read, and everything that is wrong with it.
#[derive(Debug)]
pub struct Loaded {
    /// `None` when there is any error.
    pub config: Option<Config>,
    /// Errors and warnings of all files.
    pub faults: Diagnostics,
}

/// Where the files lie that a configuration names: on disk, or in the binary.
pub type Files<'f> = dyn Fn(&Path) -> io::Result<Vec<u8>> + 'f;

/// The files of this machine.
///
/// # Errors
/// What the system says.
pub fn on_disk(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path)
}

/// Reads a configuration with everything it names.
///
/// # Errors
/// When the file itself cannot be read; all other faults are in [`Loaded`].
pub fn load(path: &Path) -> Result<Loaded, ReadError> {
    load_from(path, &on_disk)
}

/// [`load`] from files that need not lie on disk.
///
/// # Errors
/// As [`load`].
pub fn load_from(path: &Path, files: &Files<'_>) -> Result<Loaded, ReadError> {
    let file = read_from(path, files)?;
    let mut faults = Diagnostics::new(std::slice::from_ref(&file));
    let Some(root) = yaml::parse(0, &mut faults) else {
        if faults.errors() == 0 {
            faults.error("S002", "the configuration is empty", START);
        }
        return Ok(Loaded { config: None, faults });
    };
    let Some(mut keys) = Keys::of(&root, "the configuration", &mut faults) else {
        return Ok(Loaded { config: None, faults });
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let config = Reader { keys: &mut keys, folder, files, faults: &mut faults }.read();
    keys.finish(&mut faults);
    faults.sort();
    Ok(Loaded { config: config.filter(|_| faults.errors() == 0), faults })
}

/// Reads the sections one after the other and goes on after a fault.
struct Reader<'r, 'n> {
    keys: &'r mut Keys<'n>,
    folder: &'r Path,
    files: &'r Files<'r>,
    faults: &'r mut Diagnostics,
}

/// The beginning of the configuration: where an absent section is reported.
const START: Span = Span { file: 0, start: 0, end: 0 };

impl Reader<'_, '_> {
    fn read(mut self) -> Option<Config> {
        if let Some(version) = self.keys.required("version", START, self.faults) {
            version.form("configuration", self.faults);
        }
        let stream = self.keys.required("stream", START, self.faults);
        let stream = stream.and_then(|node| node.text("`stream`", self.faults)).map(str::to_owned);
        let models = self.models();
        let sections = Sections::read(self.keys, self.faults);
        let key = self.secret();
        let (schema, gaps) = self.schema();
        let schema = Arc::new(schema);
        let input = self.keys.required("input", START, self.faults);
        let packs = self.keys.optional("packs");
        // A schema with faults hides no fault of what reads it; what only follows from its own is not told.
        let input = input.and_then(|node| self.input(node, (&schema, &gaps)));
        let options = PackOptions { key, models: &models, retention: sections.time.retention_ms };
        let ruleset = self.packs(packs, (&schema, &gaps), &options);
        let (input, mapping, checked) = input?;
        let Sections { time, limits, kafka, delivery, snapshots, http, log } = sections;
        let stream = stream?;
        let settings = Settings {
            topic: input.topic.clone(),
            key,
            lateness_ms: time.lateness_ms,
            retention_ms: time.retention_ms,
            rows_per_ledger: limits.rows_per_ledger,
            keys_per_shard: limits.keys_per_shard,
            bytes_per_shard: limits.bytes_per_shard,
            profile: models.iter().any(|name| name == "profile"),
            ..Settings::new(&stream)
        };
        let installation = Installation::new(&schema, &Arc::new(ruleset?), Arc::new(checked), settings);
        Some(Config {
            stream,
            installation: Arc::new(installation),
            mapping,
            models,
            input,
            time,
            limits,
            kafka,
            delivery,
            snapshots,
            http,
            log,
            key,
        })
    }

    fn models(&mut self) -> Vec<String> {
        let Some(node) = self.keys.optional("models") else { return Vec::new() };
        let words = MODELS.map(|name| (name, name));
        let items = node.items("`models`", self.faults).iter();
        items.filter_map(|item| item.word("a model", &words, self.faults)).map(str::to_owned).collect()
    }

    /// The key of all hashes: from a file, never from the configuration itself.
    fn secret(&mut self) -> TextKey {
        let Some(node) = self.keys.optional("secret") else { return TextKey::default() };
        let Some(mut keys) = Keys::of(node, "`secret`", self.faults) else { return TextKey::default() };
        let file = keys.required("file", node.span, self.faults);
        keys.finish(self.faults);
        let Some(file) = file else { return TextKey::default() };
        let Some(name) = file.text("a file", self.faults) else { return TextKey::default() };
        let bytes = match (self.files)(&self.folder.join(name)) {
            Ok(bytes) => bytes,
            Err(cause) => {
                self.faults.error("C020", format!("the secret cannot be read: {cause}"), file.span);
                return TextKey::default();
            }
        };
        match bytes.first_chunk::<SECRET_BYTES>() {
            Some(key) => TextKey::new(*key),
            None => {
                self.faults
                    .error(
                        "C021",
                        format!("the secret has {} bytes, {SECRET_BYTES} are needed", bytes.len()),
                        file.span,
                    )
                    .help("make one with `head -c 16 /dev/urandom`");
                TextKey::default()
            }
        }
    }

    /// The schema as far as it can be read, and what that leaves open.
    fn schema(&mut self) -> (Schema, SchemaGaps) {
        let node = self.keys.required("schema", START, self.faults);
        let Some(file) = node.and_then(|node| self.file(node)) else {
            return (Schema::built_in(), SchemaGaps::all());
        };
        let partial = Schema::load_partly(&file);
        self.faults.extend(partial.problems);
        (partial.schema, partial.gaps)
    }

    /// A file that the configuration names, by its path from the configuration's folder.
    fn file(&mut self, node: &Node) -> Option<File> {
        let name = node.text("a file", self.faults)?;
        match read_from(&self.folder.join(name), self.files) {
            Ok(file) => Some(file),
            Err(fault) => {
                self.faults.error("C022", format!("cannot be read: {}", fault.source), node.span);
                None
            }
        }
    }

    fn input(
        &mut self,
        node: &Node,
        (schema, gaps): (&Schema, &SchemaGaps),
    ) -> Option<(Input, Mapping, CheckedMapping)> {
        let mut keys = Keys::of(node, "`input`", self.faults)?;
        let input = Input::read(&mut keys, self.faults);
        let fields = Fields { schema, gaps };
        let read = mapping::read(&mut keys, fields, self.faults);
        let checked = read.as_ref().and_then(|ReadMapping { mapping, unread }| {
            let checked = CheckedMapping::new(mapping, schema);
            checked.map_err(|errors| mapping::report(&errors, unread, fields, self.faults)).ok()
        });
        keys.finish(self.faults);
        Some((input, read?.mapping, checked?))
    }

    fn packs(
        &mut self,
        node: Option<&Node>,
        (schema, gaps): (&Schema, &SchemaGaps),
        options: &PackOptions<'_>,
    ) -> Option<Ruleset> {
        let items = node.map_or(&[][..], |node| node.items("`packs`", self.faults));
        let files: Vec<File> = items.iter().filter_map(|item| self.file(item)).collect();
        let (ruleset, mut faults) = compile_from(&files, schema, options, self.files);
        faults.retain(|fault| !gaps.explains(fault));
        self.faults.extend(faults);
        ruleset
    }
}

/// What packs are compiled with.
#[derive(Clone, Copy, Debug)]
pub struct PackOptions<'a> {
    /// The key of all hashes.
    pub key: TextKey,
    /// Which models run.
    pub models: &'a [String],
    /// How long rows are kept, ms.
    pub retention: Option<i64>,
}

/// Compiles packs; lists are read from paths relative to their pack.
pub fn compile(files: &[File], schema: &Schema, options: &PackOptions<'_>) -> (Option<Ruleset>, Diagnostics) {
    compile_from(files, schema, options, &on_disk)
}

fn compile_from(
    files: &[File],
    schema: &Schema,
    options: &PackOptions<'_>,
    lists: &Files<'_>,
) -> (Option<Ruleset>, Diagnostics) {
    let models: Vec<&str> = options.models.iter().map(String::as_str).collect();
    let list = |path: &str| {
        let folders = files.iter().map(|file| Path::new(&*file.name).parent().unwrap_or(Path::new("")));
        let mut missing = "no pack names it".to_owned();
        for place in folders.map(|folder| folder.join(path)) {
            match read_from(&place, lists) {
                Ok(file) => return Ok(file.text.to_string()),
                Err(fault) => missing = fault.source.to_string(),
            }
        }
        Err(missing)
    };
    let options = CompileOptions {
        key: options.key,
        models: &models,
        retention: options.retention,
        list: &list,
        now: None,
    };
    Ruleset::compile(files, schema, &options)
}

/// Reads a text file under the name that faults show.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path) -> Result<File, ReadError> {
    read_from(path, &on_disk)
}

fn read_from(path: &Path, files: &Files<'_>) -> Result<File, ReadError> {
    let text =
        files(path).and_then(|bytes| String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into()));
    match text {
        Ok(text) => Ok(File::new(path.to_string_lossy().into_owned(), text)),
        Err(source) => Err(ReadError { path: path.to_path_buf(), source }),
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
