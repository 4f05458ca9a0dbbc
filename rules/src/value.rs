//! Values of one event: one 64-bit word each, addressed by slot. One word means unknown.
//!
//! A word means what its [`Kind`](crate::schema::Kind) says:
//!
//! | kind | word |
//! |---|---|
//! | yes/no | 0 or 1 |
//! | number | bits of an `f64` |
//! | money | bits of an `f64`, minor units; whole and exact up to [`MONEY_MINOR_MAX_EXACT`] |
//! | time, duration | bits of an `f64`, milliseconds (UTC, since 1970); whole |
//! | one-of | index of the value in its closed set |
//! | text | 64-bit keyed hash ([`TextKey`]) |
//! | location | [`Geo`] packed: latitude then longitude, 10⁻⁷ degrees, `i32` each |
//!
//! [`Registers::word`] reads an unknown register as 0.

use hkdf::Hkdf;
use sha2::Sha256;
use siphasher::sip::SipHasher13;
use siphasher::sip128::SipHasher13 as SipHasher13x128;

/// The largest magnitude of money, in minor units, that a register holds exactly (2⁵³).
/// A sum beyond it is missing, never rounded.
pub const MONEY_MINOR_MAX_EXACT: i64 = 1 << 53;

/// Index of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u16);

impl Slot {
    /// The slot as an index.
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A location on earth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geo {
    /// Degrees north, −90 to 90.
    pub latitude: f64,
    /// Degrees east, −180 to 180.
    pub longitude: f64,
}

/// 10⁻⁷ degrees: about a centimetre.
const GEO_UNITS_PER_DEGREE: f64 = 1e7;

impl Geo {
    /// Packs into a register word; coordinates are rounded to 10⁻⁷ degrees. `None` outside the globe or not finite.
    pub fn pack(self) -> Option<u64> {
        let in_range = self.latitude.abs() <= 90.0 && self.longitude.abs() <= 180.0;
        in_range.then(|| u64::from(packed(self.latitude)) << 32 | u64::from(packed(self.longitude)))
    }

    /// The location in a register word.
    #[inline]
    pub fn unpack(word: u64) -> Geo {
        Geo { latitude: unpacked(word >> 32), longitude: unpacked(word) }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "within ±1.8e9, which fits an i32"
)]
fn packed(degrees: f64) -> u32 {
    libm::round(degrees * GEO_UNITS_PER_DEGREE) as i32 as u32
}

#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "the low 32 bits are an i32")]
fn unpacked(word: u64) -> f64 {
    f64::from(word as u32 as i32) / GEO_UNITS_PER_DEGREE
}

/// Registers of one event: fields, facts, signals, model scores and temporaries. A register has eight bytes, so the
/// events of a batch stay in the cache.
#[derive(Clone, Debug, PartialEq)]
pub struct Registers(Box<[u64]>);

/// The word of an unknown register: a NaN that no arithmetic produces. No number, code, yes/no or location has these
/// bits, and [`TextKey::text`] never returns them.
const UNKNOWN: u64 = 0x7ff8_7261_7469_6f6e;

impl Registers {
    /// `count` registers, all unknown.
    pub fn new(count: usize) -> Registers {
        Registers(vec![UNKNOWN; count].into_boxed_slice())
    }

    /// How many registers there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no register.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes every register unknown.
    pub fn clear(&mut self) {
        // In pieces of a constant size, which the compiler unrolls.
        let (pieces, rest) = self.0.as_chunks_mut::<16>();
        for piece in pieces {
            *piece = [UNKNOWN; 16];
        }
        rest.fill(UNKNOWN);
    }

    /// The word; 0 when unknown.
    #[inline]
    pub fn word(&self, slot: Slot) -> u64 {
        self.get(slot).unwrap_or(0)
    }

    /// Whether the value is known.
    #[inline]
    pub fn is_known(&self, slot: Slot) -> bool {
        self.0[slot.index()] != UNKNOWN
    }

