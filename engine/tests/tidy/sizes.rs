//! How long files and functions may be, and where module files lie.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Block, ImplItemFn, ItemFn, Macro, Signature, TraitItemFn};

use crate::sources::Sources;

pub const FILE_LINES_MAX: usize = 450;
pub const FUNCTION_LINES_MAX: usize = 70;
pub const COLUMNS_MAX: usize = 120;

pub fn long_files(sources: &Sources) -> Vec<String> {
    sources
        .rust()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES_MAX)
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect()
}

pub fn long_functions(sources: &Sources) -> Vec<String> {
    let mut found = Vec::new();
    for (path, file) in sources.parsed() {
        let mut functions = Functions(Vec::new());
        functions.visit_file(&file);
        for (name, line, lines) in functions.0.into_iter().filter(|(_, _, lines)| *lines > FUNCTION_LINES_MAX)
        {
            found.push(format!("{path}:{line}: {name} has {lines} lines"));
        }
    }
    found
}

/// One style: `foo.rs` beside the folder `foo`.
pub fn mod_files(sources: &Sources) -> Vec<String> {
    sources.rust().filter(|(path, _)| path.ends_with("/mod.rs")).map(|(path, _)| path.to_owned()).collect()
}

/// Name, first line and number of lines of every function.
struct Functions(Vec<(String, usize, usize)>);

impl Functions {
    fn add(&mut self, signature: &Signature, body: &Block) {
        let first = signature.fn_token.span.start().line;
        let last = body.brace_token.span.close().end().line;
        self.0.push((signature.ident.to_string(), first, last + 1 - first));
    }

    /// Functions inside a macro, as in `proptest!`: `fn`, a name, and what follows up to the next braces.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut begun: Option<(String, usize)> = None;
        let mut after_fn = None;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if ident == "fn" => after_fn = Some(ident.span().start().line),
                TokenTree::Ident(ident) => {
                    if let Some(line) = after_fn.take() {
                        begun = Some((ident.to_string(), line));
                    }
                }
                TokenTree::Group(group) => {
                    if group.delimiter() == Delimiter::Brace
                        && let Some((name, first)) = begun.take()
                    {
                        let last = group.span_close().end().line;
                        self.0.push((name, first, last + 1 - first));
                    }
                    self.tokens(group.stream());
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(body) = &item.default {
            self.add(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.tokens(called.tokens.clone());
    }
}

/// Lines of Markdown outside fenced blocks, and comments of every other file.
pub fn long_lines(sources: &Sources) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in sources.all() {
        let mut fenced = false;
        for (index, line) in text.lines().enumerate() {
            fenced ^= line.trim_start().starts_with("```");
            let read_by_people = if path.ends_with(".md") { !fenced } else { has_comment(path, line) };
            let columns = line.chars().count();
            if read_by_people && columns > COLUMNS_MAX {
                found.push(format!("{path}:{}: {columns} characters", index + 1));
            }
        }
    }
    found
}

fn has_comment(path: &str, line: &str) -> bool {
    let line = line.trim_start();
    if path.ends_with(".rs") {
        line.starts_with("//") || line.contains(" // ")
    } else {
        line.starts_with('#') || line.contains(" # ")
    }
}
