//! Findings in words: what the value is, why the part cannot hold, and what was probably meant.

use super::assume::{Conflict, Subject};
use super::range::{Range, Words};
use crate::ast::{Expr, ExprKind};
use crate::diagnostic::{Diagnostics, Level, Span};
use crate::money::Decimal;
use crate::pack::{AggregateText, OpText, ParamValue};
use crate::resolve::{CheckedRule, Resolver};

/// Longer parts of a condition are shortened in messages.
const SHOWN_MAX: usize = 80;
/// So many words of a set are listed.
const WORDS_MAX: usize = 6;

/// Whether a part of a condition can hold and fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Never,
    Always,
    Either,
}

impl Verdict {
    pub(super) fn opposite(self) -> Verdict {
        match self {
            Verdict::Never => Verdict::Always,
            Verdict::Always => Verdict::Never,
            Verdict::Either => Verdict::Either,
        }
    }
}

/// A part of a condition that never holds, or always.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    pub(super) part: Expr,
    pub(super) conflict: Conflict,
    /// The id of the rule, when its whole condition never holds.
    pub(super) rule: Option<String>,
    /// The parameter, when its present value is the cause.
    pub(super) current: Option<(String, ParamValue)>,
}

impl Finding {
    pub(super) fn of_rule(rule: &CheckedRule<'_>, conflict: Conflict) -> Finding {
        let part = rule.text.when.clone().expect("a rule with a condition");
        Finding {
            verdict: Verdict::Never,
            part,
            conflict,
            rule: Some(rule.text.id.text.clone()),
            current: None,
        }
    }
}

/// A finding as it is reported.
pub(super) struct Described {
    level: Level,
    code: &'static str,
    message: String,
    span: Span,
    label: String,
    context: Vec<(Span, String)>,
    help: Option<String>,
}

impl Described {
    pub(super) fn add_to(self, problems: &mut Diagnostics) {
        let problem = match self.level {
            Level::Error => problems.error(self.code, self.message, self.span),
            Level::Warning => problems.warning(self.code, self.message, self.span),
        };
        problem.label(self.label).help_maybe(self.help);
        for (span, text) in self.context {
            problem.context(span, text);
        }
    }
}

pub(super) fn described(finding: &Finding, resolver: &Resolver<'_>) -> Described {
    let conflict = &finding.conflict;
    let whole = finding.part.span;
    // A place in the condition itself; the part may stand in a term elsewhere.
    let part = if whole.holds(conflict.part) { conflict.part } else { whole };
    let never = finding.verdict == Verdict::Never;
    let (level, code, span, message) = match (&finding.rule, never, &finding.current) {
        (Some(rule), ..) => {
            let because = shown(part, resolver);
            let message = format!("the condition of rule {rule} never holds, because of `{because}`");
            (Level::Error, "E310", part, message)
        }
        (None, false, _) => {
            let message = format!("`{}` holds whenever its values are known", shown(whole, resolver));
            (Level::Warning, "W504", whole, message)
        }
        (None, true, Some((param, _))) => {
            let message =
                format!("`{}` never holds with the present value of `${param}`", shown(whole, resolver));
            (Level::Warning, "W503", whole, message)
        }
        (None, true, None) => {
            (Level::Warning, "W503", whole, format!("`{}` never holds", shown(whole, resolver)))
        }
    };
    let reason = match swapped(finding) {
        Some((_, least, most)) => format!("{least} is above {most}"),
        None => reason(conflict, resolver),
    };
    let exclude = never && span != part;
    let mut context = Vec::new();
    if exclude {
        context.push((part, reason.clone()));
    }
    context.extend(
        conflict
            .earlier
            .filter(|earlier| never && *earlier != span)
            .map(|earlier| (earlier, "limited here".to_owned())),
    );
    let label = if exclude { "parts of it exclude each other".to_owned() } else { reason };
    Described { level, code, message, span, label, context, help: help(finding, resolver) }
}

