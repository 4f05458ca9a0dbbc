//! Saving and loading labels that are not known yet.

use super::{Due, PendingLabels};
use crate::snapshot::SnapshotError;
use crate::snapshot::bytes::{Reader, put_key, put_maybe, put_number, put_signed, put_text, put_word};
use crate::snapshot::chunk::ChunkWriter;
use std::cmp::Reverse;
use tripline_rules::money::Currency;

impl PendingLabels {
    /// Writes all; gives back how many there have been ever.
    pub(crate) fn save(&self, writer: &mut ChunkWriter) -> u64 {
        for Reverse(due) in &self.heap {
            writer.put(|out| {
                put_signed(out, due.at.0);
                put_number(out, due.number);
                put_number(out, u64::from(due.outcome));
                put_word(out, due.id);
                put_number(out, u64::from(due.event_type));
                put_word(out, due.reference);
                put_key(out, due.account);
                put_text(out, &due.id_text);
                put_text(out, &due.account_text);
                put_maybe(out, due.account_word);
                due.currencies.into_iter().for_each(|currency| put_maybe(out, currency));
            });
        }
        self.number
    }

    /// Begins to load: how many there have been ever.
    pub(crate) fn begin_load(&mut self, number: u64) -> Result<(), SnapshotError> {
        if number > u64::MAX / 2 {
            return Err(SnapshotError::malformed("too many labels"));
        }
        self.number = number;
        Ok(())
    }

    /// Loads the next label; `types` and `outcomes` are the numbers of the schema's event types and outcomes.
    pub(crate) fn load(
        &mut self,
        (types, outcomes): (usize, usize),
        from: &mut Reader<'_>,
    ) -> Result<(), SnapshotError> {
        let due = Due {
            at: from.time()?,
            number: from.number()?,
            outcome: from.small()?,
            id: from.word()?,
            event_type: from.small()?,
            reference: from.word()?,
            account: from.key()?,
            id_text: from.text()?.to_owned(),
            account_text: from.text()?.to_owned(),
            account_word: from.maybe()?,
            currencies: [from.maybe()?, from.maybe()?],
        };
        let has_currencies =
            due.currencies.iter().flatten().all(|number| Currency::by_number(*number).is_some());
        let has_codes = usize::from(due.event_type) < types && usize::from(due.outcome) < outcomes;
        if !has_codes || !has_currencies || due.number > self.number {
            return Err(SnapshotError::malformed(
                "a label with an unknown type, outcome, currency or number",
            ));
        }
        self.heap.push(Reverse(due));
        Ok(())
    }

    /// Labels that are not known yet.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }
}
