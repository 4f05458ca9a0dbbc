//! Rules and lines of `decide` without effect.

use super::interval;
use crate::action::{Mode, Verb};
use crate::pack::Pack;
use crate::resolve::{CheckedRule, Resolver};
use std::collections::BTreeMap;

pub(super) fn check(resolver: &mut Resolver<'_>, packs: &[Pack], rules: &[CheckedRule<'_>]) {
    let decides =
        packs.iter().any(|pack| !pack.decide.is_empty() || pack.decide_lost || !pack.unread.is_empty());
    for rule in rules {
        let id = &rule.text.id;
        let acts = rule.text.action.as_ref().is_some_and(|action| action.verb != Verb::None);
        // An action or a score that cannot be read has been reported.
        if acts || resolver.problems.any_error_inside(rule.text.span) {
            continue;
        }
        if rule.text.score == 0 {
            resolver
                .problems
                .warning("W506", format!("rule {} has neither a score nor an action", id.text), id.span)
                .label("it fires without effect")
                .help("add `action:`, or `score:` for weak evidence");
        } else if !decides {
            resolver
                .problems
                .warning("W507", format!("the score of rule {} leads to no action", id.text), id.span)
                .label("a score, no action, and no `decide:`")
                .help("add `decide:` with the action for a total score, or give the rule an `action:`");
        }
    }
    hidden_lines(resolver, packs);
    // A rule or a score that could not be read may be the one that reaches a line.
    let all_read = packs.iter().all(|pack| pack.unread.is_empty());
    if all_read && !rules.iter().any(|rule| resolver.problems.any_error_inside(rule.text.span)) {
        unreached_lines(resolver, packs, rules);
    }
}

/// The first line whose score is reached applies: one with a score that is not below an earlier one never does.
fn hidden_lines(resolver: &mut Resolver<'_>, packs: &[Pack]) {
    let lines: Vec<_> = packs.iter().flat_map(|pack| &pack.decide).collect();
    for (at, line) in lines.iter().enumerate() {
        if let Some(earlier) = lines[..at].iter().find(|earlier| earlier.score <= line.score) {
            let message =
                format!("this line of `decide` never applies: an earlier one begins at {}", earlier.score);
            resolver
                .problems
                .warning("W505", message, line.span)
                .label(format!("score {}", line.score))
                .context(earlier.span, "applies first")
                .help("write the lines from the highest score to the lowest");
        }
    }
}

/// Lines above the highest total of one event: the sum of the positive scores of the rules that can fire on one type of
/// event in one key space. Rules in shadow count, because a pack is tried in shadow first.
fn unreached_lines(resolver: &mut Resolver<'_>, packs: &[Pack], rules: &[CheckedRule<'_>]) {
    let mut totals: BTreeMap<(usize, String), i32> = BTreeMap::new();
    for rule in rules.iter().filter(|rule| rule.mode() != Mode::Off && rule.text.score > 0) {
        for event_type in interval::event_types(resolver, rule) {
            *totals.entry((rule.space, event_type)).or_default() += rule.text.score;
        }
    }
    let Some((highest, event_type)) =
        totals.iter().map(|((_, event_type), total)| (*total, event_type)).max_by_key(|(total, _)| *total)
    else {
        return;
    };
    for line in packs.iter().flat_map(|pack| &pack.decide).filter(|line| line.score > highest) {
        resolver
            .problems
            .warning(
                "W508",
                format!(
                    "no score reaches this line of `decide`: the rules that can fire on one event have {highest} together"
                ),
                line.span,
            )
            .label(format!("score {}", line.score))
            .help(format!(
                "begin the line at {highest} or below, or raise scores; {highest} is the sum of all positive scores \
                 for `{event_type}`"
            ));
    }
}
