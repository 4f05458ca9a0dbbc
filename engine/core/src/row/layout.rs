//! How a row lies in memory: eight-byte words, in this order: time, hash of the id, packed bits, one word a kept value.
//!
//! Packed are the event's type, whether it is a follow-up, the account's currency where rows keep money in it, a known
//! bit for every kept field, one bit for every distinct condition of the pack, codes and yes/no values, and an amended
//! bit for every kept field. Only `row` knows positions, so a denser layout may replace this one.

use super::column::{
    AT, Bit, Column, Encoding, ID, PACKED, bits_for, encoding_of, packed_bit, packed_column,
};
use super::group_key::GroupKey;
use crate::batch::Timestamp;
use tripline_rules::aggregate::{AggregatePlan, TagId, Tags};
use tripline_rules::money::Currency;
use tripline_rules::schema::{ACCOUNT_CURRENCY, CurrencyOf, EVENT_TIME, EVENT_TYPE, Kind, Schema};
use tripline_rules::value::{Registers, Slot};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) slot: Slot,
    pub(super) column: Column,
    pub(super) amended: Bit,
}

/// What identifies an event, its time, and whether it follows up an earlier one.
pub(crate) struct Identity {
    pub(crate) at: Timestamp,
    pub(crate) event_type: u16,
    pub(crate) id: u64,
    pub(crate) is_follow_up: bool,
}

/// The positions of one schema's kept fields and one plan's conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(super) kept: Vec<Kept>,
    pub(super) event_type: Column,
    /// Set in the rows of follow-ups.
    follow_up: Bit,
    /// The account's currency, where rows keep money in it: the currency of all that money. In the first packed word.
    currency: Option<Column>,
    /// Whether the currency is a kept field as well.
    is_currency_kept: bool,
    tags_from: usize,
    tags: usize,
    width: usize,
}

impl Layout {
    /// The layout of a schema's rows with a plan's conditions.
    pub(crate) fn new(schema: &Schema, plan: &AggregatePlan) -> Layout {
        let mut free = 0;
        let event_type = packed_column(&mut free, bits_for(schema.event_types().values().len()));
        let follow_up = packed_bit(&mut free);
        let is_accounts = |slot: &Slot| schema.field(*slot).kind == Kind::Money(CurrencyOf::Account);
        let currency = schema.keep().iter().any(is_accounts).then(|| {
            let known = packed_bit(&mut free);
            Column { known, ..packed_column(&mut free, bits_for(Currency::COUNT)) }
        });
        let currency_of = |slot: Slot| currency.filter(|_| slot == ACCOUNT_CURRENCY);
        // What decides whether an aggregate counts a row comes first, so that it lies in as few words as possible.
        let known =
            |slot: &Slot| currency_of(*slot).map_or_else(|| packed_bit(&mut free), |column| column.known);
        let known: Vec<Bit> = schema.keep().iter().map(known).collect();
        let (tags_from, tags) = (free, plan.tags);
        free += tags;
        let column = |free: &mut usize, slot: Slot| match &schema.field(slot).kind {
            Kind::Bool => packed_column(free, 1),
            Kind::OneOf(codes) => packed_column(free, bits_for(codes.values().len())),
            other => Column::word(encoding_of(other)),
        };
        let kept = schema.keep().iter().zip(known).map(|(slot, known)| {
            let column = currency_of(*slot).unwrap_or_else(|| column(&mut free, *slot));
            Kept { slot: *slot, column: Column { known, ..column }, amended: packed_bit(&mut free) }
        });
        let mut kept: Vec<Kept> = kept.collect();
        let mut width = PACKED + free.div_ceil(64);
        for kept in kept.iter_mut().filter(|kept| kept.column.is_word()) {
            kept.column.word = width;
            width += 1;
        }
        let is_currency_kept = schema.keep().contains(&ACCOUNT_CURRENCY);
        Layout { kept, event_type, follow_up, currency, is_currency_kept, tags_from, tags, width }
    }

