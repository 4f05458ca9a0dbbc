//! Small inputs with their right answers: `<area>/<name>/` holds a configuration, an input and `case.json`, which says
//! what commands to run and what they must give. README.md of this folder describes the format.
//!
//! `TRIPLINE_CASES="money clock/quiet-month"` runs these areas and cases alone.

#![expect(clippy::unwrap_used, reason = "test code: what cannot be unwrapped has failed")]

mod case;
mod command;
mod expect;
mod find;
mod report;
mod run;
mod self_checks;
mod text;
mod want;

use std::env;
use std::path::Path;

use crate::find::Found;

#[test]
fn every_case_gives_its_right_answer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let chosen = env::var("TRIPLINE_CASES").unwrap_or_default();
    let chosen: Vec<&str> = chosen.split_whitespace().map(|name| name.trim_end_matches('/')).collect();
    let cases = find::cases(&root, &chosen).unwrap_or_else(|problems| panic!("{problems}"));
    let failures = run::all(Path::new(env!("CARGO_BIN_EXE_tripline")), &cases);
    let line = |(Found { name, case, .. }, why): &(&Found, String)| match case.guard {
        true => format!("{name} (was right from the beginning): {why}"),
        false => format!("{name}: {why}"),
    };
    let lines: Vec<String> = failures.iter().map(line).collect();
    println!("{} cases, {} fail", cases.len(), lines.len());
    assert!(lines.is_empty(), "{} of {} cases fail:\n  {}", lines.len(), cases.len(), lines.join("\n  "));
}