    /// The word, if known.
    #[inline]
    pub fn get(&self, slot: Slot) -> Option<u64> {
        let word = self.0[slot.index()];
        (word != UNKNOWN).then_some(word)
    }

    /// The number (also money, time, duration), if known.
    #[inline]
    pub fn number(&self, slot: Slot) -> Option<f64> {
        self.get(slot).map(f64::from_bits)
    }

    /// Sets a word.
    #[inline]
    pub fn set(&mut self, slot: Slot, word: u64) {
        self.0[slot.index()] = word;
    }

    /// Sets a number; one that is not finite makes the register unknown.
    #[inline]
    pub fn set_number(&mut self, slot: Slot, value: f64) {
        let word = if value.is_finite() { number_word(value) } else { UNKNOWN };
        self.set(slot, word);
    }

    /// Sets a yes/no.
    #[inline]
    pub fn set_bool(&mut self, slot: Slot, value: bool) {
        self.set(slot, u64::from(value));
    }

    /// Makes a register unknown.
    #[inline]
    pub fn unset(&mut self, slot: Slot) {
        self.set(slot, UNKNOWN);
    }

    /// Sets a word, or makes the register unknown.
    #[inline]
    pub fn put(&mut self, slot: Slot, word: Option<u64>) {
        self.set(slot, word.unwrap_or(UNKNOWN));
    }
}

/// The word of a number; both zeros are one word.
#[inline]
pub(crate) fn number_word(number: f64) -> u64 {
    (number + 0.0).to_bits()
}

/// The texts of an event; registers hold their hashes only.
pub trait TextSource {
    /// The text of a field, if the event has it.
    fn text(&self, slot: Slot) -> Option<&str>;
}

/// A source without texts, for rows and for packs without text conditions.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTexts;

impl TextSource for NoTexts {
    fn text(&self, _: Slot) -> Option<&str> {
        None
    }
}

/// The secret keys of all hashes, one for each purpose. An installation has one secret; the same secret gives the same
/// state and the same ids.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TextKey {
    texts: [u8; KEY_BYTES],
    entities: [u8; KEY_BYTES],
    parts: [u8; KEY_BYTES],
    ids: [u8; KEY_BYTES],
    check: [u8; KEY_BYTES],
}

/// Bytes of a key of SipHash.
const KEY_BYTES: usize = 16;

impl TextKey {
    /// The keys of a secret: every byte of it counts, and no key tells anything of another (HKDF-SHA-256, RFC 5869).
    ///
    /// # Panics
    /// Never: HKDF gives up to 8,160 bytes.
    pub fn derive(secret: &[u8]) -> TextKey {
        let extracted = Hkdf::<Sha256>::new(Some(b"tripline"), secret);
        let key = |purpose: &str| {
            let mut key = [0; KEY_BYTES];
            extracted.expand(purpose.as_bytes(), &mut key).expect("HKDF gives up to 8,160 bytes");
            key
        };
        TextKey {
            texts: key("tripline 2 texts"),
            entities: key("tripline 2 entities"),
            parts: key("tripline 2 parts"),
            ids: key("tripline 2 ids"),
            check: key("tripline 2 check"),
        }
    }

    /// 64-bit keyed hash of a text, as registers and rows hold it.
    #[inline]
    pub fn text(&self, text: &[u8]) -> u64 {
        let hash = SipHasher13::new_with_key(&self.texts).hash(text);
        // One text in 2⁶⁴ shares the hash of another, as any two texts may.
        if hash == UNKNOWN { hash ^ 1 } else { hash }
    }

    /// 128-bit keyed hash of the id of an entity.
    #[inline]
    pub fn entity(&self, id: &[u8]) -> u128 {
        SipHasher13x128::new_with_key(&self.entities).hash(id).as_u128()
    }

