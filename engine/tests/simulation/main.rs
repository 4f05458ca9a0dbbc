//! The worker's loop and its processor, simulated: seeds draw what comes in and what goes wrong, on a model of the
//! broker's log, the disk and the clock, on one thread. The same seed gives the same life.
//!
//! What is promised, and compared with what an oracle apart says: see [`oracle`]. A thousand seeds are run, and then
//! each fault of [`plant`] must be found. `-- --from 17 --seeds 1` lives one seed again and `-- --seeds 100000`, or
//! `SEEDS=0..100000`, runs many; `-- --planted` shows the planted faults alone.

#![expect(clippy::unwrap_used, reason = "a test program: what cannot be unwrapped has failed")]

mod bank;
mod dice;
mod disk;
mod faulty;
mod installed;
mod kept;
mod memory;
mod mishaps;
mod oracle;
mod plant;
mod process;
mod world;

use faulty::Tally;
use installed::Installed;
use plant::PLANTS;
use std::ops::Range;
use std::time::Instant;
use world::live;

/// Seeds of a plain run.
const SEEDS: u64 = 1_000;
/// So many of the first seeds are lived twice: a seed must give the same life.
const REPEATED: u64 = 10;

/// How often each must happen in a thousand seeds, or the run shows nothing.
const NEEDED: [(&str, u64); 39] = [
    ("crash: as a shard goes live", 10),
    ("crash: at a poll", 100),
    ("crash: at a reload", 5),
    ("crash: at an abort", 5),
    ("crash: at an assignment", 5),
    ("crash: between a commit and its answer", 20),
    ("crash: between send and commit", 20),
    ("crash: between the last commit and the release", 1),
    ("crash: between two turns", 100),
    ("crash: while a shard is restored", 50),
    ("crash: while a snapshot is written", 20),
    ("crash: while outputs are sent", 50),
    ("fault: a snapshot rots", 100),
    ("fault: asked to stop", 100),
    ("fault: commit not yet possible", 100),
    ("fault: commit refused", 100),
    ("fault: disk cannot be reached", 100),
    ("fault: disk full", 100),
    ("fault: disk hangs", 100),
    ("fault: in doubt, arrives late", 50),
    ("fault: in doubt, committed", 50),
    ("fault: in doubt, never arrived", 50),
    ("fault: pack changed at a restart", 100),
    ("fault: process stands still", 100),
    ("fault: producer's queue full", 50),
    ("fault: replaced while it stands still", 50),
    ("fault: retention removes the log's head", 20),
    ("fault: session timed out", 100),
    ("fault: transaction timed out", 100),
    ("fault: a host's clock jumps", 100),
    ("fault: stopped between send and commit", 50),
    ("path: a look met a commit under way", 1_000),
    ("path: assignment lost", 50),
    ("path: filled from a snapshot and the log behind it", 50),
    ("path: filled from the end of the log", 50),
    ("path: filled from the log, the disk was away", 20),
    ("path: late end was fenced, or found nothing", 50),
    ("path: reload after an abort", 100),
    ("path: snapshot found damaged", 50),
];

fn main() {
    let asked = Asked::read();
    let installed = Installed::new();
    if !asked.planted_alone {
        healthy(&installed, &asked.seeds);
    }
    if asked.planted_alone || asked.is_plain {
        planted(&installed);
    }
}

/// Runs the seeds; none may fail.
fn healthy(installed: &Installed, seeds: &Range<u64>) {
    let began = Instant::now();
    let mut tally = Tally::new();
    let mut failed = 0;
    for seed in seeds.clone() {
        let outcome = live(installed, seed, None);
        if seed - seeds.start < REPEATED {
            let again = live(installed, seed, None);
            assert_eq!((&again.trace, &again.tally), (&outcome.trace, &outcome.tally), "seed {seed} twice");
        }
        outcome.tally.iter().for_each(|(what, count)| *tally.entry(what).or_default() += count);
        if let Some(fault) = outcome.fault {
            failed += 1;
            println!("seed {seed} FAILED: {fault}");
            outcome.trace.iter().for_each(|line| println!("  {line}"));
            println!("again: cargo test -p tripline --test simulation -- --from {seed} --seeds 1");
        }
        if failed >= 5 {
            break;
        }
    }
    let count = seeds.end - seeds.start;
    println!("{count} seeds from {} in {:.1} s", seeds.start, began.elapsed().as_secs_f64());
    tally.iter().for_each(|(what, count)| println!("{count:>9}  {what}"));
    assert!(failed == 0, "{failed} seeds failed");
    for (what, needed) in NEEDED.into_iter().filter(|_| count >= SEEDS) {
        let found = tally.get(what).copied().unwrap_or(0);
        assert!(found >= needed * count / SEEDS, "{what}: only {found} times in {count} seeds");
    }
}

struct Asked {
    seeds: Range<u64>,
    planted_alone: bool,
    /// Nothing was asked for.
    is_plain: bool,
}

impl Asked {
    /// `--seeds 100000 --from 1`, `--planted`, or `SEEDS=1..100001`.
    fn read() -> Asked {
        let arguments: Vec<String> = std::env::args().collect();
        let number = |name: &str| {
            let place = arguments.iter().position(|argument| argument == name)?;
            Some(arguments.get(place + 1)?.parse::<u64>().expect("a number"))
        };
        let given = std::env::var("SEEDS").ok().map(|text| {
            let (from, to) = text.split_once("..").expect("SEEDS=from..to");
            from.parse().expect("a number")..to.parse().expect("a number")
        });
        let from = number("--from").unwrap_or(0);
        let count = number("--seeds");
        let counted = from..from + count.unwrap_or(SEEDS);
        let seeds = if count.is_some() { counted } else { given.unwrap_or(counted) };
        let planted_alone = arguments.iter().any(|argument| argument == "--planted");
        let is_plain = seeds == (0..SEEDS) && !planted_alone;
        Asked { seeds, planted_alone, is_plain }
    }
}

/// Runs seeds with each planted fault until it is found.
fn planted(installed: &Installed) {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for (name, plant, within) in PLANTS {
        let began = Instant::now();
        let found = (0..within).find_map(|seed| Some((seed, live(installed, seed, Some(plant)).fault?)));
        match found {
            Some((seed, fault)) => {
                let line = fault.lines().next().unwrap_or_default();
                let seconds = began.elapsed().as_secs_f64();
                println!("planted: {name}: found by seed {seed} ({seconds:.1} s): {line:.120}");
            }
            None => missed.push(name),
        }
    }
    std::panic::set_hook(hook);
    assert!(missed.is_empty(), "not found: {missed:?}");
}
