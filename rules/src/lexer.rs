//! Tokens of the expression language, each with its place in the file.
//!
//! It does not depend on which names exist or what they mean.

use crate::diagnostic::{Diagnostics, Span};
use crate::habit::{CURRENCY_SIGNS, amount_help, is_currency, thousands};
use crate::money::Decimal;
use crate::text::visible;
use crate::time::{Ms, parse_duration};
use crate::yaml::Positions;

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// `12`, `0.5`, and `5%` as 0.05.
    Number(Decimal),
    /// `10m`, in milliseconds.
    Duration(Ms),
    /// A quoted text, without its quotes.
    Text(String),
    /// A name, maybe dotted.
    Name(String),
    /// `$name`, without the sign.
    Param(String),
    /// `@name`, without the sign.
    List(String),
    /// An operator, a bracket, a comma or a word of the language.
    Sign(&'static str),
}

/// A token and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Lexeme {
    /// The token.
    pub token: Token,
    /// Its place.
    pub span: Span,
}

const WORDS: [&str; 9] = ["and", "or", "not", "in", "between", "is", "missing", "true", "false"];
const SIGNS: [&str; 16] =
    ["==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "(", ")", "[", "]", ",", "%"];
/// Operators of other languages, and what to write instead.
const HABITS: [(&str, &str); 10] = [
    ("≥", "write `>=` instead of `≥`"),
    ("≤", "write `<=` instead of `≤`"),
    ("≠", "write `!=` instead of `≠`"),
    ("−", "write the hyphen `-` instead of the sign `−`"),
    ("–", "write the hyphen `-` instead of the dash `–`"),
    ("&&", "write `and` instead of `&&`"),
    ("||", "write `or` instead of `||`"),
    ("<>", "write `!=` instead of `<>`"),
    ("=", "`=` does not compare; write `==`"),
    ("!", "write `not` instead of `!`"),
];
/// Quotation marks of word processors. Each is one character, and none of them opens a text.
const CURLY: [char; 9] = ['“', '”', '„', '‟', '«', '»', '‘', '’', '‚'];

/// The text of an expression inside a scalar, with the places of its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    /// The expression.
    pub text: &'a str,
    /// Where it starts in the scalar's text.
    pub base: usize,
    /// Places of the scalar's text.
    pub positions: &'a Positions,
}

impl Written<'_> {
    /// Place of a range of the expression's bytes.
    pub fn span(&self, start: usize, end: usize) -> Span {
        self.positions.span(self.base + start..self.base + end)
    }
}

/// All tokens, or `None` when a character belongs to no token; every such character is reported.
pub fn tokens(written: Written<'_>, problems: &mut Diagnostics) -> Option<Vec<Lexeme>> {
    let mut found = Vec::new();
    let mut fine = true;
    let mut at = 0;
    while let Some(first) = written.text[at..].chars().next() {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let rest = &written.text[at..];
        let is_grouped = written.text[..at].ends_with(|before: char| before.is_ascii_digit());
        let (token, length) = if is_grouped && first == '\'' { apostrophe(rest) } else { token(rest, first) };
        match token {
            Ok(token) => {
                found.push(Lexeme { token, span: written.span(at, at + length) });
            }
            Err(Wrong { code, message, help }) => {
                fine = false;
                problems.error(code, message, written.span(at, at + length)).label("here").help_maybe(help);
            }
        }
        at += length;
    }
    fine.then_some(found)
}

struct Wrong {
    code: &'static str,
    message: String,
    help: Option<String>,
}

fn wrong(code: &'static str, message: impl Into<String>) -> Result<Token, Wrong> {
    Err(Wrong { code, message: message.into(), help: None })
}

fn token(rest: &str, first: char) -> (Result<Token, Wrong>, usize) {
    match first {
        '"' | '\'' => quoted(rest, first),
        '0'..='9' => number(rest),
        _ if CURRENCY_SIGNS.contains(&first) && is_sign_of_amount(rest, first) => currency_sign(rest, first),
        '$' | '@' => {
            let length = 1 + name_length(&rest[1..]);
            if length == 1 {
                return (wrong("E100", format!("`{first}` must be followed by a name")), 1);
            }
            let name = rest[1..length].to_owned();
            (Ok(if first == '$' { Token::Param(name) } else { Token::List(name) }), length)
        }
        'a'..='z' | 'A'..='Z' | '_' => {
            let length = name_length(rest);
            let word = &rest[..length];
            let token = match WORDS.iter().find(|known| known.eq_ignore_ascii_case(word)) {
                Some(known) if *known == word => Ok(Token::Sign(known)),
                // No name has a capital letter, so nothing else can be meant.
                Some(known) => wrong("E100", format!("write `{known}` instead of `{word}`")),
                None => Ok(Token::Name(word.to_owned())),
            };
            (token, length)
        }
        _ if CURLY.contains(&first) => curly(rest, first),
        _ => sign(rest, first),
    }
}

/// Whether a sign of a currency stands beside a number. `$` also begins the name of a parameter.
fn is_sign_of_amount(rest: &str, first: char) -> bool {
    first != '$' || rest[1..].starts_with(|next: char| next.is_ascii_digit())
}