    /// Words of a row.
    #[inline]
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Where a field lies; `None` when rows do not keep it.
    pub(crate) fn column(&self, slot: Slot) -> Option<Column> {
        let time = Column { word: AT, shift: 0, mask: u64::MAX, known: Bit::NONE, encoding: Encoding::Whole };
        match slot {
            EVENT_TIME => Some(time),
            EVENT_TYPE => Some(self.event_type),
            _ => self.kept.iter().find(|kept| kept.slot == slot).map(|kept| kept.column),
        }
    }

    /// The account's currency where no kept field holds it.
    pub(super) fn unkept_currency(&self) -> Option<Column> {
        self.currency.filter(|_| !self.is_currency_kept)
    }

    /// Whether rows hold the account's currency, because they keep money in it.
    pub(crate) fn holds_currency(&self) -> bool {
        self.currency.is_some()
    }

    /// The number of the currency of a row's money in the account's currency.
    #[inline]
    pub(crate) fn currency_of(&self, row: &[u64]) -> Option<u64> {
        self.currency.and_then(|column| column.read(row))
    }

    /// Sets the currency of a row that has none; where it is a kept field, that is an amendment.
    pub(crate) fn set_currency(&self, row: &mut [u64], number: u64) {
        self.currency.iter().for_each(|column| column.write(row, Some(number)));
        let kept = self.kept.iter().filter(|kept| kept.slot == ACCOUNT_CURRENCY);
        kept.for_each(|kept| kept.amended.put(row, true));
    }

    /// The bits of a row's first packed word that hold its currency.
    pub(crate) fn currency_mask(&self) -> u64 {
        self.currency.map_or(0, |column| column.known.mask | column.mask << column.shift)
    }

    /// The same bits of a row in this currency, or of one without.
    #[inline]
    pub(crate) fn currency_bits(&self, number: Option<u64>) -> u64 {
        match (self.currency, number) {
            (Some(column), Some(number)) => column.known.mask | (number & column.mask) << column.shift,
            _ => 0,
        }
    }

    /// Set in the rows of follow-ups.
    pub(crate) fn follow_up(&self) -> Bit {
        self.follow_up
    }

    /// Whether a row is that of a follow-up.
    #[inline]
    pub(crate) fn is_follow_up(&self, row: &[u64]) -> bool {
        self.follow_up.is_set(row)
    }

    /// Writes a whole row.
    pub(crate) fn encode(&self, row: &mut [u64], own: &Identity, registers: &Registers, tags: Tags) {
        row.fill(0);
        row[AT] = own.at.0.cast_unsigned();
        row[ID] = own.id;
        self.event_type.fill(row, Some(u64::from(own.event_type) & self.event_type.mask));
        for kept in &self.kept {
            kept.column.fill(row, registers.get(kept.slot).and_then(|word| kept.column.to_row(word)));
        }
        if let Some(column) = self.unkept_currency() {
            column.fill(row, registers.get(ACCOUNT_CURRENCY).and_then(|word| column.to_row(word)));
        }
        self.follow_up.put(row, own.is_follow_up);
        self.set_tags(row, tags);
    }

    /// Sets the registers of the event's type and time and of every kept field.
    pub(crate) fn load(&self, row: &[u64], registers: &mut Registers) {
        registers.set(EVENT_TYPE, u64::from(self.event_type(row)));
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
        registers.set_number(EVENT_TIME, at(row).0 as f64);
        for kept in &self.kept {
            registers.put(kept.slot, kept.column.read(row).map(|held| kept.column.to_register(held)));
        }
        if let Some(column) = self.unkept_currency() {
            registers.put(ACCOUNT_CURRENCY, column.read(row));
        }
    }

    /// Whether rows keep a field, beside their type and time.
    pub(crate) fn keeps(&self, slot: Slot) -> bool {
        self.kept.iter().any(|kept| kept.slot == slot)
    }

    /// Replaces a kept field and marks it amended.
    pub(crate) fn amend(&self, row: &mut [u64], slot: Slot, word: Option<u64>) {
        for kept in self.kept.iter().filter(|kept| kept.slot == slot) {
            kept.column.write(row, word.and_then(|word| kept.column.to_row(word)));
            kept.amended.put(row, true);
        }
    }

