//! Conditions that never hold, or hold whenever their values are known.
//!
//! Each part of a condition is judged by intervals: the kinds of fields, the ranges of parameters, of functions and of
//! aggregates, and what the other parts of the same condition say of the same value.

mod assume;
mod range;
mod value;
mod words;

use crate::ast::{Expr, ExprKind};
use crate::pack::{DEPTH_MAX, NODES_MAX};
use crate::resolve::{CheckedRule, Resolution, Resolver};
use assume::{Conflict, Facts, is_constant};
use range::Words;
use std::collections::BTreeMap;
use value::{Params, Values};
use words::{Finding, Verdict};

/// How deep the terms in a term are followed. Each is judged where it is declared, and rules follow all of them.
const TERMS_OF_TERMS: usize = 1;

pub(super) fn check(resolver: &mut Resolver<'_>, rules: &[CheckedRule<'_>]) {
    let mut found = Vec::new();
    let mut sizes = BTreeMap::new();
    for rule in rules.iter().filter(|rule| rule.when.is_some()) {
        let when = rule.text.when.as_ref().filter(|when| is_judged(resolver, when, &mut sizes));
        found.extend(when.into_iter().flat_map(|when| of_rule(resolver, rule, when)));
    }
    let terms = resolver.terms.values().filter(|term| term.is_sound());
    let terms = terms.filter_map(|term| term.text.expr.as_ref());
    let filters = resolver.aggregates.values().filter_map(|aggregate| match aggregate.fact {
        Resolution::Done(Some(_)) => aggregate.text.filter.as_ref(),
        _ => None,
    });
    for expr in terms.chain(filters) {
        if is_judged(resolver, expr, &mut sizes) {
            found.extend(of_declaration(resolver, expr));
        }
    }
    let found: Vec<_> = found.iter().map(|finding| words::described(finding, resolver)).collect();
    found.into_iter().for_each(|described| described.add_to(resolver.problems));
}

/// Expressions with an error, and those that are too large, are not judged. `sizes` holds those of terms so far.
fn is_judged<'e>(resolver: &'e Resolver<'_>, expr: &'e Expr, sizes: &mut BTreeMap<&'e str, usize>) -> bool {
    resolver.expanded(expr, sizes) <= NODES_MAX && !resolver.problems.any_error_inside(expr.span)
}

/// Findings in a term or in the condition of an aggregate.
fn of_declaration(resolver: &Resolver<'_>, expr: &Expr) -> Vec<Finding> {
    let mut judge = Judge::new(Values::new(resolver, Params::Ranges, TERMS_OF_TERMS));
    judge.verdict(expr);
    if judge.found.is_empty() { at_current_values(resolver, expr, TERMS_OF_TERMS) } else { judge.found }
}

/// Findings in the condition of a rule: one that never holds is an error.
fn of_rule(resolver: &Resolver<'_>, rule: &CheckedRule<'_>, when: &Expr) -> Vec<Finding> {
    let mut judge = Judge::new(Values::new(resolver, Params::Ranges, DEPTH_MAX));
    let verdict = judge.verdict(when);
    let Judge { values, mut found } = judge;
    if verdict == Verdict::Never {
        // The parts that hold always are of no interest then.
        let part = found.into_iter().find(|finding| finding.verdict == Verdict::Never);
        let conflict = part.map(|part| part.conflict).or_else(|| never(&values, when, Facts::default()));
        return conflict.map(|conflict| Finding::of_rule(rule, conflict)).into_iter().collect();
    }
    if let Some(conflict) = never(&values, when, judged_types(rule)) {
        return vec![Finding::of_rule(rule, conflict)];
    }
    if found.is_empty() {
        found = at_current_values(resolver, when, DEPTH_MAX);
    }
    found
}

fn never(values: &Values<'_, '_>, expr: &Expr, facts: Facts) -> Option<Conflict> {
    values.assume(expr, true, facts).err().map(|conflict| *conflict)
}

/// What `event:` says.
fn judged_types(rule: &CheckedRule<'_>) -> Facts {
    let mut facts = Facts::default();
    let Some([first, rest @ ..]) = rule.text.event.as_deref() else { return facts };
    let place = rest.last().map_or(first.span, |last| first.span.to(last.span));
    let types = std::iter::once(first).chain(rest).map(|name| name.text.as_str());
    facts.known.words.insert("event.type".to_owned(), Words::only(types));
    facts.from.insert("event.type".to_owned(), place);
    facts
}

