//! How a row lies in memory: eight-byte words, in this order: time, hash of the id, packed bits, one word a kept value.
//!
//! Packed are the event's type, a known and an amended bit for every kept field, codes and yes/no values, and one bit for
//! every distinct condition of the pack. Nothing outside this module knows a position, so a denser layout may replace it.

mod wire;

use crate::batch::Timestamp;
use tripline_rules::aggregate::{AggregatePlan, TagId, Tags};
use tripline_rules::money::Currency;
use tripline_rules::schema::{ACCOUNT_CURRENCY, EVENT_TIME, EVENT_TYPE, Kind, Schema, TX_CURRENCY};
use tripline_rules::value::{MONEY_MINOR_MAX_EXACT, Registers, Slot};

pub(crate) use wire::RowForm;

/// Rows hold numbers in units of 10⁻⁶, exactly as the decoder rounds them.
pub(crate) const NUMBER_UNITS: f64 = 1e6;
/// Largest magnitude of a number in a row, in units of 10⁻⁶: 3.6 · 10¹⁰. A larger one is not held: the row's value is unknown.
/// With at most [`ROWS_MAX`] rows no sum of squares passes 2¹²⁵.
pub(crate) const NUMBER_FIXED_MAX: i64 = 1 << 55;
/// Most rows that a ledger can be configured to hold.
pub const ROWS_MAX: u16 = 32_000;

const AT: usize = 0;
const ID: usize = 1;
const PACKED: usize = 2;

/// How a value is written in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    /// The register's word as it is.
    Raw,
    /// A whole number that registers hold as `f64`: minor units, milliseconds.
    Whole,
    /// A number in units of 10⁻⁶.
    Fixed,
}

/// A bit of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bit {
    word: usize,
    mask: u64,
}

impl Bit {
    /// No bit at all: every row has it.
    pub(crate) const NONE: Bit = Bit { word: PACKED, mask: 0 };

    fn at(position: usize) -> Bit {
        Bit { word: PACKED + position / 64, mask: 1 << (position % 64) }
    }

    #[inline]
    pub(crate) fn is_set(self, row: &[u64]) -> bool {
        row[self.word] & self.mask == self.mask
    }

    /// Two bits that are set where this one and another are: one of them none, where a single look tells.
    pub(crate) fn beside(self, other: Bit) -> [Bit; 2] {
        if self.word == other.word || other == Bit::NONE {
            [Bit { word: self.word, mask: self.mask | other.mask }, Bit::NONE]
        } else if self == Bit::NONE {
            [other, Bit::NONE]
        } else {
            [self, other]
        }
    }

    #[inline]
    fn put(self, row: &mut [u64], on: bool) {
        row[self.word] = row[self.word] & !self.mask | if on { self.mask } else { 0 };
    }
}

/// Where a value lies in a row and how it is written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    word: usize,
    shift: u32,
    mask: u64,
    known: Bit,
    encoding: Encoding,
}

impl Place {
    /// No value: every row holds 0.
    pub(crate) const NOTHING: Place =
        Place { word: AT, shift: 0, mask: 0, known: Bit::NONE, encoding: Encoding::Raw };

    /// The value as the row holds it.
    #[inline]
    pub(crate) fn read(&self, row: &[u64]) -> Option<u64> {
        self.known.is_set(row).then(|| self.held(row))
    }

    /// The value as the row holds it where it is known.
    #[inline]
    pub(crate) fn held(&self, row: &[u64]) -> u64 {
        // Shifts are below 64.
        row[self.word].wrapping_shr(self.shift) & self.mask
    }

    /// Set in the rows in which the value is known.
    pub(crate) fn known(&self) -> Bit {
        self.known
    }

    /// Whether a row holds what one holds in which the value is known.
    #[inline]
    fn agrees(&self, row: &[u64], known: &[u64]) -> bool {
        self.known.is_set(row) && self.held(row) == self.held(known)
    }

