//! The modules of one crate, found by following `mod` from its root file, and every path that each of them names: in
//! `use` trees, in code, and inside macros. What a path means is not known here (`resolve`).

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Macro, UseTree, Visibility};

use crate::sources::Sources;

/// A path as it is written, without its type arguments.
#[derive(Clone, Debug)]
pub struct Named {
    pub segments: Vec<String>,
    pub line: usize,
    /// Written in a `pub use`: the module hands the name on.
    pub handed_on: bool,
    /// `use a::b::*`: the segments are those of `a::b`.
    pub glob: bool,
}

#[derive(Default)]
pub struct Module {
    /// From the crate's root, which has none.
    pub path: Vec<String>,
    pub file: String,
    pub parent: Option<usize>,
    pub children: BTreeMap<String, usize>,
    /// Compiled for unit tests only. Its paths are not collected.
    pub test: bool,
    /// The names of its own items.
    pub items: BTreeSet<String>,
    /// What its `use` trees bind, by the bound name.
    pub bound: BTreeMap<String, Named>,
    /// Every path of a `use` tree, a renamed one, `_` and globs among them.
    pub imports: Vec<Named>,
    /// Paths in code.
    pub paths: Vec<Named>,
}

/// The modules of one crate; the first is its root.
pub struct Tree {
    pub modules: Vec<Module>,
}

impl Tree {
    /// Follows `mod` from a root file: `lib.rs`, `main.rs`, or a test's or a program's file.
    ///
    /// # Panics
    /// When a declared module has no file.
    pub fn of(sources: &Sources, root: &str) -> Self {
        let mut tree = Self { modules: vec![Module { file: root.to_owned(), ..Module::default() }] };
        let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        tree.collect_file(sources, 0, &folder);
        tree
    }

    fn collect_file(&mut self, sources: &Sources, module: usize, folder: &str) {
        let file = self.modules[module].file.clone();
        let text = sources.text(&file).unwrap_or_else(|| panic!("{file} does not exist"));
        let items = syn::parse_file(text).unwrap_or_else(|error| panic!("{file} is no Rust: {error}")).items;
        self.collect_items(sources, module, folder, &items);
    }

    fn collect_items(&mut self, sources: &Sources, module: usize, folder: &str, items: &[Item]) {
        for item in items {
            if let Item::Mod(declared) = item {
                self.collect_module(sources, module, folder, declared);
                continue;
            }
            let test = attributes(item).iter().any(is_test_only);
            if test || self.modules[module].test {
                continue;
            }
            if let Some(name) = name_of(item) {
                self.modules[module].items.insert(name);
            }
            Collector(&mut self.modules[module]).visit_item(item);
        }
    }

    fn collect_module(&mut self, sources: &Sources, parent: usize, folder: &str, declared: &ItemMod) {
        let name = declared.ident.unraw().to_string();
        let below = format!("{folder}/{name}");
        let given = path_attribute(&declared.attrs).map(|path| normal(&format!("{folder}/{path}")));
        // The file, and the folder of its children: with `#[path]` an inline module names the folder, another the file.
        let (file, below) = match (&declared.content, given) {
            (Some(_), given) => (self.modules[parent].file.clone(), given.unwrap_or(below)),
            (None, Some(file)) => {
                let below = file.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
                (file, below)
            }
            (None, None) => {
                let flat = format!("{below}.rs");
                let nested = format!("{below}/mod.rs");
                (if sources.text(&flat).is_some() { flat } else { nested }, below)
            }
        };
        let index = self.modules.len();
        let test = self.modules[parent].test || declared.attrs.iter().any(is_test_only);
        let path = self.modules[parent].path.iter().cloned().chain([name.clone()]).collect();
        self.modules.push(Module { path, file, parent: Some(parent), test, ..Module::default() });
        self.modules[parent].children.insert(name, index);
        match &declared.content {
            Some((_, items)) => self.collect_items(sources, index, &below, items),
            None => self.collect_file(sources, index, &below),
        }
    }
}

/// `a/b/../c` is `a/c`.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        syn::Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    })
}

/// Exactly `#[cfg(test)]`.
pub fn is_test_only(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Ident>().is_ok_and(|condition| condition == "test")
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn name_of(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.unraw().to_string())
}

/// Adds the paths of an item to its module.
struct Collector<'a>(&'a mut Module);

impl Collector<'_> {
    fn name(&mut self, segments: Vec<String>, line: usize) {
        if segments.len() > 1 {
            self.0.paths.push(Named { segments, line, handed_on: false, glob: false });
        }
    }

    fn import(&mut self, tree: &UseTree, prefix: &[String], handed_on: bool) {
        let below = |name: &syn::Ident| {
            let mut segments = prefix.to_vec();
            segments.push(name.unraw().to_string());
            segments
        };
        match tree {
            UseTree::Path(path) => self.import(&path.tree, &below(&path.ident), handed_on),
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.import(tree, prefix, handed_on));
            }
            UseTree::Glob(glob) => {
                let line = glob.star_token.spans[0].start().line;
                self.0.imports.push(Named { segments: prefix.to_vec(), line, handed_on, glob: true });
            }
            UseTree::Name(name) => self.bind(below(&name.ident), &name.ident, None, handed_on),
            UseTree::Rename(rename) => {
                self.bind(below(&rename.ident), &rename.ident, Some(&rename.rename), handed_on);
            }
        }
    }

    fn bind(
        &mut self,
        mut segments: Vec<String>,
        name: &syn::Ident,
        renamed: Option<&syn::Ident>,
        handed_on: bool,
    ) {
        // `use a::b::{self}` is `use a::b`.
        if name == "self" && segments.len() > 1 {
            segments.pop();
        }
        let bound = match renamed {
            Some(renamed) => renamed.unraw().to_string(),
            None => segments.last().cloned().unwrap_or_default(),
        };
        let named = Named { segments, line: name.span().start().line, handed_on, glob: false };
        if bound != "_" {
            self.0.bound.insert(bound, named.clone());
        }
        self.0.imports.push(named);
    }

    /// Paths inside a macro: identifiers with `::` between them.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut segments: Vec<String> = Vec::new();
        let (mut line, mut colons) = (0, 0);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.name(std::mem::take(&mut segments), line);
                        line = ident.span().start().line;
                    }
                    segments.push(ident.unraw().to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.name(std::mem::take(&mut segments), line);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.name(segments, line);
    }
}

impl<'ast> Visit<'ast> for Collector<'_> {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if item.leading_colon.is_none() {
            self.import(&item.tree, &[], !matches!(item.vis, Visibility::Inherited));
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let segments = path.segments.iter().map(|segment| segment.ident.unraw().to_string()).collect();
            self.name(segments, path.segments[0].ident.span().start().line);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.visit_path(&called.path);
        self.tokens(called.tokens.clone());
    }

    /// `pub(in crate::a)` names a module that may look, not one that is looked at.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}