/// The types of events on which the condition of a rule can hold.
pub(super) fn event_types(resolver: &Resolver<'_>, rule: &CheckedRule<'_>) -> Vec<String> {
    let all = resolver.schema.event_types().values().iter().map(String::clone);
    let Some(when) = rule.text.when.as_ref() else { return Vec::new() };
    if resolver.expanded(when, &mut BTreeMap::new()) > NODES_MAX {
        return all.collect();
    }
    let values = Values::new(resolver, Params::Ranges, DEPTH_MAX);
    match values.assume(when, true, judged_types(rule)) {
        Err(_) => Vec::new(),
        Ok(facts) => match facts.known.words.get("event.type") {
            Some(words) => all.filter(|name| words.has(name)).collect(),
            None => all.collect(),
        },
    }
}

/// Parts that never hold with the values that parameters have now.
fn at_current_values(resolver: &Resolver<'_>, expr: &Expr, terms: usize) -> Vec<Finding> {
    let mut judge = Judge::new(Values::new(resolver, Params::Current, terms));
    judge.verdict(expr);
    judge.found.retain(|finding| finding.verdict == Verdict::Never);
    judge.found
}

struct Judge<'r, 'p> {
    values: Values<'r, 'p>,
    found: Vec<Finding>,
}

impl<'r, 'p> Judge<'r, 'p> {
    fn new(values: Values<'r, 'p>) -> Judge<'r, 'p> {
        Judge { values, found: Vec::new() }
    }

    /// Whether an expression can hold and fail; its smallest parts that cannot are noted.
    fn verdict(&mut self, expr: &Expr) -> Verdict {
        match &expr.kind {
            ExprKind::And(..) => self.group(expr, true),
            ExprKind::Or(..) => self.group(expr, false),
            ExprKind::Not(inner) => self.verdict(inner).opposite(),
            // A term is judged where it is declared.
            ExprKind::Name(_) => self.of_part(expr).map_or(Verdict::Either, |finding| finding.verdict),
            _ if is_constant(expr) => Verdict::Either,
            _ => match self.of_part(expr) {
                Some(finding) => {
                    let verdict = finding.verdict;
                    self.found.push(finding);
                    verdict
                }
                None => Verdict::Either,
            },
        }
    }

    /// Parts that `and` (true) or `or` joins.
    fn group(&mut self, expr: &Expr, and: bool) -> Verdict {
        let mut parts = Vec::new();
        joined_parts(expr, and, &mut parts);
        let verdicts: Vec<Verdict> = parts.into_iter().map(|part| self.verdict(part)).collect();
        let (decisive, neutral) =
            if and { (Verdict::Never, Verdict::Always) } else { (Verdict::Always, Verdict::Never) };
        if verdicts.contains(&decisive) {
            return decisive;
        }
        if verdicts.iter().all(|verdict| *verdict == neutral) {
            return neutral;
        }
        match self.of_part(expr) {
            Some(finding) if finding.verdict == decisive => {
                self.found.push(finding);
                decisive
            }
            _ => Verdict::Either,
        }
    }

    fn of_part(&self, expr: &Expr) -> Option<Finding> {
        let contradiction =
            |truth| self.values.assume(expr, truth, Facts::default()).err().map(|conflict| *conflict);
        let (conflict, verdict) = match contradiction(true) {
            Some(conflict) => (conflict, Verdict::Never),
            None => (contradiction(false)?, Verdict::Always),
        };
        let current =
            (self.values.params == Params::Current).then(|| self.values.reads_param(expr)).flatten();
        Some(Finding { verdict, part: expr.clone(), conflict, rule: None, current })
    }
}

fn joined_parts<'e>(expr: &'e Expr, and: bool, parts: &mut Vec<&'e Expr>) {
    match &expr.kind {
        ExprKind::And(a, b) if and => [a, b].into_iter().for_each(|side| joined_parts(side, and, parts)),
        ExprKind::Or(a, b) if !and => [a, b].into_iter().for_each(|side| joined_parts(side, and, parts)),
        _ => parts.push(expr),
    }
}