/// The text of a part as it is written, on one line.
fn shown(span: Span, resolver: &Resolver<'_>) -> String {
    let text = &resolver.problems.files()[span.file].text;
    let words: Vec<&str> = text.get(span.start..span.end).unwrap_or_default().split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// What the value is.
fn reason(conflict: &Conflict, resolver: &Resolver<'_>) -> String {
    match &conflict.subject {
        Subject::Constant => "a constant".to_owned(),
        Subject::Missing { expr } => {
            format!("`{}` is missing in one part and has a value in the other", shown(expr.span, resolver))
        }
        Subject::Words { expr, words } => {
            let here = if conflict.earlier.is_some() { " here" } else { "" };
            format!("`{}` is {}{here}", shown(expr.span, resolver), listed(words))
        }
        Subject::Number { expr, range, .. } => {
            let name = shown(expr.span, resolver);
            let own = what(expr, resolver).filter(|_| conflict.earlier.is_none());
            match own {
                Some(what) => format!("`{name}` is {what}"),
                None => format!("`{name}` is {}", bounds(*range)),
            }
        }
    }
}

/// What a value is by its nature.
fn what(expr: &Expr, resolver: &Resolver<'_>) -> Option<String> {
    let what = match &expr.kind {
        ExprKind::Call(name, ..) => match name.as_str() {
            "local_hour" => Some("an hour, 0 to 23"),
            "local_weekday" => Some("a weekday, 1 (Monday) to 7 (Sunday)"),
            "coverage" => Some("a share, 0 to 1"),
            "km_between" => Some("a distance on earth, 0 to 20,016 km"),
            "kmh" => Some("a speed on earth, 0 to 72,057,600,000 km/h: half around the earth in 1 ms"),
            _ => None,
        },
        ExprKind::Name(name) if name == "tx.amount" => Some("never negative"),
        ExprKind::Name(name) => match aggregate(name, resolver)?.op? {
            OpText::Distinct => return distinct(aggregate(name, resolver)?),
            OpText::Ratio | OpText::Rank => Some("a share, 0 to 1"),
            OpText::Count => Some("a number of events, which is never negative"),
            OpText::Rate | OpText::Stddev => Some("never negative"),
            _ => None,
        },
        _ => None,
    };
    what.map(str::to_owned)
}

fn aggregate<'r>(name: &str, resolver: &'r Resolver<'_>) -> Option<&'r AggregateText> {
    resolver.aggregates.get(name).map(|entry| entry.text)
}

fn distinct(text: &AggregateText) -> Option<String> {
    Some(format!("a number of different values, 0 to {} by its `max_distinct`", text.distinct_max))
}

fn bounds(range: Range) -> String {
    let Range { low, high, above_low, below_high, .. } = range;
    let least = if above_low { format!("more than {low}") } else { format!("at least {low}") };
    let most = if below_high { format!("less than {high}") } else { format!("at most {high}") };
    match (low.is_finite(), high.is_finite()) {
        (true, true) if low == high => format!("{low}"),
        (true, true) => format!("{least} and {most}"),
        (true, false) => least,
        (false, true) => most,
        (false, false) => "any number".to_owned(),
    }
}

fn listed(words: &Words) -> String {
    let (Words::Only(set) | Words::AllBut(set)) = words;
    let quoted = |word: &String| match word.as_str() {
        "true" => "yes".to_owned(),
        "false" => "no".to_owned(),
        other => format!("\"{other}\""),
    };
    let all: Vec<String> = set.iter().take(WORDS_MAX).map(quoted).collect();
    let more = if set.len() > WORDS_MAX { ", …" } else { "" };
    let not = if matches!(words, Words::AllBut(_)) { "not " } else { "" };
    format!("{not}{}{more}", all.join(" or "))
}

/// What was probably meant.
fn help(finding: &Finding, resolver: &Resolver<'_>) -> Option<String> {
    let Subject::Number { range, other, .. } = &finding.conflict.subject else { return None };
    if let Some((value, least, most)) = swapped(finding) {
        let written = shown(value.span, resolver);
        return Some(match &value.kind {
            // Hours over midnight, weekdays over Sunday.
            ExprKind::Call(name, ..) if name == "local_hour" || name == "local_weekday" => {
                format!("write `({written} >= {least} or {written} <= {most})`")
            }
            _ => format!("the lower end comes first: `between {most} and {least}`"),
        });
    }
    let is_share = range.low == 0.0 && range.high == 1.0;
    let percent = if other.low.is_finite() { other.low } else { other.high };
    if is_share && other.is_point() && percent > 1.0 && percent <= 100.0 {
        return Some(format!("write a percentage: `{percent}%`"));
    }
    if finding.conflict.earlier.is_some() && finding.verdict == Verdict::Never {
        return Some("write `or` if either is enough, or correct one of the limits".to_owned());
    }
    None
}

/// `between` with its ends swapped: the value and the ends.
fn swapped(finding: &Finding) -> Option<(&Expr, Decimal, Decimal)> {
    let mut found = None;
    finding.part.walk(&mut |part| {
        let ExprKind::Between(value, low, high) = &part.kind else { return };
        let (ExprKind::Number(least), ExprKind::Number(most)) = (&low.kind, &high.kind) else { return };
        if part.span == finding.conflict.part && least.number() > most.number() {
            found = Some((&**value, *least, *most));
        }
    });
    found
}