    /// Whether an arriving row is the same event as a row of equal identity: equal in time and in every kept field,
    /// except fields that were amended since and fields that were inherited from another event. The currency differs
    /// only where both tell it.
    pub(crate) fn same_event(&self, held: &[u64], arriving: &[u64], inherited: &[Slot]) -> bool {
        let currencies = self.currency_of(held).zip(self.currency_of(arriving));
        at(held) == at(arriving)
            && currencies.is_none_or(|(held, arriving)| held == arriving)
            && self.kept.iter().all(|kept| {
                kept.column.read(held) == kept.column.read(arriving)
                    || kept.amended.is_set(held)
                    || inherited.contains(&kept.slot)
            })
    }

    /// Code of the event's type.
    #[inline]
    pub(crate) fn event_type(&self, row: &[u64]) -> u16 {
        u16::try_from(row[self.event_type.word] & self.event_type.mask).expect("codes are 16 bits")
    }

    /// The bit that says whether a condition holds.
    pub(crate) fn tag(&self, tag: TagId) -> Bit {
        Bit::at(self.tags_from + usize::from(tag.0))
    }

    /// Replaces the conditions.
    pub(crate) fn set_tags(&self, row: &mut [u64], tags: Tags) {
        for (word, tags) in tags.0.iter().enumerate().take(self.tags.div_ceil(64)) {
            let from = self.tags_from + 64 * word;
            let (first, shift) = (PACKED + from / 64, from % 64);
            let mask = low_bits((self.tags - 64 * word).min(64));
            row[first] = row[first] & !(mask << shift) | (tags & mask) << shift;
            let beyond = mask.checked_shr(64 - u32::try_from(shift).expect("below 64")).unwrap_or(0);
            if beyond != 0 {
                row[first + 1] = row[first + 1] & !beyond | (tags & mask) >> (64 - shift);
            }
        }
    }

    /// Which conditions hold.
    pub(crate) fn tags(&self, row: &[u64]) -> Tags {
        let mut tags = Tags::default();
        for (word, tags) in tags.0.iter_mut().enumerate().take(self.tags.div_ceil(64)) {
            let from = self.tags_from + 64 * word;
            let (first, shift) = (PACKED + from / 64, from % 64);
            let count = (self.tags - 64 * word).min(64);
            let beyond = if shift + count > 64 { row[first + 1] << (64 - shift) } else { 0 };
            *tags = (row[first] >> shift | beyond) & low_bits(count);
        }
        tags
    }

    /// Copies a row of another layout of the same schema, without its conditions.
    pub(crate) fn adopt(&self, row: &mut [u64], other: &Layout, theirs: &[u64]) {
        row.fill(0);
        row[AT] = theirs[AT];
        row[ID] = theirs[ID];
        self.event_type.write(row, Some(u64::from(other.event_type(theirs))));
        for (kept, old) in self.kept.iter().zip(&other.kept) {
            kept.column.write(row, old.column.read(theirs));
            kept.amended.put(row, old.amended.is_set(theirs));
        }
        if let Some(column) = self.unkept_currency() {
            column.write(row, other.currency_of(theirs));
        }
        self.follow_up.put(row, other.is_follow_up(theirs));
    }

    /// Equality in the given fields; `None` when rows lack one of them.
    pub(crate) fn group_key(&self, fields: &[Slot]) -> Option<GroupKey> {
        fields.iter().map(|slot| self.column(*slot)).collect::<Option<Vec<Column>>>().map(GroupKey::new)
    }
}

/// A row's event time.
#[inline]
pub(crate) fn at(row: &[u64]) -> Timestamp {
    Timestamp(row[AT].cast_signed())
}

/// Writes a row's event time.
#[inline]
pub(crate) fn set_at(row: &mut [u64], at: Timestamp) {
    row[AT] = at.0.cast_unsigned();
}

/// A row's id hash.
#[inline]
pub(crate) fn id(row: &[u64]) -> u64 {
    row[ID]
}

fn low_bits(count: usize) -> u64 {
    if count == 64 { u64::MAX } else { (1 << count) - 1 }
}
