//! Files that a command writes: none of them may be one that it reads, and each is written once. It does not depend on
//! any command.

use super::error::{ArgumentError, CliError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Refuses outputs that are inputs, and two outputs in one file, before any file is opened. A device such as
/// `/dev/null` may be given for all of them.
///
/// # Errors
/// The first output that would overwrite another file of the command.
pub fn refuse_overwrites<'a>(
    inputs: impl IntoIterator<Item = &'a PathBuf>,
    outputs: impl IntoIterator<Item = &'a PathBuf>,
) -> Result<(), CliError> {
    let inputs: Vec<Place> = inputs.into_iter().filter_map(|path| Place::of(path)).collect();
    let mut written = Vec::new();
    for output in outputs {
        let Some(place) = Place::of(output) else { continue };
        if inputs.contains(&place) {
            return Err(ArgumentError::OutputIsInput(output.clone()).into());
        }
        if written.contains(&place) {
            return Err(ArgumentError::OutputTwice(output.clone()).into());
        }
        written.push(place);
    }
    Ok(())
}

/// Links that are followed, as by the system.
const LINKS_MAX: usize = 40;

/// What a path leads to, whatever its spelling, links included.
#[derive(PartialEq, Eq)]
enum Place {
    /// A file that exists: device and number.
    File(u64, u64),
    /// A file that would be created.
    New(PathBuf),
}

impl Place {
    /// `None` for what is no regular file.
    fn of(path: &Path) -> Option<Place> {
        match std::fs::metadata(path) {
            Ok(found) => found.is_file().then(|| Place::File(found.dev(), found.ino())),
            Err(_) => {
                let path = &linked(path);
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                let folder = std::fs::canonicalize(folder.unwrap_or(Path::new("."))).ok()?;
                Some(Place::New(folder.join(path.file_name()?)))
            }
        }
    }
}

/// Where links lead that end at no file.
fn linked(path: &Path) -> PathBuf {
    let mut path = path.to_path_buf();
    for _ in 0..LINKS_MAX {
        let Ok(target) = std::fs::read_link(&path) else { break };
        // The target of a link is relative to the link's folder.
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_known_as_an_input_under_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("in.jsonl"), "history").unwrap();
        std::fs::hard_link(path("in.jsonl"), path("linked")).unwrap();
        std::os::unix::fs::symlink(path("in.jsonl"), path("symbolic")).unwrap();
        std::fs::create_dir(path("sub")).unwrap();
        let inputs = [path("in.jsonl")];
        for output in ["in.jsonl", "linked", "symbolic", "sub/../in.jsonl"] {
            assert!(refuse_overwrites(&inputs, &[path(output)]).is_err(), "{output}");
        }
        assert!(refuse_overwrites(&inputs, &[path("new"), path("sub/../new")]).is_err());
        assert!(refuse_overwrites(&inputs, &[path("new"), path("other"), path("sub/new")]).is_ok());
        std::os::unix::fs::symlink("../new", path("sub/dangling")).unwrap();
        assert!(refuse_overwrites(&inputs, &[path("new"), path("sub/dangling")]).is_err(), "both create it");
        let null = PathBuf::from("/dev/null");
        assert!(refuse_overwrites(&inputs, &[null.clone(), null]).is_ok());
    }
}
