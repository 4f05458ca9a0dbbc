//! Names on the wire are spelled once: topics, headers and metrics in the modules below, and nowhere else in what is
//! shipped. Tests spell them out: they assert what others read.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Item, LitStr, Macro};

use crate::modules::is_test_only;
use crate::sources::Sources;

/// The modules that spell names.
const HOMES: [&str; 2] = ["engine/src/names.rs", "engine/core/src/outputs.rs"];

/// Sources of what is shipped, and of the benches, which read its metrics.
const CHECKED: [&str; 5] = ["rules/src/", "models/src/", "engine/core/src/", "engine/src/", "benches/"];

const BEGINNINGS: [&str; 3] = ["tripline_", "ce_", "tripline."];
const ENDINGS: [&str; 4] = [".alerts", ".verdicts", ".dead-letters", ".late"];
/// The one output topic whose name without its prefix has no other meaning: a list of topics spelled by hand has it.
const UNIQUE_TOPIC: &str = "dead-letters";

pub fn spelled_elsewhere(sources: &Sources) -> Vec<String> {
    let mut found = Vec::new();
    let checked =
        |path: &str| CHECKED.iter().any(|folder| path.starts_with(folder)) && !HOMES.contains(&path);
    for (path, file) in sources.parsed().filter(|(path, _)| checked(path)) {
        let mut literals = Literals(Vec::new());
        file.items.iter().filter(|item| !is_test(item)).for_each(|item| literals.visit_item(item));
        for (line, text) in literals.0.into_iter().filter(|(_, text)| holds_name(text)) {
            found.push(format!("{path}:{line}: {text:?}"));
        }
    }
    found
}

fn is_test(item: &Item) -> bool {
    matches!(item, Item::Mod(module) if module.attrs.iter().any(is_test_only))
}

/// A name alone, in backticks, or a metric with its labels: `tripline_shards{phase="live"}`.
fn holds_name(text: &str) -> bool {
    let quoted = text.split('`').skip(1).step_by(2);
    let labelled = text.split_once('{').filter(|(_, labels)| labels.contains('='));
    let labelled = labelled.and_then(|(metric, _)| metric.split_whitespace().last());
    quoted.chain(labelled).chain([text]).any(is_name)
}

fn is_name(text: &str) -> bool {
    let wire = |letter: char| letter.is_ascii_alphanumeric() || "_.-{}".contains(letter);
    let begins =
        BEGINNINGS.iter().any(|beginning| text.strip_prefix(beginning).is_some_and(|rest| !rest.is_empty()));
    let ends = ENDINGS.iter().any(|ending| text.ends_with(ending));
    let file = text.ends_with(".yaml");
    text == UNIQUE_TOPIC || (begins || ends) && !file && text.chars().all(wire)
}

struct Literals(Vec<(usize, String)>);

impl Literals {
    fn tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Literal(literal) => {
                    if let Ok(text) = syn::parse_str::<LitStr>(&literal.to_string()) {
                        self.0.push((literal.span().start().line, text.value()));
                    }
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Literals {
    fn visit_lit_str(&mut self, literal: &'ast LitStr) {
        self.0.push((literal.span().start().line, literal.value()));
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.tokens(called.tokens.clone());
        visit::visit_macro(self, called);
    }

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
}
