//! Records and events that the stages are fed with.

use std::sync::Arc;
use tripline::config::Config;
use tripline_benches::load;
use tripline_benches::records::{BATCH_RECORDS, Records};
use tripline_core::batch::Batch;
use tripline_core::decode::{DecodePlan, Decoder};
use tripline_core::event::Event;
use tripline_core::ledger::LedgerLimits;

/// The load pack's installation, and a feed for it.
pub(crate) struct Feed {
    pub(crate) config: Config,
    pub(crate) decoder: Decoder,
    pub(crate) records: Records,
}

impl Feed {
    /// A feed of a bank with so many accounts.
    pub(crate) fn new(accounts: u32) -> Feed {
        let config = load::config();
        let mut wanted = config.ruleset.field_slots();
        wanted.extend(config.schema.keep());
        let texts = config.ruleset.text_slots();
        wanted.extend(&texts);
        let plan = DecodePlan::compile(&config.mapping, &config.schema, &wanted, &texts, config.key)
            .expect("the mapping was accepted with the configuration");
        let decoder = Decoder::new(Arc::new(plan));
        Feed { config, decoder, records: Records::new(accounts) }
    }

    /// The bounds and lifetimes that the engine gives its ledgers.
    pub(crate) fn limits(&self) -> LedgerLimits {
        let settings = self.config.settings();
        LedgerLimits {
            rows_per_ledger: settings.rows_per_ledger,
            keys: settings.keys_per_shard,
            bytes: settings.bytes_per_shard,
            totals_threshold: settings.totals_threshold,
            retention: settings.row_lifetime_ms(&self.config.ruleset),
            lateness: settings.lateness_ms,
        }
    }

    /// The next records, in batches as workers take them.
    pub(crate) fn batches(&mut self, count: usize) -> Vec<Batch> {
        self.records.batches(count, BATCH_RECORDS)
    }

    /// The next events.
    pub(crate) fn events(&mut self, count: usize) -> Vec<Event> {
        let mut events = Vec::with_capacity(count);
        for batch in self.batches(count) {
            events.extend(batch.records.iter().map(|record| {
                let mut event = Event::new(self.config.ruleset.registers());
                self.decoder
                    .decode(batch.value(record), record.offset, &mut event)
                    .expect("the simulator's records are whole");
                event
            }));
        }
        events
    }
}
