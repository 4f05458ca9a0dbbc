//! Runs cases, each in a copy of its folder, several at once.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::case::{Compared, Way};
use crate::command;
use crate::expect;
use crate::find::Found;
use crate::text::short;

/// The cases that fail, in their order, and why.
pub fn all<'a>(program: &Path, cases: &'a [Found]) -> Vec<(&'a Found, String)> {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = one(program, &case.folder, case.case.ways()) {
                        failures.lock().unwrap().push((case, why));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    failures
}

/// One of the ways must hold in full.
pub fn one(program: &Path, folder: &Path, ways: &[Way]) -> Result<(), String> {
    let mut problems = Vec::new();
    for way in ways {
        match way_holds(program, folder, way) {
            Ok(()) => return Ok(()),
            Err(problem) if way.way.is_empty() => problems.push(problem),
            Err(problem) => problems.push(format!("({}) {problem}", way.way)),
        }
    }
    Err(problems.join("; or "))
}

fn way_holds(program: &Path, folder: &Path, way: &Way) -> Result<(), String> {
    let top = tempfile::tempdir().unwrap();
    let copied = top.path().join("case");
    copy(folder, &copied);
    // Outcomes are taken right after their step: a later step may write the same files.
    let mut outcomes: Vec<(usize, usize, Vec<String>)> = Vec::new();
    for (number, step) in (1..).zip(&way.steps) {
        let in_step = |problem: String| {
            if way.steps.len() > 1 { format!("step {number}: {problem}") } else { problem }
        };
        let ended = command::execute(program, step, &copied).map_err(in_step)?;
        expect::check(step, &ended).map_err(in_step)?;
        for (index, comparison) in way.compare.iter().enumerate() {
            if comparison.steps.contains(&number) {
                outcomes.push((index, number, ended.outcome(comparison.what).map_err(in_step)?));
            }
        }
    }
    for (index, comparison) in way.compare.iter().enumerate() {
        let of =
            |step: usize| &outcomes.iter().find(|(of, number, _)| (*of, *number) == (index, step)).unwrap().2;
        compare(comparison.what, comparison.steps.map(of), comparison.equal)?;
    }
    Ok(())
}

fn compare(what: Compared, [first, second]: [&Vec<String>; 2], equal: bool) -> Result<(), String> {
    if (first == second) == equal {
        return Ok(());
    }
    let wrong = if equal { "differ" } else { "are equal" };
    Err(format!("{what:?} {wrong}: {} and {}", short(&first.join("; ")), short(&second.join("; "))))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).map(drop).unwrap()
        }
    }
}
