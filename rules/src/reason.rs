//! Reason texts: words with `{expression | format}` in between.
//!
//! It does not evaluate; the program computes the values.

mod print;

pub(crate) use print::{Printed, Shape, print};

use crate::ast::Expr;
use crate::diagnostic::{Diagnostics, Span, nearest};
use crate::lexer::Written;
use crate::parser;
use crate::yaml::Positions;

/// How a value is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `1,450.00 USD`.
    Money,
    /// `5,570 km`.
    Km,
    /// `42 minutes`.
    Minutes,
    /// `3 days`.
    Days,
    /// `37.5%`.
    Percent,
    /// `2026-11-18`.
    Date,
    /// `02:14`.
    Time,
}

const FORMATS: [(&str, Format); 7] = [
    ("money", Format::Money),
    ("km", Format::Km),
    ("minutes", Format::Minutes),
    ("days", Format::Days),
    ("percent", Format::Percent),
    ("date", Format::Date),
    ("time", Format::Time),
];

/// A part of a reason as written.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Words.
    Words(String),
    /// A value.
    Value(Expr, Option<Format>),
}

/// A reason as written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template {
    /// In order.
    pub parts: Vec<Part>,
}

/// Reads a reason; `{{` and `}}` are braces.
pub(crate) fn parse(text: &str, positions: &Positions, problems: &mut Diagnostics) -> Template {
    let mut parts = Vec::new();
    let mut words = String::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if rest.starts_with("{{") || rest.starts_with("}}") {
            words.push(first);
            at += 2;
        } else if first == '{' {
            let Some(length) = closing(rest) else {
                problems
                    .error("E102", "missing `}`", positions.span(at..at + 1))
                    .label("this `{` is never closed")
                    .help("write `{{` for a brace that is part of the text");
                break;
            };
            if !words.is_empty() {
                parts.push(Part::Words(std::mem::take(&mut words)));
            }
            parts.push(value(&rest[1..length], at + 1, positions, problems));
            at += length + 1;
        } else {
            words.push(first);
            at += first.len_utf8();
        }
    }
    if !words.is_empty() {
        parts.push(Part::Words(words));
    }
    Template { parts }
}

/// Position of the `}` that ends a value; quoted texts are skipped.
fn closing(text: &str) -> Option<usize> {
    outside_quotes(text, '}')
}

fn outside_quotes(text: &str, wanted: char) -> Option<usize> {
    let mut quote = None;
    for (at, character) in text.char_indices() {
        match quote {
            Some(open) if open == character => quote = None,
            Some(_) => {}
            None if character == wanted => return Some(at),
            None if character == '"' || character == '\'' => quote = Some(character),
            None => {}
        }
    }
    None
}

fn value(text: &str, base: usize, positions: &Positions, problems: &mut Diagnostics) -> Part {
    let bar = outside_quotes(text, '|').filter(|at| !text[*at..].starts_with("||"));
    let (expr, format) = match bar {
        None => (text, None),
        Some(at) => {
            let written = &text[at + 1..];
            let name = written.trim();
            let start = base + at + 1 + (written.len() - written.trim_start().len());
            let span = positions.span(start..start + name.len());
            (&text[..at], self::format(name, span, problems))
        }
    };
    Part::Value(parser::expression(Written { text: expr, base, positions }, problems), format)
}

fn format(name: &str, span: Span, problems: &mut Diagnostics) -> Option<Format> {
    let found = FORMATS.iter().find(|(known, _)| *known == name).map(|(_, format)| *format);
    if found.is_none() {
        let near = nearest(name, FORMATS.iter().map(|(known, _)| *known));
        let all = FORMATS.map(|(known, _)| known).join(", ");
        problems
            .error("E312", format!("no format named `{name}`"), span)
            .label("unknown format")
            .help(near.map_or(format!("one of {all}"), |near| format!("did you mean `{near}`?")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::File;
    use crate::yaml;

    #[test]
    fn problems_in_a_reason_are_found_where_they_stand() {
        let source = "r: \"é {{x}} {tx.amount | mony} and {\"\n";
        let source = source.to_owned();
        let mut problems = Diagnostics::new(&[File::new("f", source.clone())]);
        let root = yaml::parse(0, &mut problems).unwrap();
        let node = root.value_of("r").unwrap();
        let template = parse(node.scalar().unwrap(), &Positions::new(node, &source), &mut problems);
        assert_eq!(template.parts[0], Part::Words("é {x} ".to_owned()));
        let places: Vec<_> =
            problems.list().iter().map(|problem| &source[problem.span.start..problem.span.end]).collect();
        assert_eq!(places, ["mony", "{"]);
    }
}
