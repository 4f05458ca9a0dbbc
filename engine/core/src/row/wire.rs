//! How a row is written into a snapshot: what the event said, independent of the layout in memory and of any pack's
//! conditions.
//!
//! Id, type with four flags, a known bit for every kept field, an amended bit for each if any is set, then the known
//! values in the schema's order: codes and whole numbers short, hashes and locations as words. The layout may change
//! without the form.

use super::column::ID;
use super::layout::{Kept, Layout};
use crate::limits::{MONEY_MINOR_MAX, TIME_MS_MAX, TIME_MS_MIN};
use crate::number::MILLIONTHS_MAX;
use crate::snapshot::SnapshotError;
use crate::snapshot::bytes::{Reader, put_number, put_signed, put_word};
use tripline_rules::money::Currency;
use tripline_rules::schema::{Kind, Schema};
use tripline_rules::value::MONEY_MINOR_MAX_EXACT;

/// Flags beside the event's type.
const HAS_AMENDED: u64 = 1;
const HAS_CURRENCY: u64 = 2;
const IS_FOLLOW_UP: u64 = 4;
const HAS_AMENDS: u64 = 8;
const FLAGS: u32 = 4;

/// How the value of a kept field is written.
#[derive(Clone, Copy, Debug)]
enum Written {
    /// A code below so many.
    Code(u64),
    /// A whole number within a magnitude.
    Whole(i64, i64),
    /// Eight bytes.
    Word,
}

/// How the rows of a schema are written and what bounds their values.
#[derive(Clone, Debug)]
pub(crate) struct RowForm {
    event_types: u64,
    fields: Vec<Written>,
}

impl RowForm {
    pub(crate) fn new(schema: &Schema) -> RowForm {
        let written = |kind: &Kind| match kind {
            Kind::Bool => Written::Code(2),
            Kind::OneOf(codes) => Written::Code(codes.values().len() as u64),
            Kind::Text | Kind::Geo => Written::Word,
            Kind::Money(_) => {
                let most = i64::try_from(MONEY_MINOR_MAX).expect("a thousand billion");
                Written::Whole(-most, most)
            }
            Kind::Number => Written::Whole(-MILLIONTHS_MAX, MILLIONTHS_MAX),
            Kind::Time => Written::Whole(TIME_MS_MIN, TIME_MS_MAX),
            Kind::Duration => Written::Whole(-MONEY_MINOR_MAX_EXACT, MONEY_MINOR_MAX_EXACT),
        };
        RowForm {
            event_types: schema.event_types().values().len() as u64,
            fields: schema.keep().iter().map(|slot| written(&schema.field(*slot).kind)).collect(),
        }
    }

    /// The shortest row.
    pub(crate) fn row_bytes_min(&self) -> usize {
        size_of::<u64>() + 1 + self.fields.len().div_ceil(8)
    }
}

impl Layout {
    /// Writes a row, its time aside. `amends`: the id of the event whose row its event amends, while that matters.
    pub(crate) fn write(&self, form: &RowForm, row: &[u64], amends: Option<u64>, out: &mut Vec<u8>) {
        put_word(out, row[ID]);
        let has_amended = self.kept.iter().any(|kept| kept.amended.is_set(row));
        let currency = self.unkept_currency().and_then(|column| column.read(row));
        let flag = |on: bool, flag: u64| if on { flag } else { 0 };
        let flags = flag(has_amended, HAS_AMENDED)
            | flag(currency.is_some(), HAS_CURRENCY)
            | flag(self.is_follow_up(row), IS_FOLLOW_UP)
            | flag(amends.is_some(), HAS_AMENDS);
        put_number(out, u64::from(self.event_type(row)) << FLAGS | flags);
        self.put_bits(out, |kept| kept.column.known.is_set(row));
        if has_amended {
            self.put_bits(out, |kept| kept.amended.is_set(row));
        }
        for (kept, written) in self.kept.iter().zip(&form.fields) {
            let Some(held) = kept.column.read(row) else { continue };
            match written {
                Written::Code(_) => put_number(out, held),
                Written::Whole(..) => put_signed(out, held.cast_signed()),
                Written::Word => put_word(out, held),
            }
        }
        currency.into_iter().for_each(|code| put_number(out, code));
        amends.into_iter().for_each(|id| put_word(out, id));
    }

    fn put_bits(&self, out: &mut Vec<u8>, is_set: impl Fn(&Kept) -> bool) {
        for eight in self.kept.chunks(8) {
            out.push((0..).zip(eight).fold(0, |bits, (at, kept)| bits | u8::from(is_set(kept)) << at));
        }
    }

    /// Reads a row, its time and conditions aside, into words that are 0. Returns the id of the event whose row its
    /// event amends.
    pub(crate) fn read(
        &self,
        form: &RowForm,
        from: &mut Reader<'_>,
        row: &mut [u64],
    ) -> Result<Option<u64>, SnapshotError> {
        row[ID] = from.word()?;
        let head = from.number()?;
        let event_type = head >> FLAGS;
        if event_type >= form.event_types {
            return Err(SnapshotError::malformed("an event type that is not in the schema"));
        }
        self.event_type.write(row, Some(event_type));
        let bits = self.kept.len().div_ceil(8);
        let known = from.slice(bits)?;
        let amended = if head & HAS_AMENDED == 0 { &[] } else { from.slice(bits)? };
        let is_set = |bits: &[u8], at: usize| bits.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
        for (at, (kept, written)) in self.kept.iter().zip(&form.fields).enumerate() {
            if is_set(known, at) {
                kept.column.write(row, Some(value(*written, from)?));
            }
            if is_set(amended, at) {
                kept.amended.put(row, true);
            }
        }
        if head & HAS_CURRENCY != 0 {
            let code = from.number()?;
            if Currency::by_number(code).is_none() {
                return Err(SnapshotError::malformed("an unknown currency"));
            }
            self.unkept_currency().iter().for_each(|column| column.write(row, Some(code)));
        }
        self.follow_up().put(row, head & IS_FOLLOW_UP != 0);
        if head & HAS_AMENDS == 0 { Ok(None) } else { from.word().map(Some) }
    }
}

fn value(written: Written, from: &mut Reader<'_>) -> Result<u64, SnapshotError> {
    match written {
        Written::Word => from.word(),
        Written::Code(codes) => {
            let code = from.number()?;
            (code < codes)
                .then_some(code)
                .ok_or(SnapshotError::malformed("a code that is not in its closed set"))
        }
        Written::Whole(least, most) => {
            let whole = from.signed()?;
            let is_within = (least..=most).contains(&whole);
            is_within
                .then_some(whole.cast_unsigned())
                .ok_or(SnapshotError::malformed("a number out of range"))
        }
    }
}
