//! A pack as written: its sections with places, expressions parsed, no name resolved.
//!
//! It does not know the schema; what a name means is found out in `resolve`.

mod aggregates;
mod rules;
mod sections;

pub(crate) use sections::{as_decimal, parsed_value};

use crate::action::{Action, Mode, Severity};
use crate::ast::Expr;
use crate::diagnostic::{Diagnostics, Span};
use crate::lexer::Written;
use crate::money::Decimal;
use crate::parser;
use crate::reason::Template;
use crate::time::Ms;
use crate::yaml::{self, Keys, Node, Positions, Value};

/// Rules of one ruleset.
pub const RULES_MAX: usize = 500;
/// Operators and references of one rule's condition.
pub const NODES_MAX: usize = 500;

/// A name and where it is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub text: String,
    /// Its place.
    pub span: Span,
}

/// An entry of `lists:`.
#[derive(Clone, Debug)]
pub struct ListText {
    /// Its name.
    pub name: Name,
    /// The CSV file, relative to the pack.
    pub file: Name,
    /// Which column; the first without one.
    pub column: Option<Name>,
    /// Whether entries are numbers; else they are texts.
    pub numbers: bool,
    /// More entries are refused.
    pub entries_max: usize,
}

/// An entry of `params:`.
#[derive(Clone, Debug)]
pub struct ParamText {
    /// Its name.
    pub name: Name,
    /// Its value unless overridden; `None` when it could not be read.
    pub default: Option<ParamValue>,
    /// Smallest value allowed.
    pub min: Option<Decimal>,
    /// Largest value allowed.
    pub max: Option<Decimal>,
}

/// What a parameter is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ParamValue {
    /// A number; true: written as a percentage.
    Number(Decimal, bool),
    /// A length of time, ms.
    Duration(Ms),
}

/// A named expression: a term or a feature.
#[derive(Clone, Debug)]
pub struct NamedText {
    /// Its name.
    pub name: Name,
    /// The expression; `None` when it could not be read.
    pub expr: Option<Expr>,
}

/// The operation of an aggregate as written.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "named as the keys of the language are")]
pub enum OpText {
    Count,
    Sum,
    Avg,
    Min,
    Max,
    Stddev,
    Median,
    TrimmedMean,
    Quantile(f64),
    Distinct,
    Last,
    First,
    Nth(u32),
    Rate,
    Ratio,
    Rank,
}

/// An entry of `aggregates:`.
#[derive(Clone, Debug)]
pub struct AggregateText {
    /// Its name.
    pub name: Name,
    /// Its operation; `None` when it could not be read.
    pub op: Option<OpText>,
    /// What it reads of each row.
    pub value: Option<Expr>,
    /// Entity first, then fields.
    pub by: Vec<Name>,
    /// Window.
    pub over: Option<Ms>,
    /// Where the window is written.
    pub over_span: Option<Span>,
    /// How far back the window ends.
    pub delay: Ms,
    /// Which rows.
    pub filter: Option<Expr>,
    /// Whether the event itself counts.
    pub include_current: bool,
    /// Fewer rows: missing.
    pub at_least: u32,
    /// Where `distinct` stops.
    pub distinct_max: u32,
    /// Whether every part could be read.
    pub whole: bool,
}

/// An entry of `signals:`.
#[derive(Clone, Debug)]
pub struct SignalText {
    /// `entity.name`.
    pub name: Name,
    /// What is published.
    pub value: Option<Expr>,
    /// Smaller moves are not published.
    pub step: Option<Decimal>,
    /// How long it holds, ms.
    pub valid_for: Ms,
}

/// A line of `decide:`.
#[derive(Clone, Debug)]
pub struct DecideText {
    /// Holds from this score on.
    pub score: i32,
    /// What is then done.
    pub action: Action,
}

/// What a cooldown is about, and for how long it silences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CooldownText {
    /// Entity of `by: rule+<entity>`.
    pub entity: Name,
    /// How long, ms.
    pub length: Ms,
    /// Whether a higher score speaks again.
    pub unless_score_increases: bool,
}

/// An entry of `rules:`.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "named as the keys of the language are")]
pub struct RuleText {
    pub id: Name,
    pub span: Span,
    pub title: String,
    pub event: Option<Vec<Name>>,
    pub by: Option<Name>,
    pub when: Option<Expr>,
    pub score: i32,
    pub severity: Severity,
    pub action: Option<Action>,
    pub reason: Option<Template>,
    /// `None`: the default's; `Some(None)`: none.
    pub cooldown: Option<Option<CooldownText>>,
    pub typology: Vec<String>,
    pub mode: Option<Mode>,
    /// Changes when the rule's own text changes.
    pub version: String,
}

