//! The house rules that a compiler does not check: file sizes, opening comments, where outside crates may appear,
//! which layer may look at which.

use std::fs;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 500;
const SOURCES: [&str; 5] = ["rules/src", "models/src", "engine/core/src", "engine/src", "benches"];

/// An outside crate and the only places that may name it.
const HOMES: [(&str, &[&str]); 15] = [
    ("rdkafka", &["engine/src/io/kafka", "benches/"]),
    ("tokio", &["engine/src/runtime/", "engine/src/io/", "engine/src/ops/", "engine/src/cli/run.rs"]),
    ("hyper", &["engine/src/ops/http.rs"]),
    ("prometheus", &["engine/src/ops/metrics.rs"]),
    ("dashmap", &["engine/src/ops/status.rs"]),
    ("saphyr_parser", &["rules/src/yaml"]),
    ("annotate_snippets", &["rules/src/diagnostic"]),
    ("strsim", &["rules/src/diagnostic", "rules/src/resolve", "rules/src/yaml"]),
    ("siphasher", &["rules/src/value.rs", "rules/src/pack/rules.rs", "rules/src/compile/hash.rs"]),
    ("regex_automata", &["rules/src/"]),
    ("flate2", &["engine/src/io/file"]),
    ("zstd", &["engine/src/io/file", "engine/core/src/snapshot/"]),
    ("postcard", &["engine/core/src/snapshot/"]),
    ("xxhash_rust", &["engine/core/src/snapshot/"]),
    ("anyhow", &["engine/src/main.rs"]),
];

/// In the core, a module of a lower layer must not look at one of a higher layer.
const CORE_LAYERS: [&[&str]; 7] = [
    &["limits", "batch"],
    &["event", "outputs", "clock", "snapshot"],
    &["decode", "suppress", "simulate"],
    // Facts are computed over rows, and ledgers hold the caches of their totals.
    &["ledger", "fact", "counts", "labels"],
    &["verdict", "alert", "settings", "space", "signals"],
    &["judge", "lines"],
    &["engine", "spaces"],
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the engine lies in the workspace").to_path_buf()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("readable")) {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every Rust file of the workspace by its path from the root, with its text.
fn sources() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    SOURCES.iter().for_each(|folder| rust_files(&root().join(folder), &mut paths));
    let mut files: Vec<(String, String)> = paths
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
            (name, fs::read_to_string(path).expect("a text"))
        })
        .collect();
    files.sort();
    assert!(files.len() > 40, "found only {} files: is the list of folders right?", files.len());
    files
}

fn report(rule: &str, faults: Vec<String>) {
    assert!(faults.is_empty(), "{rule}:\n  {}", faults.join("\n  "));
}

#[test]
fn no_file_is_longer_than_one_noun_needs() {
    let faults = sources()
        .into_iter()
        .filter(|(_, text)| text.lines().count() > LINES_MAX)
        .map(|(name, text)| format!("{name}: {} lines", text.lines().count()))
        .collect();
    report("files over 500 lines", faults);
}

#[test]
fn every_file_says_what_it_is_for() {
    let faults =
        sources().into_iter().filter(|(_, text)| !text.starts_with("//!")).map(|(name, _)| name).collect();
    report("files that do not open with //!", faults);
}

#[test]
fn every_outside_crate_stays_in_its_home() {
    let mut faults = Vec::new();
    for (name, text) in sources() {
        for (outside, homes) in HOMES {
            let named = text.lines().any(|line| {
                let code = line.trim_start();
                !code.starts_with("//") && code.contains(&format!("{outside}::"))
            });
            if named && !homes.iter().any(|home| name.starts_with(home)) {
                faults.push(format!("{name} names {outside}, whose home is {}", homes.join(", ")));
            }
        }
    }
    report("outside crates away from home", faults);
}

#[test]
fn no_layer_of_the_core_looks_up() {
    let layer = |module: &str| CORE_LAYERS.iter().position(|layer| layer.contains(&module));
    let mut faults = Vec::new();
    for (name, text) in sources() {
        let Some(inside) = name.strip_prefix("engine/core/src/") else { continue };
        let own = inside.split(['/', '.']).next().unwrap_or_default();
        let Some(own_layer) = layer(own) else { continue };
        for line in text.lines() {
            let Some(rest) = line.trim_start().strip_prefix("use crate::") else { continue };
            let used = rest.split([':', ';', ' ']).next().unwrap_or_default();
            if layer(used).is_some_and(|used_layer| used_layer > own_layer) {
                faults.push(format!("{name}: {}", line.trim()));
            }
        }
    }
    report("imports from a higher layer", faults);
}

#[test]
fn nothing_is_left_for_later() {
    let marks = ["TODO", "FIXME", "todo!(", "unimplemented!("];
    let mut faults = Vec::new();
    for (name, text) in sources() {
        faults
            .extend(marks.iter().filter(|mark| text.contains(**mark)).map(|mark| format!("{name}: {mark}")));
    }
    report("unfinished work", faults);
}
