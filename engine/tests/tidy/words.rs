//! Words that the project has given up, in identifiers, prose and names of files; attributes that hide a lint.

use syn::Attribute;
use syn::visit::{self, Visit};

use crate::sources::Sources;

/// Each a sequence of words, as in `begin_amid` and `BeginAmid`.
const GIVEN_UP: [&[&str]; 11] = [
    &["told"],
    &["told", "node"],
    &["seated"],
    &["courier"],
    &["errand"],
    &["untold"],
    &["unsettled"],
    &["doubts"],
    &["begin", "amid"],
    &["overseer"],
    &["knowingly"],
];

/// This list, which cannot do without them.
const LIST: &str = "engine/tests/tidy/words.rs";

pub fn given_up(sources: &Sources) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in sources.all().filter(|(path, _)| *path != LIST) {
        let named = [(0, path)];
        let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
        for (number, line) in named.into_iter().chain(lines) {
            if let Some(words) = word_of_the_list(line) {
                found.push(format!("{path}:{number}: {words}: {}", line.trim()));
            }
        }
    }
    found
}

/// Names on the wire stay as they are: `rename = "…"` is none of ours.
fn word_of_the_list(line: &str) -> Option<String> {
    let ours = line.split("rename = \"").enumerate().map(|(at, part)| match part.split_once('"') {
        Some((_, behind)) if at > 0 => behind,
        _ => part,
    });
    let words = words(&ours.collect::<Vec<_>>().join(" "));
    let found =
        GIVEN_UP.iter().find(|given_up| words.windows(given_up.len()).any(|window| window == **given_up));
    found.map(|words| words.join("_"))
}

/// The words of a line in lower case; `ToldNode` and `told_node` are two.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut previous = ' ';
    for letter in line.chars().chain([' ']) {
        let begins = letter.is_uppercase() && !previous.is_uppercase();
        if (begins || !letter.is_alphabetic()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if letter.is_alphabetic() {
            word.extend(letter.to_lowercase());
        }
        previous = letter;
    }
    words
}

/// `#[allow(…)]`, and any exception for the number of a function's arguments.
pub fn lint_exceptions(sources: &Sources) -> Vec<String> {
    let mut found = Vec::new();
    for (path, file) in sources.parsed() {
        let mut exceptions = Exceptions(Vec::new());
        exceptions.visit_file(&file);
        found.extend(exceptions.0.into_iter().map(|(line, text)| format!("{path}:{line}: {text}")));
    }
    found
}

struct Exceptions(Vec<(usize, &'static str)>);

impl<'ast> Visit<'ast> for Exceptions {
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        let line = attribute.pound_token.span.start().line;
        if attribute.path().is_ident("allow") {
            self.0.push((line, "allow"));
        }
        if let syn::Meta::List(list) = &attribute.meta
            && list.tokens.to_string().contains("too_many_arguments")
        {
            self.0.push((line, "too_many_arguments"));
        }
        visit::visit_attribute(self, attribute);
    }
}

pub fn unfinished(sources: &Sources) -> Vec<String> {
    // Written in two parts, so that this file is none of those it finds.
    let marks =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), concat!("unimplemented", "!(")];
    let mut found = Vec::new();
    for (path, text) in sources.rust() {
        found.extend(marks.iter().filter(|mark| text.contains(**mark)).map(|mark| format!("{path}: {mark}")));
    }
    found
}

pub fn without_opening(sources: &Sources) -> Vec<String> {
    sources.rust().filter(|(_, text)| !text.starts_with("//!")).map(|(path, _)| path.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn identifiers_are_split_into_words() {
        assert_eq!(
            words("let ToldNode = told_node(HTTPServer);"),
            ["let", "told", "node", "told", "node", "httpserver"]
        );
    }
}
