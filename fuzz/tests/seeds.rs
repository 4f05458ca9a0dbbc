//! The targets over the inputs that fuzzing starts with: those run in every build, and they reach what is taken and
//! what is refused.

use std::fs;
use std::path::Path;

/// Runs every input of a target and says how many were taken, and of how many.
fn run(name: &str, target: fn(&[u8]) -> bool) -> (usize, usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name);
    let mut inputs: Vec<_> = fs::read_dir(folder)
        .expect("the target has inputs")
        .map(|entry| fs::read(entry.expect("readable").path()).expect("readable"))
        .collect();
    inputs.sort();
    // Twice: what the first round taught the target must change nothing in the second.
    let round = || inputs.iter().filter(|input| target(input)).count();
    let taken = round();
    assert_eq!(taken, round(), "another verdict the second time");
    (taken, inputs.len())
}

#[test]
fn json() {
    assert_eq!(run("json", tripline_fuzz::json), (4, 13));
}

#[test]
fn csv() {
    assert_eq!(run("csv", tripline_fuzz::csv), (5, 9));
}

#[test]
fn expressions() {
    assert_eq!(run("expression", tripline_fuzz::expression), (6, 11));
}

#[test]
fn packs() {
    assert_eq!(run("pack", tripline_fuzz::pack), (4, 10));
}

/// The inputs are the parts of a snapshot of today; `TRIPLINE_BLESS=1` writes them anew.
#[test]
fn snapshots() {
    let parts = tripline_fuzz::snapshot_parts();
    if std::env::var_os("TRIPLINE_BLESS").is_some() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds/snapshot");
        fs::create_dir_all(&folder).expect("the folder can be made");
        for (number, part) in parts.iter().enumerate() {
            fs::write(folder.join(format!("part-{number}")), part).expect("the file can be written");
        }
    }
    assert!(
        parts.iter().all(|part| tripline_fuzz::snapshot(part)),
        "a part in its own place changes nothing"
    );
    assert!(!tripline_fuzz::snapshot(&parts[0][..parts[0].len() - 1]), "a part that is cut is refused");
    let (taken, count) = run("snapshot", tripline_fuzz::snapshot);
    assert!(taken == count && count == parts.len(), "{taken} of {count}: TRIPLINE_BLESS=1 writes them anew");
}