    /// The value as a whole number of [`Place::units`].
    #[inline]
    pub(crate) fn number(&self, row: &[u64]) -> Option<i64> {
        self.read(row).map(u64::cast_signed)
    }

    /// How many units of the row make one of the register's.
    pub(crate) fn units(&self) -> f64 {
        if self.encoding == Encoding::Fixed { NUMBER_UNITS } else { 1.0 }
    }

    /// A row's value as registers hold it.
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "rounds to the nearest f64, which is the decoder's own")]
    pub(crate) fn to_register(self, held: u64) -> u64 {
        match self.encoding {
            Encoding::Raw => held,
            Encoding::Whole => (held.cast_signed() as f64).to_bits(),
            Encoding::Fixed => (held.cast_signed() as f64 / NUMBER_UNITS).to_bits(),
        }
    }

    /// A register's value as rows hold it; `None` for what a row cannot hold exactly.
    #[inline]
    fn to_row(self, word: u64) -> Option<u64> {
        match self.encoding {
            Encoding::Raw => (word <= self.mask).then_some(word),
            Encoding::Whole => whole(f64::from_bits(word), MONEY_MINOR_MAX_EXACT),
            Encoding::Fixed => whole(f64::from_bits(word) * NUMBER_UNITS, NUMBER_FIXED_MAX),
        }
    }

    /// Writes the value of a row that is all 0 so far.
    #[inline]
    fn fill(&self, row: &mut [u64], held: Option<u64>) {
        if let Some(held) = held {
            // Shifts are below 64.
            row[self.word] |= held.wrapping_shl(self.shift);
            row[self.known.word] |= self.known.mask;
        }
    }

    /// Writes a row's value, or makes it unknown; an unknown value's bits are 0.
    fn write(&self, row: &mut [u64], held: Option<u64>) {
        row[self.word] = row[self.word] & !(self.mask << self.shift) | held.unwrap_or(0) << self.shift;
        self.known.put(row, held.is_some());
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "within ±2^55 when converted, or compared with what it was; the bounds are powers of two"
)]
fn whole(value: f64, max: i64) -> Option<u64> {
    let near = value as i64;
    if near as f64 == value && near.unsigned_abs() <= max.unsigned_abs() {
        return Some(near.cast_unsigned());
    }
    let rounded = libm::round(value);
    (rounded.abs() <= max as f64).then(|| (rounded as i64).cast_unsigned())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    slot: Slot,
    place: Place,
    amended: Bit,
}

/// What of an event is its own: two arrivals of one event agree in it.
pub(crate) struct Identity {
    pub(crate) at: Timestamp,
    pub(crate) event_type: u16,
    pub(crate) id: u64,
}

/// The positions of one schema's kept fields and one plan's conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    kept: Vec<Kept>,
    event_type: Place,
    /// The currency of the event's money, where a condition depends on it and no kept field says it, and the register it
    /// is loaded into. It belongs to the conditions: events are the same or not whatever it is.
    currency: Option<(Slot, Place)>,
    tags_from: usize,
    tags: usize,
    width: usize,
}

