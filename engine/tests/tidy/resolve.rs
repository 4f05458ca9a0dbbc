//! Which module each path of a crate leads to: the edges of the crate's import graph. A path that leads to an item
//! which a module only hands on (`pub use`) leads to where the item is defined.

use crate::modules::{Named, Tree};

/// One module names something of another.
#[derive(Clone, Debug)]
pub struct Edge {
    pub from: usize,
    pub to: usize,
    /// Only the name of the module `to` itself is imported, nothing that its file defines.
    pub module_only: bool,
    /// The file, line and path that say so.
    pub place: String,
}

/// How many names a path may be handed on by before it counts as leading nowhere.
const HANDED_ON_MAX: usize = 16;

pub fn edges(tree: &Tree) -> Vec<Edge> {
    let mut edges = Vec::new();
    for (from, module) in tree.modules.iter().enumerate() {
        for named in module.imports.iter().chain(&module.paths) {
            let Some((to, module_only)) = target(tree, from, &named.segments, HANDED_ON_MAX) else {
                continue;
            };
            let own = to == from || (named.handed_on && is_below(tree, to, from));
            if !own && !tree.modules[to].test {
                let place = format!("{}:{}: {}", module.file, named.line, named.segments.join("::"));
                edges.push(Edge { from, to, module_only: module_only && !named.glob, place });
            }
        }
    }
    edges
}

fn is_below(tree: &Tree, module: usize, above: usize) -> bool {
    tree.modules[module].path.starts_with(&tree.modules[above].path)
}

/// The module that a path leads to, and whether it ends with the module itself. None for an outside crate.
fn target(tree: &Tree, from: usize, segments: &[String], left: usize) -> Option<(usize, bool)> {
    let (first, rest) = segments.split_first()?;
    match first.as_str() {
        "crate" => descend(tree, 0, rest, left),
        "self" => descend(tree, from, rest, left),
        "super" => descend(tree, tree.modules[from].parent?, rest, left),
        name => match tree.modules[from].children.get(name) {
            Some(child) => descend(tree, *child, rest, left),
            None => bound(tree, from, name, rest, left),
        },
    }
}

/// What follows a name that a `use` of the module binds.
fn bound(tree: &Tree, from: usize, name: &str, rest: &[String], left: usize) -> Option<(usize, bool)> {
    let import = tree.modules[from].bound.get(name)?;
    // `use rdkafka::…` in the module itself: the crate, unless another import binds that name.
    if left == 0 || import.segments.first().is_some_and(|first| first == name) {
        return None;
    }
    let whole: Vec<String> = import.segments.iter().chain(rest).cloned().collect();
    target(tree, from, &whole, left - 1)
}

fn descend(tree: &Tree, module: usize, segments: &[String], left: usize) -> Option<(usize, bool)> {
    let Some((first, rest)) = segments.split_first() else { return Some((module, true)) };
    let here = &tree.modules[module];
    if first == "super" {
        return descend(tree, here.parent?, rest, left);
    }
    if let Some(child) = here.children.get(first) {
        return descend(tree, *child, rest, left);
    }
    if here.items.contains(first) {
        return Some((module, false));
    }
    if left > 0 {
        if here.bound.contains_key(first) {
            return bound(tree, module, first, rest, left - 1);
        }
        for glob in here.imports.iter().filter(|import| import.glob) {
            if let Some(found) = through_glob(tree, module, glob, first, left - 1) {
                return Some(found);
            }
        }
    }
    // A variant, an associated item, or what a macro defines.
    Some((module, false))
}

/// Where a name comes from that a module only has by `use a::*`.
fn through_glob(tree: &Tree, module: usize, glob: &Named, name: &str, left: usize) -> Option<(usize, bool)> {
    let (source, _) = target(tree, module, &glob.segments, left)?;
    let defined = &tree.modules[source];
    let known = defined.items.contains(name)
        || defined.children.contains_key(name)
        || defined.bound.contains_key(name);
    if source == module || !known {
        return None;
    }
    descend(tree, source, &[name.to_owned()], left)
}
