//! Import cycles. At every level of a crate the modules side by side, and the file of the folder itself, must not
//! import each other, neither directly nor around a ring. The root file of a program or a test is no module among its
//! modules: it begins and ends the run, and holds what all of them share. (Modules of a library must not import from
//! its root at all: `layers`.)

use std::collections::{BTreeMap, BTreeSet};

use crate::modules::Tree;
use crate::resolve::{Edge, edges};

/// The file of a folder among the modules of the folder.
pub const ITSELF: &str = "(itself)";

/// Imports between the nodes of one level, each with a place that says so.
pub type Level = BTreeMap<(String, String), String>;

/// Every cycle of a crate as a text: the modules of the ring and, for each import between them, one place.
pub fn cycles(tree: &Tree) -> Vec<String> {
    let edges = edges(tree);
    let mut found = Vec::new();
    for (index, module) in tree.modules.iter().enumerate().filter(|(_, module)| !module.children.is_empty()) {
        let mut level = level(tree, index, &edges);
        if module.parent.is_none() {
            level.retain(|(from, to), _| from != ITSELF && to != ITSELF);
        }
        for ring in rings(&level) {
            let mut text = format!("{} ({}): {}", folder(module), module.file, ring.join(", "));
            for ((from, to), place) in &level {
                if ring.contains(from) && ring.contains(to) {
                    text.push_str(&format!("\n    {from} -> {to}: {place}"));
                }
            }
            found.push(text);
        }
    }
    found
}

fn folder(module: &crate::modules::Module) -> String {
    if module.path.is_empty() { "crate".to_owned() } else { module.path.join("::") }
}

/// The imports between the children of a module, and between them and its own file.
pub fn level(tree: &Tree, parent: usize, edges: &[Edge]) -> Level {
    let mut level = Level::new();
    for edge in edges {
        let (Some(from), Some(to)) = (node(tree, parent, edge.from), node(tree, parent, edge.to)) else {
            continue;
        };
        let only_its_name = edge.module_only && edge.to == parent;
        if from != to && !only_its_name {
            level.entry((from, to)).or_insert_with(|| edge.place.clone());
        }
    }
    level
}

fn node(tree: &Tree, parent: usize, module: usize) -> Option<String> {
    let above = &tree.modules[parent].path;
    let path = &tree.modules[module].path;
    let inside = path.starts_with(above);
    inside.then(|| path.get(above.len()).cloned().unwrap_or_else(|| ITSELF.to_owned()))
}

/// The sets of nodes that can each reach all others of the set; a node alone is none.
fn rings(level: &Level) -> Vec<Vec<String>> {
    let nodes: BTreeSet<&String> = level.keys().flat_map(|(from, to)| [from, to]).collect();
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        nodes.iter().map(|node| (*node, reachable(level, node))).collect();
    let mut found = BTreeSet::new();
    for node in &nodes {
        let ring: Vec<String> = nodes
            .iter()
            .filter(|other| reached[*node].contains(**other) && reached[**other].contains(*node))
            .map(|name| (*name).clone())
            .collect();
        if !ring.is_empty() {
            found.insert(ring);
        }
    }
    found.into_iter().collect()
}

fn reachable<'a>(level: &'a Level, start: &String) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![start];
    while let Some(node) = open.pop() {
        for (_, to) in level.keys().filter(|(from, _)| from == node) {
            if reached.insert(to) {
                open.push(to);
            }
        }
    }
    reached
}
