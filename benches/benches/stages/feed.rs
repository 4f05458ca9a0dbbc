//! Records and events as input of the stages.

use std::sync::Arc;
use tripline::config::Config;
use tripline_benches::load;
use tripline_benches::records::{BATCH_RECORDS, Records};
use tripline_core::batch::Batch;
use tripline_core::decode::Decoder;
use tripline_core::event::Event;
use tripline_core::ledger::LedgerLimits;

/// The load pack's installation, and a feed for it.
pub(crate) struct Feed {
    pub(crate) config: Config,
    pub(crate) decoder: Decoder,
    pub(crate) records: Records,
}

impl Feed {
    /// A feed of a bank with this many accounts.
    pub(crate) fn new(accounts: u32) -> Feed {
        let config = load::config();
        let decoder = Decoder::new(Arc::clone(config.installation.decode()));
        Feed { config, decoder, records: Records::new(accounts) }
    }

    /// The limits of the engine's ledgers.
    pub(crate) fn limits(&self) -> LedgerLimits {
        self.config.installation.ledger_limits()
    }

    /// The next records, in batches like a worker's.
    pub(crate) fn batches(&mut self, count: usize) -> Vec<Batch> {
        self.records.batches(count, BATCH_RECORDS)
    }

    /// The next events.
    pub(crate) fn events(&mut self, count: usize) -> Vec<Event> {
        let mut events = Vec::with_capacity(count);
        for batch in self.batches(count) {
            events.extend(batch.records.iter().map(|record| {
                let mut event = Event::new(self.config.ruleset().registers());
                self.decoder
                    .decode(batch.value(record), batch.source(record), &mut event)
                    .expect("the simulator's records are whole");
                event
            }));
        }
        events
    }
}
