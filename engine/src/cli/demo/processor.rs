//! The demo's processor: every key space in one process, with the history of the bank loaded.
//!
//! The in-process broker ends with the process, so nothing is ever restored from its log.

use crate::runtime::processor::Processor;
use crate::runtime::recovery::History;
use crate::runtime::report::Report;
use crate::runtime::source::Position;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tripline_core::batch::Batch;
use tripline_core::counts::Counts;
use tripline_core::outputs::Outputs;
use tripline_core::results::{Collect, EventResults};
use tripline_core::spaces::Spaces;

/// All key spaces behind one worker.
pub struct SpacesProcessor {
    spaces: Spaces,
    results: EventResults,
    judged: Arc<AtomicU64>,
    report: Arc<dyn Report>,
    /// Counts as they were reported; those of the history are not.
    reported: Counts,
}

impl SpacesProcessor {
    /// A processor with these key spaces; `judged` counts the records.
    pub fn new(spaces: Spaces, judged: Arc<AtomicU64>, report: Arc<dyn Report>) -> SpacesProcessor {
        let reported = spaces.counts();
        SpacesProcessor { spaces, results: EventResults::new(Collect::Nothing), judged, report, reported }
    }
}

impl Processor for SpacesProcessor {
    // The key spaces stay: records that are delivered again after a failed commit are duplicates of their own rows.
    type Shard = ();

    fn open(&mut self, _: &Position) {}

    fn restore(&mut self, (): &mut (), _: &Batch) {}

    fn fold_verdicts(&mut self, (): &mut (), _: &Batch) {}

    fn live(&mut self, (): &mut (), _: &History) {}

    fn step(&mut self, (): &mut (), batch: &Batch, out: &mut Outputs) {
        self.spaces.step(batch, out, &mut self.results);
        self.judged.fetch_add(batch.records.len() as u64, Ordering::Relaxed);
        let counts = self.spaces.counts();
        self.report.counts(&counts, &self.reported);
        self.reported = counts;
    }

    fn idle(&mut self, (): &mut ()) {}
}
