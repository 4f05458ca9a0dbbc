//! What a pack may cost: beyond its bounds it is refused before it runs.

use crate::bank::compiled;
use std::fmt::Write;
use tripline_rules::aggregate::WINDOWS_MAX;
use tripline_rules::pack::{DEPTH_MAX, NODES_MAX, RULES_MAX};

/// Its errors; none when it compiles.
fn errors(pack: &str) -> String {
    compiled(&format!("version: 1\npack: p\nowner: o@bank.example\n{pack}")).1.err().unwrap_or_default()
}

fn rule(id: usize, when: &str) -> String {
    format!("  - {{id: R{id}, title: t, score: 1, severity: low, reason: r, when: '{when}'}}\n")
}

#[test]
fn five_hundred_rules_compile_and_one_more_does_not() {
    assert_eq!(RULES_MAX, 500);
    let rules = |count| {
        format!("rules:\n{}", (0..count).map(|id| rule(id, &format!("tx.amount > {id}"))).collect::<String>())
    };
    assert_eq!(errors(&rules(RULES_MAX)), "");
    let reported = errors(&rules(RULES_MAX + 1));
    assert!(
        reported.contains("S007")
            && reported.contains("at most 500 rules")
            && reported.contains("pack.yaml:"),
        "{reported:.400}"
    );
}

#[test]
fn a_condition_has_five_hundred_parts() {
    assert_eq!(NODES_MAX, 500);
    // Many terms of 40 parts each; how many parts a term's use counts is the linter's business, the bound is ours.
    let sum = |parts: usize| (0..parts).map(|part| format!("{part}.5")).collect::<Vec<_>>().join(" + ");
    let pack = |parts: usize| format!("rules:\n{}", rule(1, &format!("tx.amount > {}", wide(parts, &sum))));
    assert_eq!(errors(&pack(100)), "");
    let reported = errors(&pack(NODES_MAX + 1));
    assert!(reported.contains("E105"), "{reported:.400}");
}

/// So many summands, in brackets by tens and hundreds, so that it is wide and not deep.
fn wide(parts: usize, sum: &dyn Fn(usize) -> String) -> String {
    let groups = |count: usize, inner: String| {
        (0..count).map(|_| format!("({inner})")).collect::<Vec<_>>().join(" + ")
    };
    groups(parts.div_ceil(100), groups(10, sum(10)))
}

#[test]
fn a_condition_is_sixteen_levels_deep() {
    assert_eq!(DEPTH_MAX, 16);
    let nested = |levels: usize| {
        format!(
            "rules:\n{}",
            rule(1, &format!("{}tx.amount{} > 1", "abs(".repeat(levels), ")".repeat(levels)))
        )
    };
    assert_eq!(errors(&nested(DEPTH_MAX - 2)), "");
    let reported = errors(&nested(DEPTH_MAX + 1));
    assert!(reported.contains("E104") && reported.contains("16 levels deep"), "{reported:.400}");
    assert!(errors(&nested(3_000)).contains("E10"), "and no stack is long enough to be trusted");
}

#[test]
fn a_key_space_looks_back_over_sixty_four_windows() {
    assert_eq!(WINDOWS_MAX, 64);
    let windows = |count: usize| {
        let mut pack = "aggregates:\n".to_owned();
        for window in 1..=count {
            // Two aggregates a window: windows count, not aggregates.
            writeln!(pack, "  n{window}: {{count: events, by: account, over: {window}m}}").expect("memory");
            writeln!(pack, "  s{window}: {{sum: tx.amount, by: account, over: {window}m}}").expect("memory");
        }
        let names: Vec<String> =
            (1..=count).flat_map(|window| [format!("n{window}"), format!("s{window}")]).collect();
        pack + &format!(
            "features: {{{}}}\n",
            names.iter().map(|name| format!("f_{name}: {name}")).collect::<Vec<_>>().join(", ")
        )
    };
    assert_eq!(errors(&windows(WINDOWS_MAX)), "");
    let reported = errors(&windows(WINDOWS_MAX + 1));
    assert!(
        reported.contains("S007") && reported.contains("at most 64 different windows"),
        "{reported:.400}"
    );
}

#[test]
fn a_pattern_is_linear_and_has_a_size() {
    let pattern =
        |pattern: &str| format!("rules:\n{}", rule(1, &format!("matches(merchant.name, \"{pattern}\")")));
    assert_eq!(errors(&pattern("^(a+)+$")), "", "linear whatever it looks like");
    assert!(errors(&pattern("(((a{1,1000}){1,1000}){1,1000})")).contains("bytes"));
    assert!(!errors(&pattern(r"(a)\1")).is_empty(), "no back references");
    assert!(!errors(&pattern(&"(".repeat(500))).is_empty());
}
