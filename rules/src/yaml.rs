//! YAML with positions: the strict subset that packs, schemas and configurations are written in.
//!
//! No other module uses the YAML parser. The reader of a node determines its type, never YAML: every scalar is text.
//! Anchors, aliases, tags, merge keys, repeated keys and words that YAML versions read differently are errors.

mod cause;
mod keys;
mod position;

pub use keys::{Keys, comma_help};
pub use position::Positions;

use crate::card_number;
use crate::diagnostic::{Diagnostics, Span};
use saphyr_parser::{Event, Parser, ScalarStyle, Span as YamlSpan};
use std::collections::HashMap;

/// Maximum size of a file, bytes.
pub const FILE_BYTES_MAX: usize = 4 << 20;
/// Maximum depth of nodes.
pub const DEPTH_MAX: usize = 32;

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// In single quotes.
    Single,
    /// In double quotes.
    Double,
    /// A `|` block.
    Literal,
    /// A `>` block.
    Folded,
}

/// The content of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text; an empty plain one means no value.
    Scalar {
        /// Its text, without escapes and folds.
        text: String,
        /// How it was written.
        style: Style,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order written; keys are scalars.
    Map(Vec<(Node, Node)>),
}

/// A node and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its place, quotes included.
    pub span: Span,
    /// Its content.
    pub value: Value,
}

/// Parses one file; `file` is its index in `diagnostics`. `None` when it is not YAML or empty. After errors that leave
/// a readable tree, the tree is returned.
pub fn parse(file: usize, diagnostics: &mut Diagnostics) -> Option<Node> {
    let text = diagnostics.files()[file].text.clone();
    let whole = Span { file, start: 0, end: 0 };
    if text.len() > FILE_BYTES_MAX {
        diagnostics.error("Y006", format!("file is larger than {FILE_BYTES_MAX} bytes"), whole);
        return None;
    }
    let mut builder =
        Builder { file, offsets: byte_offsets(&text), open: Vec::new(), root: None, diagnostics };
    let mut documents = 0;
    for event in Parser::new_from_str(&text) {
        match event {
            Ok((Event::DocumentStart(_), span)) => {
                documents += 1;
                if documents > 1 {
                    let span = builder.span(span);
                    builder.diagnostics.error("Y007", "a file must hold a single YAML document", span);
                    break;
                }
            }
            Ok((event, span)) => {
                let span = builder.span(span);
                if builder.event(event, span).is_err() {
                    return None;
                }
            }
            Err(error) => {
                let at = builder.byte(error.marker().index());
                cause::report(&text, file, at, error.info(), builder.diagnostics);
                return None;
            }
        }
    }
    let root = builder.root.filter(|root| !root.is_nothing());
    root.iter().for_each(|root| refuse_card_numbers(root, diagnostics));
    root
}

/// Reports card numbers: a title or a reason would carry them into alerts, a constant into messages. The numbers of a
/// list in an expression are no groups of one number.
fn refuse_card_numbers(node: &Node, diagnostics: &mut Diagnostics) {
    match &node.value {
        Value::Scalar { text, .. } if text.split(',').any(card_number::is_in) => {
            diagnostics
                .error("Y009", "a card number: files of the configuration must hold none", node.span)
                .label("its digits are not shown")
                .help("replace it by a token or a keyed hash of it, or write less of it");
        }
        Value::Scalar { .. } => {}
        Value::List(nodes) => nodes.iter().for_each(|node| refuse_card_numbers(node, diagnostics)),
        Value::Map(entries) => entries.iter().for_each(|(key, value)| {
            refuse_card_numbers(key, diagnostics);
            refuse_card_numbers(value, diagnostics);
        }),
    }
}

/// Byte offset of every character and of the end: the parser counts characters.
fn byte_offsets(text: &str) -> Vec<usize> {
    text.char_indices().map(|(at, _)| at).chain([text.len()]).collect()
}

struct TooDeep;

enum Open {
    List(Span, Vec<Node>),
    Map(Span, OpenMap),
}

/// A mapping whose end has not been read.
#[derive(Default)]
struct OpenMap {
    entries: Vec<(Node, Node)>,
    /// A key that waits for its value.
    key: Option<Node>,
    /// Where each name is first a key.
    names: HashMap<String, Span>,
}

struct Builder<'a> {
    file: usize,
    offsets: Vec<usize>,
    open: Vec<Open>,
    root: Option<Node>,
    diagnostics: &'a mut Diagnostics,
}

