//! Reading a mapping: required, optional and unknown keys, and typed scalars.
//!
//! It does not depend on packs or configurations. Both are read through it, with the same messages.

use super::{Node, Value};
use crate::diagnostic::{Diagnostics, Span, nearest};
use crate::money::Decimal;
use crate::time::{DURATION_HELP, Ms, parse_duration};

/// A mapping that is being read. Requested keys are known; [`Keys::finish`] reports the others.
#[derive(Debug)]
pub struct Keys<'a> {
    what: String,
    span: Span,
    entries: &'a [(Node, Node)],
    known: Vec<&'static str>,
    later: &'static [&'static str],
}

impl<'a> Keys<'a> {
    /// Starts to read `node`, which is `what` in messages. Anything but a mapping is reported.
    pub fn of(node: &'a Node, what: impl Into<String>, problems: &mut Diagnostics) -> Option<Keys<'a>> {
        let what = what.into();
        match &node.value {
            Value::Map(entries) => {
                Some(Keys { what, span: node.span, entries, known: Vec::new(), later: &[] })
            }
            _ => {
                problems
                    .error(
                        "S003",
                        format!("{what} must be a mapping of `name: value` lines"),
                        first_line(node, problems),
                    )
                    .label("not a mapping");
                None
            }
        }
    }

    /// Keys of the language that this version does not support yet.
    pub fn later(mut self, keys: &'static [&'static str]) -> Keys<'a> {
        self.later = keys;
        self
    }

    /// Place of the mapping.
    pub fn span(&self) -> Span {
        self.span
    }

    /// The name of the mapping in messages.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The value of a key that may be absent.
    pub fn optional(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        self.entries.iter().find(|(held, _)| held.scalar() == Some(key)).map(|(_, value)| value)
    }

    /// The place of a key.
    pub fn key_span(&self, key: &str) -> Option<Span> {
        self.entries.iter().find(|(held, _)| held.scalar() == Some(key)).map(|(held, _)| held.span)
    }

    /// Whether the mapping has a key, known or not.
    pub fn has(&self, key: &str) -> bool {
        self.key_span(key).is_some()
    }

    /// The value of a required key; its absence is reported at `at`.
    pub fn required(&mut self, key: &'static str, at: Span, problems: &mut Diagnostics) -> Option<&'a Node> {
        let found = self.optional(key);
        if found.is_none() {
            problems
                .error("S002", format!("{} has no `{key}`", self.what), at)
                .label(format!("add `{key}:`"));
        }
        found
    }

    /// All entries, for mappings whose keys are names.
    pub fn entries(&self) -> &'a [(Node, Node)] {
        self.entries
    }

    /// Reports every key that was not requested.
    pub fn finish(self, problems: &mut Diagnostics) {
        for (key, value) in self.entries {
            let name = key.scalar().unwrap_or_default();
            if self.known.contains(&name) {
                continue;
            }
            if self.later.contains(&name) {
                // An error in the value is reported alone: two messages about one line confuse.
                if !problems.any_inside(value.span) {
                    problems
                        .error("S005", format!("`{name}` is not supported in this version yet"), key.span)
                        .label("not supported yet");
                }
                continue;
            }
            let help = nearest(name, self.known.iter().chain(self.later).copied())
                .map(|near| format!("did you mean `{near}`?"));
            problems
                .error("S001", format!("`{name}` is not a setting of {}", self.what), key.span)
                .label("unknown setting")
                .help_maybe(help);
        }
    }
}

/// What to write instead of a number with a comma.
pub fn comma_help(text: &str) -> Option<String> {
    if Decimal::has_comma(text) {
        let digits = text.replace(['.', ' ', '\'', '\u{a0}'], "").replace(',', ".");
        return Some(format!("decimals are written with a point: `{digits}`"));
    }
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || b",.-".contains(&byte));
    (is_number && text.contains(','))
        .then(|| format!("thousands are written without a sign: `{}`", text.replace(',', "")))
}

/// The first line of a node, which represents a long block.
fn first_line(node: &Node, problems: &Diagnostics) -> Span {
    let text = &problems.files()[node.span.file].text;
    let end =
        text[node.span.start..node.span.end].find('\n').map_or(node.span.end, |at| node.span.start + at);
    Span { end, ..node.span }
}

