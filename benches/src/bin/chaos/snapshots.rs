//! The files of the snapshot store: which snapshots are being written, or were left unfinished by a killed process.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const MANIFEST: &str = "manifest";

/// Folders of a group's snapshots that have files but no manifest, and are newer than every complete snapshot of their
/// shard: older ones are being deleted.
pub(super) fn unfinished(store: &Path, group: &str) -> BTreeSet<PathBuf> {
    below(&store.join(group)).into_iter().flat_map(|shard| newest(&shard)).collect()
}

fn newest(shard: &Path) -> Vec<PathBuf> {
    let mut unfinished = Vec::new();
    // Names begin with the zero-padded offset: the last is the newest.
    for snapshot in below(shard).into_iter().rev() {
        let files = below(&snapshot);
        if files.iter().any(|file| file.ends_with(MANIFEST)) {
            break;
        }
        if !files.is_empty() {
            unfinished.push(snapshot);
        }
    }
    unfinished
}

/// The partition of a snapshot's folder.
pub(super) fn partition(snapshot: &Path) -> Option<u32> {
    snapshot.parent()?.file_name()?.to_str()?.parse().ok()
}

/// The entries of a folder, sorted; none if the folder does not exist.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_unfinished_between_its_first_chunk_and_its_manifest() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str| {
            let path = folder.path().join("chaos/3").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        assert!(unfinished(folder.path(), "chaos").is_empty(), "there is no store yet");
        put("00000000000000000010-5/000000");
        let found = unfinished(folder.path(), "chaos");
        assert_eq!(found.iter().map(|path| partition(path)).collect::<Vec<_>>(), [Some(3)]);
        put("00000000000000000010-5/manifest");
        assert!(unfinished(folder.path(), "chaos").is_empty());
        put("00000000000000000009-4/000000");
        assert!(unfinished(folder.path(), "chaos").is_empty(), "an older one is being deleted");
        put("00000000000000000020-6/000000#1");
        assert_eq!(unfinished(folder.path(), "chaos").len(), 1);
    }
}