/// A whole pack.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "named as the sections of the language are")]
pub struct Pack {
    pub name: String,
    pub owner: String,
    pub timezone: Option<Name>,
    pub lists: Vec<ListText>,
    pub params: Vec<ParamText>,
    pub terms: Vec<NamedText>,
    pub aggregates: Vec<AggregateText>,
    pub features: Vec<NamedText>,
    pub signals: Vec<SignalText>,
    pub decide: Vec<DecideText>,
    pub default_cooldown: Option<CooldownText>,
    pub default_mode: Option<Mode>,
    pub rules: Vec<RuleText>,
    /// Rules as written, also those that could not be read.
    pub rules_written: usize,
    /// Operators and references of all conditions.
    pub nodes: usize,
    /// Bytes that are equal for equal content, whatever its layout.
    pub content: Vec<u8>,
}

const LATER: &[&str] = &["lookups", "segments", "marks", "tests", "sequences"];

/// Reads one pack, `file` being its number in `faults`. Gives what could be read.
pub fn read(file: usize, faults: &mut Diagnostics) -> Pack {
    let mut pack = Pack::default();
    let start = Span { file, start: 0, end: 0 };
    let Some(root) = yaml::parse(file, faults) else {
        if !faults.list().iter().any(|fault| fault.span.file == file) {
            faults.error("S002", "the pack is empty", start);
        }
        return pack;
    };
    root.content(&mut |bytes| pack.content.extend_from_slice(bytes));
    let Some(mut keys) = Keys::of(&root, "a pack", faults).map(|keys| keys.later(LATER)) else { return pack };
    if let Some(version) = keys.required("version", start, faults) {
        version.form("pack", faults);
    }
    let text = |node: Option<&Node>, what: &str, faults: &mut Diagnostics| {
        node.and_then(|node| node.text(what, faults)).map(str::to_owned)
    };
    pack.name = text(keys.optional("pack"), "`pack`", faults).unwrap_or_default();
    pack.owner = text(keys.optional("owner"), "`owner`", faults).unwrap_or_default();
    pack.timezone = keys.optional("timezone").and_then(|node| name(node, "`timezone`", faults));
    sections::read(&mut keys, &mut pack, faults);
    aggregates::read(&mut keys, &mut pack, faults);
    rules::read(&mut keys, &mut pack, faults);
    keys.finish(faults);
    pack.nodes = pack.condition_nodes();
    pack
}

impl Pack {
    fn condition_nodes(&self) -> usize {
        let terms = self.terms.iter().filter_map(|term| term.expr.as_ref());
        let filters = self.aggregates.iter().filter_map(|aggregate| aggregate.filter.as_ref());
        let conditions = self.rules.iter().filter_map(|rule| rule.when.as_ref());
        terms.chain(filters).chain(conditions).map(Expr::nodes).sum()
    }
}

/// A text with its place.
fn name(node: &Node, what: &str, faults: &mut Diagnostics) -> Option<Name> {
    let text = node.text(what, faults)?.to_owned();
    Some(Name { text, span: node.span })
}

/// A name that expressions can use; anything else is reported.
fn declared(node: &Node, what: &str, faults: &mut Diagnostics) -> Option<Name> {
    let name = name(node, what, faults)?;
    let fine = name.text.starts_with(|first: char| first.is_ascii_lowercase())
        && name.text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if !fine {
        faults
            .error("S006", format!("`{}` is not a name", name.text), name.span)
            .label("here")
            .help("lower-case letters, digits and `_`, a letter first");
    }
    fine.then_some(name)
}

/// The expression in a scalar.
fn expression(node: &Node, what: &str, faults: &mut Diagnostics) -> Option<Expr> {
    let text = node.text(what, faults)?;
    let source = faults.files()[node.span.file].text.clone();
    let positions = Positions::new(node, &source);
    parser::expression(Written { text, base: 0, positions: &positions }, faults)
}

/// The entries of a section whose keys are names.
fn section<'a>(keys: &mut Keys<'a>, key: &'static str, faults: &mut Diagnostics) -> &'a [(Node, Node)] {
    let Some(node) = keys.optional(key) else { return &[] };
    if node.is_nothing() {
        return &[];
    }
    Keys::of(node, format!("`{key}`"), faults).map_or(&[], |section| section.entries())
}

/// The items of a section that is a list.
fn items<'a>(keys: &mut Keys<'a>, key: &'static str, faults: &mut Diagnostics) -> &'a [Node] {
    match keys.optional(key) {
        Some(Node { value: Value::List(items), .. }) => items,
        Some(node) if !node.is_nothing() => {
            node.items(&format!("`{key}`"), faults);
            let start = Span { end: node.span.start, ..node.span };
            faults
                .error("S003", format!("`{key}` is a list, each entry after a `-`"), start)
                .label("not a list");
            &[]
        }
        _ => &[],
    }
}
