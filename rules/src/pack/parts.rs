//! The parts of a pack as written, with their places.
//!
//! It does not depend on how they are read, nor what a name means.

use crate::action::{Action, Mode, Severity};
use crate::ast::Expr;
use crate::diagnostic::{Diagnostics, Span};
use crate::lexer;
use crate::money::Decimal;
use crate::reason::Template;
use crate::time::Ms;
use crate::yaml::Node;

/// Maximum number of rules in a ruleset.
pub const RULES_MAX: usize = 500;
/// Maximum number of operators and references in the condition of a rule.
pub const NODES_MAX: usize = 500;

/// A name and the place of its declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// The name.
    pub(crate) text: String,
    /// Its place.
    pub(crate) span: Span,
}

/// An entry of `lists:`.
#[derive(Clone, Debug)]
pub(crate) struct ListText {
    /// Its name.
    pub(crate) name: Name,
    /// The CSV file, relative to the pack.
    pub(crate) file: Name,
    /// Which column; the first without one.
    pub(crate) column: Option<Name>,
    /// Whether entries are numbers; else they are texts.
    pub(crate) numbers: bool,
    /// Maximum number of entries.
    pub(crate) entries_max: usize,
    /// The pack's time zone, in which the days of `expires` end; UTC without one.
    pub(crate) zone: Option<String>,
}

/// An entry of `params:`.
#[derive(Clone, Debug)]
pub(crate) struct ParamText {
    /// Its name.
    pub(crate) name: Name,
    /// Its value unless overridden; `None` when it could not be read.
    pub(crate) default: Option<ParamValue>,
    /// Where it is written.
    pub(crate) default_span: Option<Span>,
    /// Smallest value allowed.
    pub(crate) min: Option<Decimal>,
    /// Largest value allowed.
    pub(crate) max: Option<Decimal>,
}

/// What a parameter is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ParamValue {
    /// A number; true: written as a percentage.
    Number(Decimal, bool),
    /// A duration, ms.
    Duration(Ms),
}

/// A named expression: a term or a feature.
#[derive(Clone, Debug)]
pub(crate) struct NamedText {
    /// Its name.
    pub(crate) name: Name,
    /// The expression; `None` when it could not be read.
    pub(crate) expr: Option<Expr>,
}

/// The operation of an aggregate as written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum OpText {
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
pub(crate) struct AggregateText {
    /// Its name.
    pub(crate) name: Name,
    /// Its operation; `None` when it could not be read.
    pub(crate) op: Option<OpText>,
    /// The field that it reads of each row.
    pub(crate) value: Option<Expr>,
    /// Entity first, then fields.
    pub(crate) by: Vec<Name>,
    /// Window.
    pub(crate) over: Option<Ms>,
    /// Place of the window.
    pub(crate) over_span: Option<Span>,
    /// Distance from the end of the window to the event.
    pub(crate) delay: Ms,
    /// Condition for rows.
    pub(crate) filter: Option<Expr>,
    /// Whether the event itself is included.
    pub(crate) include_current: bool,
    /// Minimum number of rows; below it the fact is missing.
    pub(crate) at_least: u32,
    /// Limit of `distinct`.
    pub(crate) distinct_max: u32,
    /// Whether every part could be read.
    pub(crate) whole: bool,
}

/// An entry of `signals:`.
#[derive(Clone, Debug)]
pub(crate) struct SignalText {
    /// `entity.name`.
    pub(crate) name: Name,
    /// The published value.
    pub(crate) value: Option<Expr>,
    /// Smaller changes are not published.
    pub(crate) step: Option<Decimal>,
    /// Validity of a published value, ms.
    pub(crate) valid_for: Ms,
}

/// A line of `decide:`.
#[derive(Clone, Debug)]
pub(crate) struct DecideText {
    /// Lowest score to which the line applies.
    pub(crate) score: i32,
    /// The action.
    pub(crate) action: Action,
    /// Place of the score.
    pub(crate) span: Span,
}

/// A cooldown as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CooldownText {
    /// Entity of `by: rule+<entity>`.
    pub(crate) entity: Name,
    /// Duration, ms.
    pub(crate) length: Ms,
    /// Whether a higher score is alerted again within the period.
    pub(crate) unless_score_increases: bool,
}

/// An entry of `rules:`.
#[derive(Clone, Debug)]
pub(crate) struct RuleText {
    pub(crate) id: Name,
    pub(crate) title: String,
    pub(crate) event: Option<Vec<Name>>,
    pub(crate) by: Option<Name>,
    pub(crate) when: Option<Expr>,
    pub(crate) score: i32,
    pub(crate) severity: Severity,
    pub(crate) action: Option<Action>,
    pub(crate) reason: Option<Template>,
    /// `None`: the default cooldown; `Some(None)`: no cooldown.
    pub(crate) cooldown: Option<Option<CooldownText>>,
    pub(crate) typology: Vec<String>,
    pub(crate) mode: Option<Mode>,
    /// Changes when the text of the rule changes.
    pub(crate) version: String,
    /// Its place.
    pub(crate) span: Span,
}

/// A whole pack.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pack {
    pub(crate) name: String,
    pub(crate) owner: String,
    pub(crate) timezone: Option<Name>,
    pub(crate) lists: Vec<ListText>,
    pub(crate) params: Vec<ParamText>,
    pub(crate) terms: Vec<NamedText>,
    pub(crate) aggregates: Vec<AggregateText>,
    pub(crate) features: Vec<NamedText>,
    pub(crate) signals: Vec<SignalText>,
    pub(crate) decide: Vec<DecideText>,
    /// Whether a line of `decide` could not be read.
    pub(crate) decide_lost: bool,
    pub(crate) default_cooldown: Option<CooldownText>,
    pub(crate) default_mode: Option<Mode>,
    pub(crate) rules: Vec<RuleText>,
    /// Number of rules, including those that could not be read.
    pub(crate) rules_written: usize,
    /// Number of operators and references in all conditions.
    pub(crate) nodes: usize,
    /// Bytes that are equal for equal content, independent of layout.
    pub(crate) content: Vec<u8>,
    /// Words of the parts that could not be read: names that they may refer to.
    pub(crate) unread: Vec<String>,
}

impl Pack {
    /// Notes the words of a part that could not be read.
    pub(crate) fn lost(&mut self, node: &Node, problems: &Diagnostics) {
        let text = &problems.files()[node.span.file].text;
        self.unread.extend(lexer::names(&text[node.span.start..node.span.end]));
    }
}
