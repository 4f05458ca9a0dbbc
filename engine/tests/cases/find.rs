//! The cases of a folder: `<area>/<name>/case.json`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::case::Case;

pub struct Found {
    /// `<area>/<name>`.
    pub name: String,
    pub folder: PathBuf,
    pub case: Case,
}

/// All cases, or those of the chosen areas and names; every problem of the folders if there is any.
pub fn cases(root: &Path, chosen: &[&str]) -> Result<Vec<Found>, String> {
    let mut found = Vec::new();
    let mut problems = Vec::new();
    for (area, folder) in entries(root) {
        if !folder.is_dir() {
            continue;
        }
        for (name, folder) in entries(&folder) {
            let name = format!("{area}/{name}");
            match read(&folder) {
                Ok(case) => found.push(Found { name, folder, case }),
                Err(problem) => problems.push(format!("{name}: {problem}")),
            }
        }
    }
    if !problems.is_empty() {
        return Err(format!("cases that cannot be read:\n  {}", problems.join("\n  ")));
    }
    let is_of = |name: &str, one: &str| {
        name.strip_prefix(one).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if let Some(unknown) = chosen.iter().find(|one| !found.iter().any(|case| is_of(&case.name, one))) {
        return Err(format!("no case is called {unknown}"));
    }
    found.retain(|case| chosen.is_empty() || chosen.iter().any(|one| is_of(&case.name, one)));
    if found.is_empty() { Err(format!("no case in {}", root.display())) } else { Ok(found) }
}

fn read(folder: &Path) -> Result<Case, String> {
    let path = folder.join("case.json");
    let text = fs::read_to_string(&path).map_err(|error| format!("case.json: {error}"))?;
    Case::parse(&text).map_err(|problem| format!("case.json: {problem}"))
}

/// Names and paths in a folder, in order of their names.
fn entries(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut entries: Vec<(String, PathBuf)> =
        entries.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path)).collect();
    entries.sort();
    entries
}
