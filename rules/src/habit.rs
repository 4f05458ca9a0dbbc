//! What people write out of habit: operators that are words, amounts with their currency, signs between thousands. It
//! does not depend on how an expression is read.

use crate::money::{Currency, Decimal};

/// Words that stand between two values in other languages, and what to write instead.
const WORDS: [(&str, &str); 17] = [
    ("contains", "write `matches(x, \"text\")`: the pattern is found anywhere in the text"),
    ("like", "write `matches(x, \"pattern\")`, a regular expression, or `starts_with(x, \"text\")`"),
    ("matches", "`matches` is a function: write `matches(x, \"pattern\")`"),
    ("regex", "write `matches(x, \"pattern\")`"),
    ("starts_with", "`starts_with` is a function: write `starts_with(x, \"text\")`"),
    ("startswith", "write `starts_with(x, \"text\")`"),
    ("begins", "write `starts_with(x, \"text\")`"),
    ("ends_with", "write `matches(x, \"text$\")`"),
    ("endswith", "write `matches(x, \"text$\")`"),
    ("equals", "write `==`"),
    ("eq", "write `==`"),
    ("ne", "write `!=`"),
    ("gt", "write `>`"),
    ("ge", "write `>=`"),
    ("lt", "write `<`"),
    ("le", "write `<=`"),
    ("of", "write `*`: `50% * x` is half of `x`"),
];

/// Signs of currencies.
pub const CURRENCY_SIGNS: [char; 4] = ['€', '£', '¥', '$'];

/// What to write instead of a word between two values.
pub fn operator(word: &str) -> Option<&'static str> {
    WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, help)| *help)
}

/// Whether a word is the code of a currency, in whatever letters.
pub fn is_currency(word: &str) -> bool {
    Currency::by_code(&word.to_ascii_uppercase()).is_some()
}

/// What to write instead of an amount with its currency.
pub fn amount_help(number: &str) -> String {
    format!("an amount is written without its currency, which is that of the field beside it: `{number}`")
}

/// The number of an amount that is written with its currency: of `3000 EUR`, `€3000` and `3000€`.
pub fn amount(text: &str) -> Option<&str> {
    let is_sign = |c: char| CURRENCY_SIGNS.contains(&c);
    let number = text.trim_matches(|c: char| is_sign(c) || c.is_whitespace() || c.is_ascii_alphabetic());
    let unit = text.replacen(number, "", 1);
    let is_unit = unit.contains(is_sign) || is_currency(unit.trim());
    (is_unit && Decimal::parse(number).is_some()).then_some(number)
}

/// The digits of a number whose point seems to stand between thousands: of `10.000`, in a currency of two decimals.
pub fn thousands(text: &str) -> Option<String> {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (whole, rest) = text.split_once('.')?;
    let is_digits = |part: &str, most: usize| {
        (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let groups = rest.split('.').all(|group| group.len() == 3 && is_digits(group, 3));
    (is_digits(whole, 3) && !whole.starts_with('0') && groups).then(|| text.replace('.', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_found_beside_its_currency() {
        for text in ["3000 EUR", "3000EUR", "EUR 3000", "€3000", "3000 €", "usd 3000", "$3000"] {
            assert_eq!(amount(text), Some("3000"), "{text}");
        }
        for other in ["3000", "3000 km", "EUR", "10m", "EUR 3,5", ""] {
            assert_eq!(amount(other), None, "{other}");
        }
    }

    #[test]
    fn three_decimals_may_be_thousands() {
        assert_eq!(thousands("10.000").as_deref(), Some("10000"));
        assert_eq!(thousands("-1.234.567").as_deref(), Some("1234567"));
        for other in ["10.00", "0.125", "1000.000", "10", "10.0000", "5%"] {
            assert_eq!(thousands(other), None, "{other}");
        }
    }
}
