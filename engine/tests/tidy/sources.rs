//! The files that the checks read: the workspace's from the disk, or a few written in a test.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// Folders of the workspace that no check reads: what is built, and what was downloaded.
const SKIPPED: [&str; 3] = ["target", ".git", ".cache"];

/// Areas below it hold the inputs of cases, among them packs and lists that are wrong on purpose.
const CASES: &str = "engine/tests/cases/";

/// Texts by their path from the root of the workspace.
pub struct Sources(BTreeMap<String, String>);

impl Sources {
    /// Every Rust, Markdown, YAML, TOML and shell file of the workspace, read once.
    pub fn of_the_workspace() -> &'static Self {
        static FOUND: OnceLock<Sources> = OnceLock::new();
        FOUND.get_or_init(Self::read_workspace)
    }

    fn read_workspace() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the engine lies in the workspace");
        let mut files = BTreeMap::new();
        read_folder(root, "", &mut files);
        let found = Self(files);
        assert!(found.rust().count() > 200, "only {} Rust files were found", found.rust().count());
        found
    }

    /// A crate of a few files, for the tests of the checks.
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }

    pub fn text(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    pub fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all().filter(|(path, _)| path.ends_with(".rs"))
    }

    pub fn parsed(&self) -> impl Iterator<Item = (&str, syn::File)> {
        self.rust().map(|(path, text)| {
            (path, syn::parse_file(text).unwrap_or_else(|error| panic!("{path} is no Rust: {error}")))
        })
    }
}

fn read_folder(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).expect("the folder can be read").map(|entry| entry.expect("readable")) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.path().is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                read_folder(&entry.path(), &format!("{path}/"), files);
            }
        } else if is_checked(&path) {
            files.insert(path, fs::read_to_string(entry.path()).expect("the file is a text"));
        }
    }
}

fn is_checked(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    if path.strip_prefix(CASES).is_some_and(|inside| inside.contains('/')) {
        return false;
    }
    let script = path.starts_with(".ci/") || ["benches/budgets", "deploy/kafka/broker"].contains(&path);
    match name.rsplit_once('.') {
        Some((_, extension)) => {
            ["rs", "md", "yaml", "yml", "toml", "sh", "py", "patch"].contains(&extension)
                || name == "Dockerfile"
        }
        None => script,
    }
}
