//! Another installation on the shard of a key space.

use super::Shard;
use crate::installation::Installation;
use std::sync::Arc;
use tripline_rules::value::Registers;

impl Shard {
    /// Takes over another installation of the same schema: rows, histograms and decision state stay.
    pub(crate) fn install(&mut self, new: &Arc<Installation>) {
        let (schema, ruleset) = (new.schema(), new.ruleset());
        let program = Arc::clone(&ruleset.programs()[self.number]);
        let plan = program.plan();
        let limits = new.ledger_limits();
        let is_longer = limits.retention > self.ledgers.retention();
        let mut registers = Registers::new(ruleset.registers());
        self.ledgers.install(plan, schema, limits, &mut registers, |row| program.tags(row));
        self.populations.install(plan, schema, ruleset.hash(), self.watermark, |count| {
            self.ledgers.for_each_row(&mut registers, |row| {
                count(row.at, row.registers, &row.tags, row.is_follow_up);
            });
        });
        if let Some(held_from) = self.held_from.as_mut().filter(|_| is_longer) {
            *held_from = (*held_from).max(self.ledgers.retained_after());
        }
        // Kept fields are the same by name; their slots are positions in the schema.
        self.keep = super::inheritable(schema);
        self.facts = *new.facts(self.number);
        self.scratch = registers;
        self.program = program;
        self.installation = Arc::clone(new);
    }
}
