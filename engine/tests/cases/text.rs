//! Words and patterns in a text.

use fancy_regex::{Regex, RegexBuilder};
use std::sync::LazyLock;

use crate::case::{TextLike, Word};

/// One digit of any script.
static DIGIT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\p{Nd}$").expect("a pattern"));

/// The first word that the text lacks; capitals do not matter.
pub fn missing(text: &str, words: &[Word]) -> Option<String> {
    let text = text.to_lowercase();
    let has = |word: &String| text.contains(&word.to_lowercase());
    words.iter().find_map(|word| match word {
        Word::One(word) => (!has(word)).then(|| word.clone()),
        Word::AnyOf(words) => (!words.iter().any(has)).then(|| words.join("` or `")),
    })
}

/// Whether a text is as wanted; `name` is its name in the message.
pub fn check(want: &TextLike, text: &str, name: &str) -> Result<(), String> {
    if let Some(word) = missing(text, &want.contains) {
        return Err(format!("{name} lacks `{word}`: {}", short(text)));
    }
    let lower = text.to_lowercase();
    if let Some(word) = want.lacks.iter().find(|word| lower.contains(&word.to_lowercase())) {
        return Err(format!("{name} holds `{word}`: {}", short(text)));
    }
    for pattern in &want.matches {
        if first_match(pattern, text)?.is_none() {
            return Err(format!("{name} does not match `{pattern}`: {}", short(text)));
        }
    }
    for pattern in &want.lacks_pattern {
        if let Some(hit) = first_match(pattern, text)? {
            return Err(format!("{name} matches `{pattern}`: {}", short(hit)));
        }
    }
    Ok(())
}

/// `^` and `$` match at every line.
fn first_match<'a>(pattern: &str, text: &'a str) -> Result<Option<&'a str>, String> {
    let regex = RegexBuilder::new(pattern).multi_line(true).build();
    let regex = regex.map_err(|error| format!("the pattern `{pattern}` cannot be read: {error}"))?;
    let found = regex.find(text).map_err(|error| format!("`{pattern}`: {error}"))?;
    Ok(found.map(|hit| hit.as_str()))
}

/// The digits of a line, of any script, in their order and without what stands between them.
pub fn digits(line: &str) -> String {
    line.chars().filter_map(digit).collect()
}

/// Unicode encodes the digits of a script in ascending order, without a gap, beginning with zero.
fn digit(letter: char) -> Option<char> {
    if letter.is_ascii() {
        return letter.is_ascii_digit().then_some(letter);
    }
    let is_digit = |code: u32| {
        char::from_u32(code).is_some_and(|one| DIGIT.is_match(one.encode_utf8(&mut [0; 4])).unwrap_or(false))
    };
    if !letter.is_numeric() || !is_digit(letter.into()) {
        return None;
    }
    let code = u32::from(letter);
    let before = (1..).take_while(|back| is_digit(code - back)).count();
    char::from_digit(u32::try_from(before % 10).ok()?, 10)
}

/// One line of at most 240 characters.
pub fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(240) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