impl Layout {
    /// The layout of a schema's rows with a plan's conditions.
    pub(crate) fn new(schema: &Schema, plan: &AggregatePlan) -> Layout {
        let (tags, mut free) = (plan.tags, 0);
        let event_type = packed_place(&mut free, bits_for(schema.event_types().values().len()));
        let mut kept: Vec<Kept> = Vec::new();
        for slot in schema.keep() {
            let (known, amended) = (Bit::at(free), Bit::at(free + 1));
            free += 2;
            let kind = &schema.field(*slot).kind;
            let place = match kind {
                Kind::Bool => packed_place(&mut free, 1),
                Kind::OneOf(codes) => packed_place(&mut free, bits_for(codes.values().len())),
                other => Place {
                    word: usize::MAX,
                    shift: 0,
                    mask: u64::MAX,
                    known: Bit::NONE,
                    encoding: encoding_of(other),
                },
            };
            kept.push(Kept { slot: *slot, place: Place { known, ..place }, amended });
        }
        let unkept = [TX_CURRENCY, ACCOUNT_CURRENCY].into_iter().find(|slot| !schema.keep().contains(slot));
        let currency = unkept.filter(|_| plan.currency).map(|slot| {
            let known = Bit::at(free);
            free += 1;
            let place = packed_place(&mut free, bits_for(Currency::COUNT));
            (slot, Place { known, ..place })
        });
        let packed = (free + tags).div_ceil(64);
        let words = kept.iter_mut().filter(|kept| kept.place.word == usize::MAX);
        (PACKED + packed..).zip(words).for_each(|(word, kept)| kept.place.word = word);
        let words = kept.iter().filter(|kept| kept.place.mask == u64::MAX).count();
        Layout { kept, event_type, currency, tags_from: free, tags, width: PACKED + packed + words }
    }

    /// Words of a row.
    #[inline]
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Where a field lies; `None` when rows do not keep it.
    pub(crate) fn place(&self, slot: Slot) -> Option<Place> {
        let time = Place { word: AT, shift: 0, mask: u64::MAX, known: Bit::NONE, encoding: Encoding::Whole };
        match slot {
            EVENT_TIME => Some(time),
            EVENT_TYPE => Some(self.event_type),
            _ => self.kept.iter().find(|kept| kept.slot == slot).map(|kept| kept.place),
        }
    }

    /// The field that rows hold for their conditions' sake alone.
    pub(crate) fn currency(&self) -> Option<Slot> {
        self.currency.map(|(slot, _)| slot)
    }

    /// The currency of a row's money as the register of [`Layout::currency`] holds it.
    pub(crate) fn currency_of(&self, row: &[u64]) -> Option<u64> {
        self.currency.and_then(|(_, place)| place.read(row))
    }

    /// Writes a whole row.
    pub(crate) fn encode(&self, row: &mut [u64], own: &Identity, registers: &Registers, tags: Tags) {
        row.fill(0);
        row[AT] = own.at.0.cast_unsigned();
        row[ID] = own.id;
        self.event_type.fill(row, Some(u64::from(own.event_type) & self.event_type.mask));
        for kept in &self.kept {
            kept.place.fill(row, registers.get(kept.slot).and_then(|word| kept.place.to_row(word)));
        }
        if let Some((_, place)) = self.currency {
            let own = registers.get(TX_CURRENCY).or_else(|| registers.get(ACCOUNT_CURRENCY));
            place.fill(row, own.and_then(|word| place.to_row(word)));
        }
        self.set_tags(row, tags);
    }

    /// Sets the registers of the event's type and time and of every kept field.
    pub(crate) fn load(&self, row: &[u64], registers: &mut Registers) {
        registers.set(EVENT_TYPE, u64::from(self.event_type(row)));
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
        registers.set_number(EVENT_TIME, at(row).0 as f64);
        for kept in &self.kept {
            registers.put(kept.slot, kept.place.read(row).map(|held| kept.place.to_register(held)));
        }
        if let Some((slot, place)) = self.currency {
            registers.put(slot, place.read(row));
        }
    }

    /// Whether rows keep a field, beside their type and time.
    pub(crate) fn keeps(&self, slot: Slot) -> bool {
        self.kept.iter().any(|kept| kept.slot == slot)
    }

    /// Replaces a kept field and marks it amended.
    pub(crate) fn amend(&self, row: &mut [u64], slot: Slot, word: Option<u64>) {
        for kept in self.kept.iter().filter(|kept| kept.slot == slot) {
            kept.place.write(row, word.and_then(|word| kept.place.to_row(word)));
            kept.amended.put(row, true);
        }
    }

