//! Numbers and texts as bytes. Reading trusts nothing: a length is checked against what is there and a named limit
//! before anything is allocated.

use super::error::SnapshotError;
use crate::batch::Timestamp;
use crate::limits::{TIME_MS_MAX, TIME_MS_MIN};

/// Bytes of one text, at most: ids of events, accounts and rules are far shorter.
pub(crate) const TEXT_BYTES_MAX: usize = 4096;
/// Twice as far as events may lie: labels become known later than their events.
const AT_MIN: i64 = 2 * TIME_MS_MIN;
const AT_MAX: i64 = 2 * TIME_MS_MAX;

type Read<T> = Result<T, SnapshotError>;

/// Seven bits a byte, the lowest first; the eighth says that more follow.
#[inline]
pub(crate) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// Small magnitudes are short, whatever their sign.
#[inline]
pub(crate) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_number(out, (number << 1 ^ number >> 63).cast_unsigned());
}

/// Eight bytes.
#[inline]
pub(crate) fn put_word(out: &mut Vec<u8>, word: u64) {
    out.extend_from_slice(&word.to_le_bytes());
}

/// Sixteen bytes.
pub(crate) fn put_key(out: &mut Vec<u8>, key: u128) {
    out.extend_from_slice(&key.to_le_bytes());
}

/// Length and bytes.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// An optional word: a flag, then the word if it is present.
pub(crate) fn put_maybe(out: &mut Vec<u8>, word: Option<u64>) {
    out.push(u8::from(word.is_some()));
    word.into_iter().for_each(|word| put_word(out, word));
}

/// A time that may be calculated with.
pub(crate) fn time(ms: i64) -> Read<Timestamp> {
    if (AT_MIN..=AT_MAX).contains(&ms) {
        Ok(Timestamp(ms))
    } else {
        Err(SnapshotError::malformed("a time is out of range"))
    }
}

/// Bytes that are read from the front.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes }
    }

    /// Bytes that are left.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len()
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or(SHORT)?;
        self.bytes = rest;
        Ok(*taken)
    }

    pub(crate) fn slice(&mut self, length: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(SHORT)?;
        self.bytes = rest;
        Ok(taken)
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Read<u8> {
        self.array().map(|[byte]| byte)
    }

    #[inline]
    pub(crate) fn number(&mut self) -> Read<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(SnapshotError::malformed("a number has too many digits"))
    }

    #[inline]
    pub(crate) fn signed(&mut self) -> Read<i64> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub(crate) fn time(&mut self) -> Read<Timestamp> {
        time(self.signed()?)
    }

    #[inline]
    pub(crate) fn word(&mut self) -> Read<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn key(&mut self) -> Read<u128> {
        self.array().map(u128::from_le_bytes)
    }

    pub(crate) fn maybe(&mut self) -> Read<Option<u64>> {
        match self.byte()? {
            0 => Ok(None),
            1 => self.word().map(Some),
            _ => Err(SnapshotError::malformed("an optional value is marked neither present nor absent")),
        }
    }

    pub(crate) fn text(&mut self) -> Read<&'a str> {
        let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if length > TEXT_BYTES_MAX {
            return Err(SnapshotError::malformed("a text is too long"));
        }
        str::from_utf8(self.slice(length)?).map_err(|_| SnapshotError::malformed("a text is not UTF-8"))
    }

    /// A number of a smaller type.
    pub(crate) fn small<T: TryFrom<u64>>(&mut self) -> Read<T> {
        T::try_from(self.number()?).map_err(|_| SnapshotError::malformed("a number is too large"))
    }
}

const SHORT: SnapshotError = SnapshotError::Malformed { what: "it ends within an item" };

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(number: u64, signed: i64, key: u128, text in ".{0,40}", maybe: Option<u64>) {
            let mut out = Vec::new();
            put_number(&mut out, number);
            put_signed(&mut out, signed);
            put_key(&mut out, key);
            put_text(&mut out, &text);
            put_maybe(&mut out, maybe);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.number().unwrap(), number);
            prop_assert_eq!(reader.signed().unwrap(), signed);
            prop_assert_eq!(reader.key().unwrap(), key);
            prop_assert_eq!(reader.text().unwrap(), text);
            prop_assert_eq!(reader.maybe().unwrap(), maybe);
            prop_assert_eq!(reader.left(), 0);
        }
    }

    #[test]
    fn numbers_end_and_texts_are_bounded() {
        assert!(Reader::new(&[0xff; 12]).number().is_err());
        assert!(Reader::new(&[0x80, 0x80]).number().is_err());
        let mut out = Vec::new();
        put_number(&mut out, u64::MAX);
        assert_eq!(Reader::new(&out).number(), Ok(u64::MAX));
        assert!(Reader::new(&out).text().is_err(), "no length is believed");
        assert!(time(i64::MIN).is_err() && time(0).is_ok());
    }
}
