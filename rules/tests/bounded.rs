//! Files that are expensive for their length: the memory that compiling takes is bounded by the length of the file.
//!
//! The test counts allocated bytes, so it does not depend on the machine. It is a target of its own, because all
//! allocations of the process count.

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::File;
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::Schema;
use tripline_rules::value::TextKey;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SCHEMA: &str = include_str!("golden/schema.yaml");
/// What a small pack takes: the built-in fields, names and codes.
const BYTES_OF_SMALL: usize = 100_000;
/// What a byte of a file may take at most: a problem with its texts for every few bytes.
const BYTES_PER_BYTE: usize = 2_000;

/// Allocated bytes, however often they were given back, until a pack is compiled; and the codes of its problems.
fn allocated(pack: &str) -> (usize, Vec<&'static str>) {
    let (schema, _) = Schema::load(&File::new("schema.yaml", SCHEMA));
    let schema = schema.expect("the schema has no errors");
    let list = |_: &str| Ok("code\nx\n".to_owned());
    let options =
        CompileOptions { key: TextKey::default(), models: &[], retention: None, lookback: 0, list: &list };
    let region = Region::new(ALLOCATOR);
    let (ruleset, problems) = Ruleset::compile(&[File::new("pack.yaml", pack)], &schema, &options);
    let change = region.change();
    assert_eq!(ruleset.is_none(), problems.errors() > 0, "{}", problems.summary());
    let codes = problems.list().iter().map(|problem| problem.code.0).collect();
    (change.bytes_allocated + change.bytes_reallocated.unsigned_abs(), codes)
}

/// A file, made longer by a number.
type Made = fn(usize) -> String;

/// Files of two sizes, one twice the other, and the largest factor between the memory that they take, in halves. The
/// names that a term reads are collected down to fields: a chain takes as many steps as it has pairs.
const FILES: [(&str, usize, usize, Made); 10] = [
    ("brackets", 50_000, 5, |count| "[".repeat(count)),
    ("mappings", 5_000, 5, |count| format!("version: {}", "{a: ".repeat(count))),
    ("rules", 2_500, 5, |count| format!("version: 1\nrules:\n{}", "- {id: R, when: x}\n".repeat(count))),
    ("repeated keys", 5_000, 5, |count| format!("version: 1\n{}", "x: 1\n".repeat(count))),
    ("a long condition", 900, 5, |count| one_rule(&vec!["tx.declined"; count].join(" or "))),
    ("nested brackets", 25_000, 5, |count| one_rule(&"(".repeat(count))),
    ("a chain of terms", 100, 9, |count| terms(count, |at| format!("t{} or tx.declined", at - 1))),
    ("terms that name another twice", 7, 5, |count| terms(count, |at| format!("t{0} and t{0}", at - 1))),
    ("terms that name another often", 7, 5, |count| {
        terms(count, |at| vec![format!("t{}", at - 1); 100].join(" and "))
    }),
    ("terms in a ring", 7, 5, |count| {
        terms(count, |at| format!("t{0} and t{0}", at - 1))
            .replace("t0: tx.declined", &format!("t0: t{count}"))
    }),
];

fn one_rule(when: &str) -> String {
    format!("version: 1\nrules: [{{id: R, when: {when}, reason: r}}]\n")
}

/// So many terms, each made of the one before, and a rule that reads the last.
fn terms(count: usize, of: impl Fn(usize) -> String) -> String {
    let written: String = (1..=count).map(|at| format!("  t{at}: {}\n", of(at))).collect();
    let rule = format!("rules: [{{id: R, when: t{count}, reason: r}}]");
    format!("version: 1\nterms:\n  t0: tx.declined\n{written}{rule}\n")
}

#[test]
fn deep_and_wide_files_are_bounded() {
    let mut beyond = Vec::new();
    for (name, count, halves, made) in FILES {
        let (once, twice) = (made(count), made(2 * count));
        let ((bytes, _), (bytes_twice, codes)) = (allocated(&once), allocated(&twice));
        println!(
            "{name}: {} bytes take {bytes}, {} take {bytes_twice}; {} problems, {:?} first",
            once.len(),
            twice.len(),
            codes.len(),
            codes.first()
        );
        assert!(!codes.is_empty(), "{name}: the file has no problem");
        let too_many = bytes_twice > BYTES_OF_SMALL + BYTES_PER_BYTE * twice.len();
        let grows_faster = bytes_twice > BYTES_OF_SMALL + halves * bytes / 2;
        beyond.extend((too_many || grows_faster).then_some(name));
    }
    assert!(beyond.is_empty(), "take more than their length allows: {beyond:?}");
}
