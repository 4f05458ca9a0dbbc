//! Text of reports: durations, amounts and tables. It does not depend on a command.

use tripline_rules::money::Currency;
use tripline_rules::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

/// Columns of a terminal, which tables and sentences fit.
pub const WIDTH: usize = 80;

/// The two largest units, rounded down: `97 d 1 h`.
pub fn duration(ms: i64) -> String {
    const UNITS: [(i64, &str); 4] = [(DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "min"), (SECOND_MS, "s")];
    let mut rest = ms;
    let mut parts = Vec::new();
    for (unit, name) in UNITS {
        if rest >= unit && parts.len() < 2 {
            parts.push(format!("{} {name}", rest / unit));
        }
        rest %= unit;
    }
    if parts.is_empty() { format!("{ms} ms") } else { parts.join(" ") }
}

/// `1,234,567`
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1,234.50 USD`: an amount in minor units, with the code of its currency.
pub fn money(minor: i64, code: &str) -> String {
    let exponent = Currency::by_code(code).map_or(2, Currency::exponent);
    let unit = 10_u64.pow(u32::from(exponent));
    let magnitude = minor.unsigned_abs();
    let sign = if minor < 0 { "-" } else { "" };
    let decimals = match exponent {
        0 => String::new(),
        _ => format!(".{:0width$}", magnitude % unit, width = usize::from(exponent)),
    };
    format!("{sign}{}{decimals} {code}", grouped(magnitude / unit))
}

/// Lines of at most so many characters, broken at blanks and after `|`; a longer word has a line of its own.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ').flat_map(|word| word.split_inclusive('|').enumerate()) {
        let (part, word) = word;
        let line = lines.last_mut().expect("never empty");
        let blank = usize::from(part == 0 && !line.is_empty());
        if !line.is_empty() && line.chars().count() + blank + word.chars().count() > width {
            lines.push(word.to_owned());
            continue;
        }
        if blank == 1 {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines
}

/// Rows in columns as wide as their widest word, two blanks apart, each row on a line.
pub fn table<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_its_two_largest_units() {
        assert_eq!(duration(90 * 86_400_000), "90 d");
        assert_eq!(duration(8_385_300_000), "97 d 1 h");
        assert_eq!(duration(180_000), "3 min");
        assert_eq!(duration(86_400_000 + 1_500), "1 d 1 s");
        assert_eq!(duration(250), "250 ms");
    }

    #[test]
    fn money_has_the_decimals_of_its_currency() {
        assert_eq!(money(6_421_000, "EUR"), "64,210.00 EUR");
        assert_eq!(money(123_450, "USD"), "1,234.50 USD");
        assert_eq!(money(-7, "EUR"), "-0.07 EUR");
        assert_eq!(money(-1_234_567, "KWD"), "-1,234.567 KWD");
        assert_eq!(money(1_000_000, "JPY"), "1,000,000 JPY");
    }

    #[test]
    fn lines_break_at_blanks_and_behind_bars() {
        assert_eq!(wrapped("how it was made: pos|ecom|atm", 21), ["how it was made: pos|", "ecom|atm"]);
        assert_eq!(wrapped("how it was made: pos|ecom|atm", 20), ["how it was made:", "pos|ecom|atm"]);
        assert_eq!(wrapped("how it was made: pos|ecom|atm", 80), ["how it was made: pos|ecom|atm"]);
        assert_eq!(wrapped("unbreakable", 3), ["unbreakable"]);
        assert_eq!(wrapped("", 3), [""]);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_word() {
        let rows = [["topic", "n"], ["bank.events", "12"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), ["topic        n", "bank.events  12"]);
    }
}
