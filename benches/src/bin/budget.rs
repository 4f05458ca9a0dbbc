//! The numbers of `benches/budgets`. None is a time, so every run gives the same.
//!
//! `record` writes simulated records, `hot` those of one account in an order; `step FILE N` processes the first N of a
//! file (callgrind counts the instructions); `allocations FILE` counts allocations of events that fire nothing; `bytes`
//! reads records from standard input, so that the simulation is another process, and counts the bytes of the accounts.

use clap::{Parser, Subcommand};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use tripline_benches::hot::{self, Order};
use tripline_benches::{cost, load, records};
use tripline_core::account_shard::AccountShard;
use tripline_core::batch::{Batch, Timestamp};
use tripline_core::outputs::Outputs;
use tripline_core::signals::NoSignals;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Measures the values of the budgets.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Write the records of a simulated bank to standard output, one a line with its time.
    Record { events: usize, accounts: u32 },
    /// Write the records of one account in an order to standard output, likewise.
    Hot { order: Order, events: usize },
    /// Process the first records of a file.
    Step { file: PathBuf, events: usize },
    /// Count allocations of steady events.
    Allocations { file: PathBuf, warm_up: usize },
    /// Count the bytes of this many accounts, whose records are read from standard input.
    Bytes { accounts: u32 },
}

fn main() -> Result<(), Box<dyn Error>> {
    match Arguments::parse().what {
        What::Record { events, accounts } => record(events, accounts),
        What::Hot { order, events } => write(hot::records(order, events)),
        What::Step { file, events } => step(&file, events),
        What::Allocations { file, warm_up } => allocations(&file, warm_up),
        What::Bytes { accounts } => bytes(accounts),
    }
}

fn engine() -> AccountShard {
    let config = load::config();
    let settings = config.settings().clone();
    load::engine(&config, settings)
}

fn record(events: usize, accounts: u32) -> Result<(), Box<dyn Error>> {
    let mut feed = records::Records::new(accounts);
    let mut into = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    let mut batch = records::empty();
    for _ in 0..events {
        feed.fill(&mut batch, 1, Timestamp(i64::MAX / 4));
        for record in &batch.records {
            write!(into, "{} ", record.appended_at.map_or(0, |at| at.0))?;
            into.write_all(batch.value(record))?;
            into.write_all(b"\n")?;
        }
    }
    Ok(into.flush()?)
}

fn write(records: impl Iterator<Item = (Timestamp, String)>) -> Result<(), Box<dyn Error>> {
    let mut into = BufWriter::new(io::stdout().lock());
    for (appended_at, value) in records {
        writeln!(into, "{} {value}", appended_at.0)?;
    }
    Ok(into.flush()?)
}

/// Adds a line of [`record`] or [`write()`] to a batch.
fn push(batch: &mut Batch, offset: i64, line: &[u8]) -> Result<(), Box<dyn Error>> {
    let blank = line.iter().position(|byte| *byte == b' ').ok_or("a line is a time and a record")?;
    let at = Timestamp(std::str::from_utf8(&line[..blank])?.parse()?);
    batch.push(offset, Some(at), b"", line[blank + 1..].trim_ascii_end());
    Ok(())
}

/// All records of a file, in batches of `most`.
fn read(file: &Path, most: usize) -> Result<Vec<Batch>, Box<dyn Error>> {
    let mut batches = vec![records::empty()];
    for (offset, line) in (0i64..).zip(BufReader::new(File::open(file)?).split(b'\n')) {
        if batches.last().is_some_and(|batch| batch.records.len() == most) {
            batches.push(records::empty());
        }
        push(batches.last_mut().ok_or("there is a first batch")?, offset, &line?)?;
    }
    Ok(batches)
}

/// Reads all records whatever `events` is, so that two runs differ in the processed events only.
fn step(file: &Path, events: usize) -> Result<(), Box<dyn Error>> {
    let batches = read(file, records::BATCH_RECORDS)?;
    let mut engine = engine();
    let mut out = Outputs::default();
    for batch in &batches[..events / records::BATCH_RECORDS] {
        engine.step(batch, &NoSignals, &mut out);
        out.clear();
    }
    println!("{}", engine.counts().records);
    Ok(())
}

/// Steps record by record after the warm-up. An event is steady when it produced no output and the ledgers' counted
/// bytes did not change. Allocations of steps that grew the ledgers are counted separately.
fn allocations(file: &Path, warm_up: usize) -> Result<(), Box<dyn Error>> {
    let batches = read(file, 1)?;
    let mut engine = engine();
    let mut out = Outputs::default();
    let (mut steady, mut while_steady, mut growing, mut while_growing) = (0u64, 0, 0u64, 0);
    for (number, batch) in batches.iter().enumerate() {
        let held = engine.shard().ledgers().counted_bytes();
        let before = ALLOCATOR.stats();
        engine.step(batch, &NoSignals, &mut out);
        let after = ALLOCATOR.stats();
        let taken = after.allocations + after.reallocations - before.allocations - before.reallocations;
        let grew = engine.shard().ledgers().counted_bytes() != held;
        if number >= warm_up && out.records.is_empty() {
            let (events, allocations) =
                if grew { (&mut growing, &mut while_growing) } else { (&mut steady, &mut while_steady) };
            *events += 1;
            *allocations += taken;
        }
        out.clear();
    }
    println!("steady_events {steady}");
    println!("allocations_of_steady_events {while_steady}");
    println!("events_that_grew_the_ledgers {growing}");
    println!("allocations_of_growing_ledgers {while_growing}");
    Ok(())
}

/// Bytes per account after all records of standard input.
#[expect(clippy::cast_precision_loss, reason = "bytes of a machine are below 2^53")]
fn bytes(accounts: u32) -> Result<(), Box<dyn Error>> {
    let began = cost::rss_bytes();
    let mut engine = engine();
    let mut out = Outputs::default();
    let (mut batch, mut line) = (records::empty(), Vec::new());
    let mut input = BufReader::with_capacity(1 << 20, io::stdin().lock());
    for offset in 0.. {
        line.clear();
        let ended = input.read_until(b'\n', &mut line)? == 0;
        if !ended {
            push(&mut batch, offset, &line)?;
        }
        if ended || batch.records.len() == records::BATCH_RECORDS {
            engine.step(&batch, &NoSignals, &mut out);
            out.clear();
            batch.clear();
        }
        if ended {
            break;
        }
    }
    let ledgers = engine.shard().ledgers();
    println!("accounts_with_rows {}", ledgers.keys());
    println!("rows {}", ledgers.rows_held());
    let each = |bytes: u64| bytes as f64 / f64::from(accounts);
    let counted = ledgers.counted_bytes();
    println!("counted_bytes_per_account {:.1}", counted as f64 / f64::from(accounts));
    println!("counted_bytes_per_account_with_rows {:.1}", counted as f64 / ledgers.keys() as f64);
    println!("resident_bytes_per_account {:.1}", each(cost::rss_bytes().saturating_sub(began)));
    Ok(())
}