impl Builder<'_> {
    fn byte(&self, character: usize) -> usize {
        self.offsets.get(character).or(self.offsets.last()).copied().unwrap_or(0)
    }

    fn span(&self, span: YamlSpan) -> Span {
        let (start, end) = (self.byte(span.start.index()), self.byte(span.end.index()));
        Span { file: self.file, start, end: end.max(start) }
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), TooDeep> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_extras(anchor, tag.is_some(), span);
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    ScalarStyle::Literal => Style::Literal,
                    ScalarStyle::Folded => Style::Folded,
                };
                self.refuse_ambiguous(&text, style, span);
                self.close(Node { span, value: Value::Scalar { text: text.into_owned(), style } });
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_extras(anchor, tag.is_some(), span);
                self.begin(Open::List(span, Vec::new()), span)?;
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_extras(anchor, tag.is_some(), span);
                self.begin(Open::Map(span, OpenMap::default()), span)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Alias(_) => {
                self.diagnostics.error(
                    "Y001",
                    "anchors and aliases are not supported; repeat the value",
                    span,
                );
                self.close(Node { span, value: Value::Scalar { text: String::new(), style: Style::Plain } });
            }
            _ => {}
        }
        Ok(())
    }

    fn refuse_extras(&mut self, anchor: usize, tag: bool, span: Span) {
        if anchor != 0 {
            self.diagnostics.error("Y001", "anchors and aliases are not supported; repeat the value", span);
        }
        if tag {
            self.diagnostics.error(
                "Y002",
                "tags are not supported; the key determines the type of its value",
                span,
            );
        }
    }

    fn refuse_ambiguous(&mut self, text: &str, style: Style, span: Span) {
        let lower = text.to_ascii_lowercase();
        if style == Style::Plain && ["yes", "no", "on", "off"].contains(&lower.as_str()) {
            self.diagnostics
                .error("Y004", format!("`{text}` is text in YAML 1.2 but true/false in YAML 1.1 tools"), span)
                .label("ambiguous word")
                .help(format!("write true / false, or quote it: \"{text}\""));
        }
    }

    fn begin(&mut self, open: Open, span: Span) -> Result<(), TooDeep> {
        if self.open.len() == DEPTH_MAX {
            self.diagnostics.error("Y006", format!("nested more than {DEPTH_MAX} levels deep"), span);
            return Err(TooDeep);
        }
        self.open.push(open);
        Ok(())
    }

    fn end(&mut self, end: Span) {
        let node = match self.open.pop().expect("the parser balances starts and ends") {
            Open::List(span, nodes) => {
                Node { span: whole(span, end, nodes.last()), value: Value::List(nodes) }
            }
            Open::Map(span, OpenMap { entries, .. }) => Node {
                span: whole(span, end, entries.last().map(|(_, last)| last)),
                value: Value::Map(entries),
            },
        };
        self.close(node);
    }

    /// A finished node becomes a list's item, a mapping's key or value, or the root.
    fn close(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List(_, nodes)) => nodes.push(node),
            Some(Open::Map(_, map)) => match map.key.take() {
                Some(key) => map.entries.push((key, node)),
                None => {
                    check_key(&node, &mut map.names, self.diagnostics);
                    map.key = Some(node);
                }
            },
        }
    }
}

fn whole(start: Span, end: Span, last: Option<&Node>) -> Span {
    // The end marker of a block is where the next node starts; its visible end is that of its last node.
    let last_end = last.map_or(start.end, |node| node.span.end);
    let flow = end.end > end.start;
    Span { file: start.file, start: start.start, end: if flow { end.end } else { last_end } }
}

fn check_key(key: &Node, names: &mut HashMap<String, Span>, diagnostics: &mut Diagnostics) {
    let Some(name) = key.scalar() else {
        diagnostics.error("Y008", "a key must be a single word", key.span);
        return;
    };
    if name == "<<" {
        diagnostics.error("Y005", "merge keys are not supported; repeat the values", key.span);
    }
    if let Some(first) = names.get(name) {
        diagnostics
            .error("Y003", format!("`{name}` is written twice"), key.span)
            .label("repeated here")
            .context(*first, "first here");
    } else {
        names.insert(name.to_owned(), key.span);
    }
}

impl Node {
    /// The text, if it is a scalar.
    pub fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether it is a key without a value.
    pub fn is_nothing(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, style: Style::Plain } if text.is_empty())
    }

    /// The value of a key, if this is a mapping that has it.
    pub fn value_of(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => {
                entries.iter().find(|(held, _)| held.scalar() == Some(key)).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// Passes structure and texts to `eat`, without places, quotes and comments: equal content gives equal bytes.
    pub fn content(&self, eat: &mut impl FnMut(&[u8])) {
        match &self.value {
            Value::Scalar { text, .. } => {
                eat(b"s");
                eat(&text.len().to_le_bytes());
                eat(text.as_bytes());
            }
            Value::List(nodes) => {
                eat(b"[");
                nodes.iter().for_each(|node| node.content(eat));
                eat(b"]");
            }
            Value::Map(entries) => {
                eat(b"{");
                for (key, value) in entries {
                    key.content(eat);
                    value.content(eat);
                }
                eat(b"}");
            }
        }
    }
}
