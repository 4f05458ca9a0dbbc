//! How long each stage of a step takes: `cargo bench -p tripline-benches`, or one with `-- decode`. All run the load
//! pack over the simulator's records. Ledgers are small and accounts few, so cache misses do not count; `memory` and
//! the harness measure them.

mod decode;
mod feed;
mod ledger;
mod profile;
mod rules;
mod step;

use criterion::Criterion;
use std::time::Duration;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4))
        .sample_size(20)
        .configure_from_args();
    decode::bench(&mut criterion);
    ledger::bench(&mut criterion);
    rules::bench(&mut criterion);
    profile::bench(&mut criterion);
    step::bench(&mut criterion);
    criterion.final_summary();
}
