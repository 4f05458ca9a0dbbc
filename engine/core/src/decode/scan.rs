//! Tokens of JSON (RFC 8259): where a string or a number ends, and the text of an escaped string. It does not depend on
//! objects, depth or keys. All its input is UTF-8.

use super::record::{BytePos, Record};
use super::word::{HIGH, every};

/// Position of the first quote, backslash or control character from `at` on; the end of the record without one.
#[inline]
pub(super) fn special(record: &Record, at: BytePos) -> BytePos {
    let (end, _) = special_and_head(record, at);
    end
}

/// As [`special`], with the first eight bytes before that position, zeros behind them.
#[inline(always)]
pub(super) fn special_and_head(record: &Record, start: BytePos) -> (BytePos, u64) {
    let head = u64::from_le_bytes(record.ahead(start));
    // Most strings are shorter than a word.
    let found = specials(head);
    if found != 0 {
        // The lowest bit is the highest bit of its byte: all bytes below it are text.
        let below = ((found & found.wrapping_neg()) >> 7).wrapping_sub(1);
        return (start.wrapping_add(lowest(found)), head & below);
    }
    let mut at = start;
    loop {
        at = at.wrapping_add(8);
        let found = specials(u64::from_le_bytes(record.ahead(at)));
        if found != 0 {
            return (at.wrapping_add(lowest(found)), head);
        }
    }
}

/// The high bits of the bytes that are quotes, backslashes or control characters. A borrow changes only bytes above the
/// lowest of them.
#[inline(always)]
fn specials(word: u64) -> u64 {
    // With one bit flipped, quotes follow control characters: both are below 0x21.
    let quote_or_control = (word ^ every(0x02)).wrapping_sub(every(0x21));
    let backslash = (word ^ every(b'\\')).wrapping_sub(every(1));
    (quote_or_control | backslash) & !word & HIGH
}

/// Index of the lowest byte with a bit.
#[inline]
fn lowest(word: u64) -> BytePos {
    let [number, ..] = (word.trailing_zeros() / 8).to_le_bytes();
    BytePos::from(number)
}

/// Where the string whose first character is at `start` ends; its escapes are not checked.
///
/// # Errors
/// Where it is not valid.
pub(super) fn string_end(record: &Record, start: BytePos) -> Result<BytePos, BytePos> {
    let mut at = start;
    loop {
        let end = special(record, at);
        match record.byte(end) {
            b'"' => return Ok(end),
            b'\\' if end + 2 <= record.end() => at = end + 2,
            _ => return Err(end),
        }
    }
}

/// Appends the escaped text between two quotes with its escapes resolved.
///
/// # Errors
/// Where in the text an escape is not valid.
pub(super) fn unescape(text: &str, into: &mut String) -> Result<(), usize> {
    let mut rest = text;
    while let Some(slash) = rest.find('\\') {
        into.push_str(&rest[..slash]);
        let at = text.len() - rest.len() + slash;
        let (c, length) = escape(&rest[slash + 1..]).ok_or(at)?;
        into.push(c);
        rest = &rest[slash + 1 + length..];
    }
    into.push_str(rest);
    Ok(())
}

/// The character of an escape and its length, without the backslash. Half a surrogate pair is not valid.
pub(super) fn escape(text: &str) -> Option<(char, usize)> {
    let c = match text.as_bytes().first()? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return code_point(text),
        _ => return None,
    };
    Some((c, 1))
}

fn code_point(text: &str) -> Option<(char, usize)> {
    let first = hex(text.as_bytes().get(1..5)?)?;
    if let Some(c) = char::from_u32(first) {
        return Some((c, 5));
    }
    let rest = text.get(5..)?.strip_prefix("\\u")?;
    let second = hex(rest.as_bytes().get(..4)?)?;
    let pair = (0xd800..0xdc00).contains(&first) && (0xdc00..0xe000).contains(&second);
    let c = pair.then(|| 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)).and_then(char::from_u32)?;
    Some((c, 11))
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |sum, digit| Some(sum << 4 | char::from(*digit).to_digit(16)?))
}

/// Where the number that begins at `start` ends.
///
/// # Errors
/// Where it is not valid.
#[inline]
pub(super) fn number(record: &Record, start: BytePos) -> Result<BytePos, BytePos> {
    let whole = start + BytePos::from(record.byte(start) == b'-');
    let mut at = digits(record, whole)?;
    if record.byte(whole) == b'0' && at > whole + 1 {
        return Err(whole + 1);
    }
    if record.byte(at) == b'.' {
        at = digits(record, at + 1)?;
    }
    if matches!(record.byte(at), b'e' | b'E') {
        at += 1;
        if matches!(record.byte(at), b'+' | b'-') {
            at += 1;
        }
        at = digits(record, at)?;
    }
    Ok(at)
}

/// Where one or more digits end.
#[inline]
fn digits(record: &Record, start: BytePos) -> Result<BytePos, BytePos> {
    let mut at = start;
    while record.byte(at).is_ascii_digit() {
        at = at.wrapping_add(1);
    }
    if at > start { Ok(at) } else { Err(at) }
}

#[cfg(test)]
mod tests {
    use super::super::word::head;
    use super::*;
    use proptest::prelude::*;

    fn record(bytes: &[u8]) -> Box<Record> {
        let mut record = Record::new();
        record.fill(bytes);
        record
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

        #[test]
        fn eight_bytes_at_a_time_find_what_one_at_a_time_finds(bytes in prop::collection::vec(prop_oneof![Just(b'a'), Just(0x80u8), Just(0xa2), Just(0x21), Just(b'"'), Just(0x1f), Just(b'\\'), any::<u8>()], 0..40)) {
            let plain = bytes.iter().position(|byte| *byte == b'"' || *byte == b'\\' || *byte < 0x20);
            let end = plain.unwrap_or(bytes.len());
            let (found, first) = special_and_head(&record(&bytes), 0);
            prop_assert_eq!((usize::from(found), first), (end, head(&bytes[..end])));
        }

        /// serde_json is the oracle of strings, escapes and surrogates.
        #[test]
        fn strings_are_those_of_serde_json(inner in r#"([a-z"]|\\["\\/bfnrtu01]|\\u(d83d|de00|00e9|D83D|DE00|12)|é){0,8}"#) {
            let text = format!("\"{inner}\"");
            let ours = string_end(&record(text.as_bytes()), 1).ok().map(usize::from).filter(|end| end + 1 == text.len()).and_then(|end| {
                let mut unescaped = String::new();
                unescape(&text[1..end], &mut unescaped).ok().map(|()| unescaped)
            });
            prop_assert_eq!(ours, serde_json::from_str::<String>(&text).ok());
        }

        #[test]
        fn numbers_end_where_serde_json_ends_them(text in "-?[0-9]{0,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?") {
            let ours = number(&record(text.as_bytes()), 0).is_ok_and(|end| usize::from(end) == text.len());
            prop_assert_eq!(ours, serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }
    }
}