    /// 128-bit keyed hash of what is known by a word inside an entity, such as a card of an account.
    #[inline]
    pub fn part(&self, entity: u128, word: u64) -> u128 {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(&entity.to_le_bytes());
        bytes[16..].copy_from_slice(&word.to_le_bytes());
        SipHasher13x128::new_with_key(&self.parts).hash(&bytes).as_u128()
    }

    /// 128-bit keyed hash of an identity: of parts in their order, each with its length, so that no two lists of parts
    /// are the same bytes.
    pub fn id(&self, parts: &[&[u8]]) -> u128 {
        let mut bytes = Vec::with_capacity(256);
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        SipHasher13x128::new_with_key(&self.ids).hash(&bytes).as_u128()
    }

    /// A value that two keys share only if their secret is the same, and that reveals nothing of it.
    pub fn check(&self) -> u128 {
        u128::from_le_bytes(self.check)
    }
}

impl Default for TextKey {
    /// The keys of the built-in secret, for tests, demos and replays without a configured one.
    fn default() -> TextKey {
        TextKey::derive(b"tripline built-in secret")
    }
}

impl std::fmt::Debug for TextKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TextKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_survives_packing_to_a_centimetre() {
        let geo = Geo { latitude: -33.8567844, longitude: 151.2152967 };
        assert_eq!(Geo::unpack(geo.pack().unwrap()), geo);
        assert_eq!(Geo { latitude: 90.1, longitude: 0.0 }.pack(), None);
        assert_eq!(Geo { latitude: f64::NAN, longitude: 0.0 }.pack(), None);
    }

    #[test]
    fn every_byte_of_a_secret_counts_and_every_purpose_has_its_own_key() {
        let secret: Vec<u8> = (0..64).collect();
        let key = TextKey::derive(&secret);
        assert_eq!(key, TextKey::derive(&secret));
        for place in 0..secret.len() {
            let mut other = secret.clone();
            other[place] ^= 1;
            let other = TextKey::derive(&other);
            assert_ne!(key.text(b"a"), other.text(b"a"), "byte {place}");
            assert_ne!(key.entity(b"a"), other.entity(b"a"), "byte {place}");
            assert_ne!(key.part(7, 9), other.part(7, 9), "byte {place}");
            assert_ne!(key.id(&[b"a"]), other.id(&[b"a"]), "byte {place}");
            assert_ne!(key.check(), other.check(), "byte {place}");
        }
        assert_ne!(key, TextKey::derive(&secret[..63]));
        let keys = [key.texts, key.entities, key.parts, key.ids, key.check];
        for (at, one) in keys.iter().enumerate() {
            assert!(!keys[at + 1..].contains(one), "key {at} is that of another purpose");
        }
    }

    #[test]
    fn the_derivation_is_that_of_rfc_5869() {
        // Computed with Python's hmac and hashlib: HKDF-SHA-256, salt `tripline`, info `tripline 2 check`.
        let key = TextKey::derive(b"0123456789abcdef0123456789abcdef");
        assert_eq!(format!("{:032x}", key.check().swap_bytes()), "8ee2534b925c5b0c08e74c98123476f9");
    }

    #[test]
    fn parts_of_an_identity_do_not_run_into_each_other() {
        let key = TextKey::default();
        assert_ne!(key.id(&[b"ab", b"c"]), key.id(&[b"a", b"bc"]));
        assert_ne!(key.id(&[b"a", b""]), key.id(&[b"", b"a"]));
        assert_ne!(key.id(&[b"a"]), key.id(&[b"a", b""]));
    }

    #[test]
    fn unknown_registers_read_as_zero_and_infinities_are_unknown() {
        let mut registers = Registers::new(70);
        registers.set_number(Slot(69), 2.5);
        assert_eq!(registers.number(Slot(69)), Some(2.5));
        registers.set_number(Slot(69), f64::INFINITY);
        assert_eq!((registers.get(Slot(69)), registers.word(Slot(69))), (None, 0));
        registers.set_number(Slot(3), -0.0);
        assert_eq!(registers.word(Slot(3)), 0.0f64.to_bits());
    }
}
