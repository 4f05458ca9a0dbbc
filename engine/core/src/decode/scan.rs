//! Tokens of JSON text (RFC 8259): where a string or a number ends, and what an escaped string says.
//! It does not know objects, depth or keys. All texts it is given are UTF-8.

use super::reject::{Fault, Reason};

const EVERY: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The high bit of each byte that is 0; above the lowest such byte also of others.
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(EVERY) & !word & HIGH
}

/// Where the first quote, backslash or control character from `at` on stands; the end without one.
#[inline]
pub(super) fn special(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        let control = word.wrapping_sub(EVERY * 0x20) & !word & HIGH;
        let found = zeros(word ^ (EVERY * 0x22)) | zeros(word ^ (EVERY * 0x5c)) | control;
        if found != 0 {
            // A borrow disturbs only bytes above the lowest hit.
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)) {
        at += 1;
    }
    at
}

/// Where the string whose first character is at `start` ends, its escapes unchecked.
pub(super) fn string_end(bytes: &[u8], start: usize) -> Result<usize, Fault> {
    let mut at = start;
    loop {
        let end = special(bytes, at);
        match bytes.get(end) {
            Some(b'"') => return Ok(end),
            Some(b'\\') if end + 2 <= bytes.len() => at = end + 2,
            _ => return Err(Fault::new(Reason::BadJson, end)),
        }
    }
}

/// Appends what the escaped text between two quotes says. `at` is its place in the record.
pub(super) fn unescape(text: &str, at: usize, into: &mut String) -> Result<(), Fault> {
    let mut rest = text;
    while let Some(slash) = rest.find('\\') {
        into.push_str(&rest[..slash]);
        let place = at + text.len() - rest.len() + slash;
        let (c, length) = escape(&rest[slash + 1..]).ok_or(Fault::new(Reason::BadJson, place))?;
        into.push(c);
        rest = &rest[slash + 1 + length..];
    }
    into.push_str(rest);
    Ok(())
}

/// The character of an escape and its length, without the backslash. Half a surrogate pair is none.
fn escape(text: &str) -> Option<(char, usize)> {
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

/// Where the number that begins at `at` ends.
#[inline]
pub(super) fn number(bytes: &[u8], start: usize) -> Result<usize, Fault> {
    let mut at = start;
    if bytes.get(at) == Some(&b'-') {
        at += 1;
    }
    let leading_zero = bytes.get(at) == Some(&b'0');
    let whole = at;
    at = digits(bytes, at)?;
    if leading_zero && at > whole + 1 {
        return Err(Fault::new(Reason::BadJson, whole + 1));
    }
    if bytes.get(at) == Some(&b'.') {
        at = digits(bytes, at + 1)?;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1;
        if matches!(bytes.get(at), Some(b'+' | b'-')) {
            at += 1;
        }
        at = digits(bytes, at)?;
    }
    Ok(at)
}

/// Where one or more digits end.
fn digits(bytes: &[u8], start: usize) -> Result<usize, Fault> {
    let mut at = start;
    while bytes.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    if at > start { Ok(at) } else { Err(Fault::new(Reason::BadJson, at)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

        #[test]
        fn eight_bytes_at_a_time_find_what_one_at_a_time_finds(bytes in prop::collection::vec(prop_oneof![Just(b'a'), Just(0x80u8), Just(0xa2), Just(0x21), Just(b'"'), Just(0x1f), Just(b'\\'), any::<u8>()], 0..40)) {
            let plain = bytes.iter().position(|byte| *byte == b'"' || *byte == b'\\' || *byte < 0x20);
            prop_assert_eq!(special(&bytes, 0), plain.unwrap_or(bytes.len()));
        }

        /// serde_json is the oracle of strings, escapes and surrogates.
        #[test]
        fn strings_say_what_serde_json_reads(inner in r#"([a-z"]|\\["\\/bfnrtu01]|\\u(d83d|de00|00e9|D83D|DE00|12)|é){0,8}"#) {
            let text = format!("\"{inner}\"");
            let ours = string_end(text.as_bytes(), 1).ok().filter(|end| end + 1 == text.len()).and_then(|end| {
                let mut said = String::new();
                unescape(&text[1..end], 1, &mut said).ok().map(|()| said)
            });
            prop_assert_eq!(ours, serde_json::from_str::<String>(&text).ok());
        }

        #[test]
        fn numbers_end_where_serde_json_ends_them(text in "-?[0-9]{0,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?") {
            let ours = number(text.as_bytes(), 0).is_ok_and(|end| end == text.len());
            prop_assert_eq!(ours, serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }
    }
}
