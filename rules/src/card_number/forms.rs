//! Well-known forms of a text with many digits that are no card number. Each is looked for only where a card number
//! seems to be.

use std::ops::Range;

/// Characters of the longest form before its last digit: an IBAN of 34 characters in groups of four.
const BEFORE_MAX: usize = 44;

/// Whether the digits found are those of another form.
pub(super) fn explain(text: &str, found: &Range<usize>) -> bool {
    let text = text.as_bytes();
    let starts = found.start.saturating_sub(BEFORE_MAX)..=found.start;
    let holds = |end: Option<usize>| end.is_some_and(|end| found.end <= end);
    if starts.clone().any(|at| holds(iban(text, at)) || holds(uuid(text, at))) {
        return true;
    }
    let tokens = (*starts.start()..found.end).filter(|at| is_start(text, *at));
    let touches = |end: Option<usize>| end.is_some_and(|end| found.start < end);
    tokens.clone().any(|at| touches(time_of_day(text, at)) || touches(address(text, at)))
        || text[found.clone()].is_ascii()
            && found.clone().filter(|at| digit(text, *at)).all(|digit| {
                let holds = |start: &usize| decimal(text, *start).is_some_and(|end| digit < end);
                tokens.clone().take_while(|start| *start <= digit).any(|start| holds(&start))
            })
}

fn digit(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(u8::is_ascii_digit)
}

/// Where the digits from a position on end.
fn digits(text: &[u8], at: usize) -> usize {
    (at..text.len()).find(|at| !digit(text, *at)).unwrap_or(text.len())
}

/// Whether a group of digits begins at a position.
fn is_start(text: &[u8], at: usize) -> bool {
    digit(text, at) && !at.checked_sub(1).is_some_and(|before| digit(text, before))
}

fn is_word(text: &[u8], at: Option<usize>) -> bool {
    at.and_then(|at| text.get(at)).is_some_and(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii())
}

/// `10:30:00`, with a fraction and an offset if they follow; where it ends.
fn time_of_day(text: &[u8], at: usize) -> Option<usize> {
    let two = |at: usize, below: u8| {
        let [tens, ones] = *text.get(at..)?.first_chunk::<2>()?;
        let both = tens.is_ascii_digit() && ones.is_ascii_digit();
        (both && (tens - b'0') * 10 + (ones - b'0') < below).then_some(at + 2)
    };
    let colon = |at: usize| (text.get(at) == Some(&b':')).then_some(at + 1);
    let behind_colon = at > 0 && text[at - 1] == b':';
    let clock = two(colon(two(colon(two(at, 24)?)?, 60)?)?, 60)?;
    if behind_colon || digit(text, clock) || text.get(clock) == Some(&b':') {
        return None;
    }
    let fraction = match text.get(clock) {
        Some(b'.' | b',') if digit(text, clock + 1) && digits(text, clock + 1) <= clock + 10 => {
            digits(text, clock + 1)
        }
        _ => clock,
    };
    let offset = match text.get(fraction) {
        Some(b'+' | b'-') => two(fraction + 1, 24).and_then(|hours| two(colon(hours).unwrap_or(hours), 60)),
        _ => None,
    };
    Some(offset.filter(|end| !digit(text, *end)).unwrap_or(fraction))
}

/// `192.0.2.17`; where it ends.
fn address(text: &[u8], start: usize) -> Option<usize> {
    if start > 0 && text[start - 1] == b'.' {
        return None;
    }
    let mut at = start;
    for part in 0..4 {
        let end = digits(text, at);
        let value = text[at..end].iter().take(4).fold(0u32, |sum, byte| sum * 10 + u32::from(byte - b'0'));
        if !(1..=3).contains(&(end - at)) || value > 255 {
            return None;
        }
        let point = text.get(end) == Some(&b'.') && digit(text, end + 1);
        match (part, point) {
            (3, false) => return Some(end),
            (0..=2, true) => at = end + 1,
            _ => return None,
        }
    }
    None
}

/// A number up to 180 with three decimals or more; where it ends.
fn decimal(text: &[u8], start: usize) -> Option<usize> {
    let point = digits(text, start);
    let end = digits(text, (text.get(point) == Some(&b'.')).then_some(point + 1)?);
    let whole = text[start..point].iter().take(4).fold(0u32, |sum, byte| sum * 10 + u32::from(byte - b'0'));
    let behind_point = start > 0 && text[start - 1] == b'.';
    let goes_on = text.get(end) == Some(&b'.') && digit(text, end + 1);
    (point - start <= 3 && whole <= 180 && end - point > 3 && !behind_point && !goes_on).then_some(end)
}

/// `41111111-1111-1111-a111-111111111111`; where it ends.
fn uuid(text: &[u8], start: usize) -> Option<usize> {
    let (end, written) = (start + 36, text.get(start..start + 36)?);
    let fits = written.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    (fits && !is_word(text, start.checked_sub(1)) && !is_word(text, Some(end))).then_some(end)
}

/// Characters of an IBAN by country (ISO 13616, the registry of SWIFT).
const IBAN_LENGTHS: &str = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 \
    DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 \
    IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 \
    OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 \
    UA29 VA22 VG24 XK20 YE30";

/// A valid IBAN in one word or in groups with single blanks or hyphens; where it ends.
fn iban(text: &[u8], start: usize) -> Option<usize> {
    let [a, b, c, d] = *text.get(start..)?.first_chunk::<4>()?;
    let begins =
        a.is_ascii_alphabetic() && b.is_ascii_alphabetic() && c.is_ascii_digit() && d.is_ascii_digit();
    if !begins || is_word(text, start.checked_sub(1)) {
        return None;
    }
    let country = [a, b].map(|letter| letter.to_ascii_uppercase());
    let entry = IBAN_LENGTHS.split_ascii_whitespace().find(|entry| entry.as_bytes().starts_with(&country))?;
    let length: usize = entry[2..].parse().ok()?;
    let (mut written, mut at) = (Vec::with_capacity(length), start);
    while written.len() < length {
        match *text.get(at)? {
            byte if byte.is_ascii_alphanumeric() => written.push(byte),
            b' ' | b'-' if text[at - 1].is_ascii_alphanumeric() => {}
            _ => return None,
        }
        at += 1;
    }
    written.rotate_left(4);
    // ISO 7064 MOD 97-10: letters count from ten.
    let rest = written.iter().fold(0, |rest, byte| match char::from(*byte).to_digit(36) {
        Some(value) if value > 9 => (rest * 100 + value) % 97,
        Some(value) => (rest * 10 + value) % 97,
        None => rest,
    });
    (rest == 1 && !is_word(text, Some(at))).then_some(at)
}
