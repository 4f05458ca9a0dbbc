//! Lists of values from CSV files, which `in @name` tests.
//!
//! It does not read files; it is given their text.

use crate::money::Decimal;
use crate::pack::ListText;
use crate::time::{DAY_MS, Ms};
use jiff::civil::Date;
use std::str::FromStr;

/// The entries of a list as they are written; numbers as exact decimals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entries {
    /// Texts.
    Texts(Vec<String>),
    /// Numbers.
    Numbers(Vec<Decimal>),
}

/// Reads the CSV text of a list. Entries whose `expires` day has passed at `now` (UTC) are left out.
///
/// # Errors
/// The first error in the file, one line.
pub fn read(list: &ListText, text: &str, now: Option<Ms>) -> Result<Entries, String> {
    let mut csv = csv::ReaderBuilder::new().flexible(false).from_reader(text.as_bytes());
    let headers = csv.headers().map_err(|error| error.to_string())?.clone();
    let column = match &list.column {
        None if headers.is_empty() => return Err("the file is empty".to_owned()),
        None => 0,
        Some(name) => headers.iter().position(|header| header.trim() == name.text).ok_or_else(|| {
            // The path may name any file, and its first line may hold a secret.
            format!("the first line names no column `{}`; it has {} columns", name.text, headers.len())
        })?,
    };
    let expires = headers.iter().position(|header| header.trim() == "expires");
    let (mut texts, mut lines) = (Vec::new(), Vec::new());
    for record in csv.records() {
        let record = record.map_err(|error| error.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        if let Some(day) = expires.and_then(|at| record.get(at)).map(str::trim).filter(|day| !day.is_empty())
            && is_over(day, now)
                .ok_or_else(|| format!("line {line}: `expires` is not a date such as 2027-01-31"))?
        {
            continue;
        }
        match record.get(column).map(str::trim) {
            Some(value) if !value.is_empty() => {
                texts.push(value.to_owned());
                lines.push(line);
            }
            _ => return Err(format!("line {line}: empty entry")),
        }
        if texts.len() > list.entries_max {
            return Err(format!("more than {} entries", list.entries_max));
        }
    }
    if !list.numbers {
        return Ok(Entries::Texts(texts));
    }
    let numbers: Result<Vec<Decimal>, String> = texts
        .iter()
        .zip(lines)
        .map(|(text, line)| {
            Decimal::parse(text).ok_or_else(|| format!("line {line}: the entry is not a number"))
        })
        .collect();
    numbers.map(Entries::Numbers)
}

/// Whether a day has passed; `None` when it is not a date.
fn is_over(day: &str, now: Option<Ms>) -> Option<bool> {
    let date = Date::from_str(day).ok()?;
    let start = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond();
    Some(now.is_some_and(|now| now >= start + DAY_MS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Span;
    use crate::pack::Name;

    fn list(column: Option<&str>, numbers: bool) -> ListText {
        let name = |text: &str| Name { text: text.to_owned(), span: Span::default() };
        ListText { name: name("l"), file: name("l.csv"), column: column.map(name), numbers, entries_max: 3 }
    }

    #[test]
    fn an_entry_holds_through_its_last_day() {
        let text = "terminal,expires\nT1,2027-01-31\nT2,\n";
        let last = 1_801_439_999_999; // 2027-01-31T23:59:59.999Z
        let all = Entries::Texts(vec!["T1".to_owned(), "T2".to_owned()]);
        let list = list(Some("terminal"), false);
        assert_eq!(read(&list, text, None), Ok(all.clone()));
        assert_eq!(read(&list, text, Some(last)), Ok(all));
        assert_eq!(read(&list, text, Some(last + 1)), Ok(Entries::Texts(vec!["T2".to_owned()])));
    }

    #[test]
    fn an_invalid_file_is_refused_with_its_line() {
        let texts = list(None, false);
        assert!(read(&list(Some("x"), false), "a,b\n1,2\n", None).unwrap_err().contains("no column `x`"));
        let secret = "hunter2-a,b\nhunter2-b,hunter2-c\n";
        for (list, text) in [
            (list(Some("x"), false), secret),
            (list(None, true), secret),
            (list(None, false), "a,expires\n1,hunter2\n"),
        ] {
            assert!(!read(&list, text, None).unwrap_err().contains("hunter2"));
        }
        assert!(read(&texts, "a,expires\n1,soon\n", None).unwrap_err().contains("line 2"));
        assert!(read(&texts, "a\n1\n2\n3\n4\n", None).unwrap_err().contains("more than 3"));
        assert!(read(&list(None, true), "a\nx\n", None).unwrap_err().contains("not a number"));
        assert!(read(&texts, "a,b\n1\n", None).is_err());
    }
}