/// `€3000`, or the sign behind a number.
fn currency_sign(rest: &str, first: char) -> (Result<Token, Wrong>, usize) {
    let sign = first.len_utf8();
    let number = rest[sign..].bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let digits = &rest[sign..sign + number];
    let wrong = Wrong {
        code: "E100",
        message: format!("unexpected sign of a currency `{first}`"),
        help: Some(amount_help(if digits.is_empty() { "3000" } else { digits })),
    };
    (Err(wrong), sign + number)
}

/// An apostrophe between thousands: the rest of the number.
fn apostrophe(rest: &str) -> (Result<Token, Wrong>, usize) {
    let length = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'\'').count();
    let wrong = Wrong {
        code: "E106",
        message: "an apostrophe inside a number".to_owned(),
        help: Some("thousands are written without a sign, `1000`, or with `_`, `1_000`".to_owned()),
    };
    (Err(wrong), length)
}

fn sign(rest: &str, first: char) -> (Result<Token, Wrong>, usize) {
    let two = SIGNS.iter().filter(|sign| sign.len() == 2).find(|sign| rest.starts_with(**sign));
    if let Some(sign) = two {
        return (Ok(Token::Sign(sign)), 2);
    }
    if let Some((habit, message)) = HABITS.iter().find(|(habit, _)| rest.starts_with(habit)) {
        return (wrong("E100", *message), habit.len());
    }
    match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
        Some(sign) => (Ok(Token::Sign(sign)), 1),
        None => (wrong("E100", format!("unexpected character `{first}`")), first.len_utf8()),
    }
}

/// Length of a name in bytes: words of letters, digits and `_`, joined by dots.
fn name_length(text: &str) -> usize {
    let mut length = 0;
    for (at, character) in text.char_indices() {
        let joins = character == '.'
            && at > 0
            && text[at + 1..].starts_with(|next: char| next.is_ascii_alphabetic() || next == '_');
        if !(character.is_ascii_alphanumeric() || character == '_' || joins) {
            break;
        }
        length = at + 1;
    }
    length
}

fn quoted(rest: &str, quote: char) -> (Result<Token, Wrong>, usize) {
    match rest[1..].find(quote) {
        // Events' texts are without hidden characters as well.
        Some(end) => (Ok(Token::Text(visible(&rest[1..=end]).into_owned())), end + 2),
        None => (wrong("E101", "this text is never closed"), rest.trim_end().len()),
    }
}

/// A text in the quotation marks of a word processor: one error for both of them.
fn curly(rest: &str, first: char) -> (Result<Token, Wrong>, usize) {
    let inside = &rest[first.len_utf8()..];
    let (text, length) = match inside.char_indices().find(|(_, character)| CURLY.contains(character)) {
        Some((end, mark)) => (Some(&inside[..end]), first.len_utf8() + end + mark.len_utf8()),
        None => (None, first.len_utf8()),
    };
    let wrong = Wrong {
        code: "E100",
        message: format!("`{first}` is not a quotation mark of the language; write the straight `\"`"),
        help: text.map(|text| format!("write \"{text}\"")),
    };
    (Err(wrong), length)
}

fn number(rest: &str) -> (Result<Token, Wrong>, usize) {
    let digits = |text: &str| text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'_').count();
    let mut length = digits(rest);
    let fraction = rest[length..].strip_prefix('.').map_or(0, digits);
    if fraction > 0 {
        length += 1 + fraction;
    }
    let groups = groups(&rest[length..]);
    if fraction > 0 && groups > 0 {
        let whole = length + groups;
        let wrong = Wrong {
            code: "E106",
            message: format!("`{}` has more than one point", &rest[..whole]),
            help: thousands(&rest[..whole])
                .map(|digits| format!("thousands are written without a sign: `{digits}`")),
        };
        return (Err(wrong), whole);
    }
    if rest[length..].starts_with('%') {
        length += 1;
        let share = Decimal::parse_share(&rest[..length]);
        return (share.map(Token::Number).ok_or_else(too_long), length);
    }
    let unit =
        rest[length..].bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    if unit == 0 {
        return (Decimal::parse(&rest[..length]).map(Token::Number).ok_or_else(too_long), length);
    }
    let whole = length + unit;
    let Some(duration) = parse_duration(&rest[..whole]) else {
        let durations = "durations are written `30s`, `10m`, `24h`, `90d`, at most 36500d; percentages `5%`";
        let is_amount = is_currency(&rest[length..whole]);
        let wrong = Wrong {
            code: "E106",
            message: format!("`{}` is neither a number nor a duration", &rest[..whole]),
            help: Some(if is_amount { amount_help(&rest[..length]) } else { durations.to_owned() }),
        };
        return (Err(wrong), whole);
    };
    (Ok(Token::Duration(duration)), whole)
}

/// Length of further groups of digits behind a point each: of `.000` in `1.000.000`.
fn groups(rest: &str) -> usize {
    let mut length = 0;
    while let Some(group) = rest[length..].strip_prefix('.') {
        let digits = group.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            break;
        }
        length += 1 + digits;
    }
    length
}

fn too_long() -> Wrong {
    Wrong { code: "E106", message: "this number has too many digits".to_owned(), help: None }
}

/// The words of a text that can be names: what an expression that cannot be read may refer to.
pub fn names(text: &str) -> Vec<String> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || "_.".contains(character);
    text.split(|character| !is_part(character))
        .filter(|word| word.starts_with(|first: char| first.is_ascii_lowercase()))
        .map(|word| word.trim_end_matches('.').to_owned())
        .collect()
}