impl Node {
    /// The text of a scalar; anything else is reported.
    pub fn text(&self, what: &str, problems: &mut Diagnostics) -> Option<&str> {
        match self.scalar() {
            Some(text) if !self.is_nothing() => Some(text),
            _ => {
                let span = first_line(self, problems);
                problems.error("S003", format!("{what} must be a single text"), span).label("not a text");
                None
            }
        }
    }

    /// One of some words; anything else is reported with a suggestion.
    pub fn word<T: Copy>(&self, what: &str, words: &[(&str, T)], problems: &mut Diagnostics) -> Option<T> {
        self.word_or_synonym(what, words, &[], problems)
    }

    /// One of some words. A synonym is reported with the word that it means.
    pub fn word_or_synonym<T: Copy>(
        &self,
        what: &str,
        words: &[(&str, T)],
        synonyms: &[(&str, &str)],
        problems: &mut Diagnostics,
    ) -> Option<T> {
        let text = self.text(what, problems)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let all = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
            let meant =
                synonyms.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|(_, meant)| *meant);
            let near = meant.or_else(|| nearest(text, words.iter().map(|(word, _)| *word)));
            // How YAML reads an unquoted word does not matter where no spelling of it is right.
            problems.retain(|problem| problem.code.0 != "Y004" || problem.span != self.span);
            problems
                .error("S006", format!("{what} cannot be `{text}`"), self.span)
                .label("unknown value")
                .help(near.map_or(format!("one of {all}"), |near| format!("did you mean `{near}`?")));
        }
        found
    }

    /// `true` or `false`.
    pub fn boolean(&self, what: &str, problems: &mut Diagnostics) -> Option<bool> {
        let synonyms = [("yes", "true"), ("on", "true"), ("no", "false"), ("off", "false")];
        self.word_or_synonym(what, &[("true", true), ("false", false)], &synonyms, problems)
    }

    /// A decimal number, or a percentage as its share.
    pub fn number(&self, what: &str, problems: &mut Diagnostics) -> Option<Decimal> {
        let text = self.text(what, problems)?;
        let number = Decimal::parse_share(text);
        if number.is_none() {
            problems
                .error("S004", format!("{what} must be a number"), self.span)
                .label("not a number")
                .help_maybe(comma_help(text));
        }
        number
    }

    /// A whole number within bounds, both included.
    pub fn whole(&self, what: &str, min: i64, max: i64, problems: &mut Diagnostics) -> Option<i64> {
        let text = self.text(what, problems)?;
        let number = text.parse::<i64>().ok().filter(|number| (min..=max).contains(number));
        if number.is_none() {
            problems
                .error("S004", format!("{what} must be a whole number from {min} to {max}"), self.span)
                .label("out of range, or not a whole number");
        }
        number
    }

    /// The `version` of a file; this release supports one.
    pub fn form(&self, what: &str, problems: &mut Diagnostics) {
        if self.text("`version`", problems).is_some_and(|text| text != "1") {
            problems
                .error("S004", format!("this release supports `version: 1` of a {what} only"), self.span)
                .label("unsupported version");
        }
    }

    /// A duration such as `10m` or `90d`, in milliseconds.
    pub fn duration(&self, what: &str, problems: &mut Diagnostics) -> Option<Ms> {
        let text = self.text(what, problems)?;
        let duration = parse_duration(text);
        if duration.is_none() {
            problems
                .error("S004", format!("{what} must be a duration"), self.span)
                .label("not a duration")
                .help(DURATION_HELP);
        }
        duration
    }

    /// A duration of more than 0.
    pub fn length(&self, what: &str, problems: &mut Diagnostics) -> Option<Ms> {
        let duration = self.duration(what, problems)?;
        if duration == 0 {
            problems.error("S004", format!("{what} must be longer than 0"), self.span).label("zero length");
            return None;
        }
        Some(duration)
    }

    /// The items of a list; a single scalar is a list of one.
    pub fn items(&self, what: &str, problems: &mut Diagnostics) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            Value::Scalar { .. } if !self.is_nothing() => std::slice::from_ref(self),
            _ => {
                let span = first_line(self, problems);
                problems.error("S003", format!("{what} must be a list"), span).label("not a list");
                &[]
            }
        }
    }
}
