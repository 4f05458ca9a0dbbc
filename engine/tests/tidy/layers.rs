//! The layers of every crate, lowest first: a module may import from its own layer and from those below it. A module
//! that no layer lists fails, and so do a listed one that no longer exists and a library without layers.

use std::collections::BTreeSet;

use crate::cycles::{ITSELF, level};
use crate::modules::Tree;
use crate::resolve::edges;

/// A crate's root file and its top-level modules.
pub struct Crate<'a> {
    pub root: &'a str,
    pub layers: &'a [&'a [&'a str]],
}

pub const CRATES: [Crate<'static>; 6] = [
    Crate {
        root: "rules/src/lib.rs",
        layers: &[
            &[
                "card_number",
                "catalogue",
                "diagnostic",
                "money",
                "pattern",
                "text",
                "time",
                "typology",
                "value",
            ],
            &["action", "ast", "habit", "options", "yaml", "zones"],
            &["function", "lexer", "schema"],
            &["aggregate", "parser"],
            // What a pack says, and what is evaluated: neither knows the other.
            &["graph", "program", "reason"],
            &["pack", "ruleset"],
            &["list"],
            &["resolve"],
            &["lint"],
            &["compile"],
        ],
    },
    Crate { root: "models/src/lib.rs", layers: &[&["metrics", "model"], &["profile", "protocol"]] },
    Crate {
        root: "engine/core/src/lib.rs",
        layers: &[
            &["limits", "batch", "number", "placement", "marks"],
            &["event", "outputs", "clock", "snapshot", "simulate"],
            &["decode", "suppress", "labels", "row"],
            &["decision", "fact"],
            &["ledger"],
            &["profile", "ingested"],
            &["scores"],
            &["settings"],
            &["installation"],
            &["reads", "alert", "verdict", "counts", "intake", "lookahead"],
            &["judge", "results", "signals"],
            &["shard", "render"],
            &["derived"],
            &["account_shard"],
            &["spaces"],
        ],
    },
    Crate {
        root: "engine/src/lib.rs",
        layers: &[
            &["error_chain", "failpoint", "json", "names", "settings"],
            &["config", "runtime"],
            &["io", "ops"],
            &["cli"],
        ],
    },
    Crate {
        root: "benches/src/lib.rs",
        layers: &[
            &["cost", "kafka", "load"],
            &["probe", "proxy", "records", "report", "service", "watch"],
            &["equal", "hot", "open_loop"],
        ],
    },
    Crate { root: "fuzz/src/lib.rs", layers: &[&["seen"], &["decode", "pack"], &["snapshot"]] },
];

/// What does not fit a crate's layers.
pub fn problems(tree: &Tree, layers: &[&[&str]]) -> Vec<String> {
    let layer = |module: &str| layers.iter().position(|layer| layer.contains(&module));
    let root = &tree.modules[0];
    let mut found = Vec::new();
    for name in root.children.keys().filter(|name| layer(name).is_none()) {
        found.push(format!("{}: module {name} is in no layer", root.file));
    }
    for name in layers.iter().flat_map(|layer| layer.iter()) {
        if !root.children.contains_key(*name) {
            found.push(format!("{}: the layers list module {name}, which does not exist", root.file));
        }
    }
    for ((from, to), place) in level(tree, 0, &edges(tree)) {
        if to == ITSELF {
            found.push(format!("{place} imports from the root of the crate"));
        } else if layer(&from).zip(layer(&to)).is_some_and(|(from, to)| to > from) {
            found.push(format!("{place} imports from a higher layer ({from} is below {to})"));
        }
    }
    found
}

/// Libraries whose layers are not listed.
pub fn unlisted<'a>(paths: impl Iterator<Item = &'a str>, listed: &[Crate<'_>]) -> Vec<String> {
    let is_listed = |path: &str| listed.iter().any(|known| known.root == path);
    paths
        .filter(|path| path.ends_with("src/lib.rs") && !is_listed(path))
        .map(|path| format!("{path}: its layers are not listed"))
        .collect()
}

/// Every file that is the root of a crate: libraries, programs, tests and benches.
pub fn roots<'a>(paths: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    paths.filter(|path| is_root(path)).collect()
}

fn is_root(path: &str) -> bool {
    let parts: Vec<&str> = path.rsplit('/').collect();
    match parts[..] {
        ["lib.rs" | "main.rs", "src", ..] | ["main.rs", _, "bin", "src", ..] | [_, "bin", "src", ..] => true,
        // A folder `tests` of a crate, not one of its modules.
        ["main.rs", _, "tests" | "benches", ref above @ ..]
        | [_, "tests" | "benches" | "fuzz_targets", ref above @ ..] => !above.contains(&"src"),
        _ => false,
    }
}

/// Files that no root leads to: no check of imports would see them.
pub fn unreached<'a>(trees: &[Tree], paths: impl Iterator<Item = &'a str>) -> Vec<String> {
    let reached: BTreeSet<&str> =
        trees.iter().flat_map(|tree| &tree.modules).map(|module| module.file.as_str()).collect();
    paths
        .filter(|path| !reached.contains(path))
        .map(|path| format!("{path} is no module of any crate"))
        .collect()
}