    /// Whether an arriving row is the same event as a held one of equal identity: equal in time and in every kept
    /// field, but for those that were amended since and those that another event filled in.
    pub(crate) fn same_event(&self, held: &[u64], arriving: &[u64], inherited: &[Slot]) -> bool {
        at(held) == at(arriving)
            && self.kept.iter().all(|kept| {
                kept.place.read(held) == kept.place.read(arriving)
                    || kept.amended.is_set(held)
                    || inherited.contains(&kept.slot)
            })
    }

    /// Code of the event's type.
    #[inline]
    pub(crate) fn event_type(&self, row: &[u64]) -> u16 {
        u16::try_from(row[self.event_type.word] & self.event_type.mask).expect("codes are 16 bits")
    }

    /// The order of rows in a ledger: a function of what arrived, not of when.
    #[inline]
    pub(crate) fn order(&self, row: &[u64]) -> (i64, u16, u64) {
        (at(row).0, self.event_type(row), row[ID])
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

    /// Copies a row of another layout of the same schema, without its conditions.
    pub(crate) fn adopt(&self, row: &mut [u64], other: &Layout, theirs: &[u64]) {
        row.fill(0);
        row[AT] = theirs[AT];
        row[ID] = theirs[ID];
        self.event_type.write(row, Some(u64::from(other.event_type(theirs))));
        for (kept, old) in self.kept.iter().zip(&other.kept) {
            kept.place.write(row, old.place.read(theirs));
            kept.amended.put(row, old.amended.is_set(theirs));
        }
        if let Some((_, place)) = self.currency {
            place.write(row, other.currency_of(theirs));
        }
    }

    /// Equality of the given fields, for rows in which the first has them all; `None` when rows lack one of them.
    pub(crate) fn likeness(&self, fields: &[Slot]) -> Option<Likeness> {
        let places = fields.iter().map(|slot| self.place(*slot)).collect::<Option<Vec<Place>>>()?;
        Some(Likeness { places })
    }
}

/// Compares rows in some fields.
#[derive(Clone, Debug)]
pub(crate) struct Likeness {
    places: Vec<Place>,
}

impl Likeness {
    /// Whether the row has all fields.
    #[inline]
    pub(crate) fn is_known(&self, row: &[u64]) -> bool {
        self.places.iter().all(|place| place.known.is_set(row))
    }

    /// Whether a row agrees with one that has all fields.
    #[inline]
    pub(crate) fn agrees(&self, row: &[u64], known: &[u64]) -> bool {
        self.places.iter().all(|place| place.agrees(row, known))
    }

    /// A hash of the fields' values.
    pub(crate) fn hash(&self, row: &[u64]) -> u64 {
        self.places.iter().fold(0, |hash, place| mixed(hash ^ place.read(row).unwrap_or(0)))
    }
}

/// Spreads a word over 64 bits, by the finaliser of SplitMix64. Texts and ids are keyed hashes already.
#[inline]
pub(crate) fn mixed(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
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

fn encoding_of(kind: &Kind) -> Encoding {
    match kind {
        Kind::Bool | Kind::OneOf(_) | Kind::Text | Kind::Geo => Encoding::Raw,
        Kind::Money(_) | Kind::Time | Kind::Duration => Encoding::Whole,
        Kind::Number => Encoding::Fixed,
    }
}

/// Bits that tell so many values apart, at least one.
fn bits_for(values: usize) -> usize {
    let bits = usize::BITS - values.saturating_sub(1).leading_zeros();
    usize::try_from(bits.max(1)).expect("at most 64")
}

fn low_bits(count: usize) -> u64 {
    if count == 64 { u64::MAX } else { (1 << count) - 1 }
}

/// Takes that many adjacent bits of one word.
fn packed_place(free: &mut usize, bits: usize) -> Place {
    if *free % 64 + bits > 64 {
        *free = free.next_multiple_of(64);
    }
    let bit = Bit::at(*free);
    *free += bits;
    let shift = bit.mask.trailing_zeros();
    Place { word: bit.word, shift, mask: (1 << bits) - 1, known: Bit::NONE, encoding: Encoding::Raw }
}
