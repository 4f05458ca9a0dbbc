//! Lists of values from CSV files, which `in @name` tests.
//!
//! It does not read files; it is given their text. Its messages name lines and columns and show no cell: a path may
//! name any file.

use crate::diagnostic::nearest;
use crate::money::Decimal;
use crate::pack::ListText;
use crate::text::visible;
use crate::time::Ms;
use csv::{Position, StringRecord};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::str::FromStr;

/// An entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<T> {
    /// The value as it is written.
    pub value: T,
    /// The first instant at which the value is no longer in the list; `None` when it stays.
    pub end: Option<Ms>,
}

/// The entries of a list; numbers as exact decimals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entries {
    /// Texts.
    Texts(Vec<Entry<String>>),
    /// Numbers.
    Numbers(Vec<Entry<Decimal>>),
}

/// Reads the CSV text of a list. An entry with an `expires` day ends with that day in the zone.
///
/// # Errors
/// The first error in the file, one line.
pub fn read(list: &ListText, text: &str, zone: &TimeZone) -> Result<Entries, String> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    check_quotes(&text)?;
    let mut csv = csv::ReaderBuilder::new().flexible(false).from_reader(text.as_bytes());
    let headers = csv.headers().map_err(|error| wrong_row(&error, &text))?.clone();
    check_separator(headers.iter())?;
    let (column, expires) = columns(list, &headers)?;
    let mut entries: Vec<Entry<String>> = Vec::new();
    let mut places = Vec::new();
    for record in csv.records() {
        let record = record.map_err(|error| wrong_row(&error, &text))?;
        let line = || line_of(&text, record.position());
        let day = expires.and_then(|at| record.get(at)).map(shown).filter(|day| !day.is_empty());
        let end = match day {
            None => None,
            Some(day) => end_of(&day, zone)
                .ok_or_else(|| format!("line {}: `expires` is not a date such as 2027-01-31", line()))?,
        };
        match record.get(column).map(shown) {
            Some(value) if !value.is_empty() => entries.push(Entry { value, end }),
            _ => return Err(format!("line {}: empty entry", line())),
        }
        places.push(record.position().cloned());
        if entries.len() > list.entries_max {
            return Err(format!("more than {} entries", list.entries_max));
        }
    }
    if !list.numbers {
        return Ok(Entries::Texts(entries));
    }
    let number = |(entry, place): (Entry<String>, Option<Position>)| {
        let value = Decimal::parse(&entry.value)
            .ok_or_else(|| format!("line {}: the entry is not a number", line_of(&text, place.as_ref())))?;
        Ok(Entry { value, end: entry.end })
    };
    entries.into_iter().zip(places).map(number).collect::<Result<_, _>>().map(Entries::Numbers)
}

/// A cell as it is compared: events' texts are without hidden characters as well.
fn shown(cell: &str) -> String {
    visible(cell).trim().to_owned()
}

/// The columns of the entries and of their last days. The first line of another file may hold a secret: only names that
/// are close to expected ones are shown.
fn columns(list: &ListText, headers: &StringRecord) -> Result<(usize, Option<usize>), String> {
    let names: Vec<String> = headers.iter().map(shown).collect();
    let lower: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    for (at, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        let same = |other: usize| names[other] == *name || lower[at] == EXPIRES && lower[other] == EXPIRES;
        if let Some(first) = (0..at).find(|other| same(*other)) {
            return Err(format!("columns {} and {} have the same name", first + 1, at + 1));
        }
    }
    let column = match &list.column {
        None if headers.is_empty() => return Err("the file is empty".to_owned()),
        None => 0,
        Some(column) => names.iter().position(|name| *name == column.text).ok_or_else(|| {
            let near = nearest(&column.text.to_ascii_lowercase(), lower.iter().map(String::as_str))
                .and_then(|near| lower.iter().position(|name| name == near))
                .map_or(String::new(), |at| format!("; did you mean `{}`?", names[at]));
            format!("the first line names no column `{}`; it has {} columns{near}", column.text, names.len())
        })?,
    };
    let expires = lower.iter().position(|name| name == EXPIRES);
    let near = (0..names.len()).find(|at| *at != column && nearest(&lower[*at], [EXPIRES]).is_some());
    match (expires, near) {
        (None, Some(at)) => Err(format!("did you mean `{EXPIRES}` by column {}, `{}`?", at + 1, names[at])),
        _ => Ok((column, expires)),
    }
}

/// Name of the column of last days.
const EXPIRES: &str = "expires";

/// The first instant after a day in a zone; `Some(None)` in the year 9999, which stands for no end, and `None` when the
/// text is not a date.
#[expect(clippy::option_option, reason = "a day without an end and no day are two things")]
fn end_of(day: &str, zone: &TimeZone) -> Option<Option<Ms>> {
    let day = Date::from_str(day).ok()?;
    if day.year() == 9_999 {
        return Some(None);
    }
    let next = day.tomorrow().ok()?;
    Some(Some(next.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond()))
}

/// The line of a record, which may stand behind empty lines.
fn line_of(text: &str, position: Option<&Position>) -> usize {
    let at = position.and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or_default();
    let (before, rest) = text.split_at(at.min(text.len()));
    let empty = rest.len() - rest.trim_start_matches('\n').len();
    1 + before.matches('\n').count() + empty
}

/// What is wrong with a row, without its content.
fn wrong_row(error: &csv::Error, text: &str) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = line_of(text, pos.as_ref());
            format!(
                "line {line}: {len} columns, and the first line has {expected_len}; quote an entry that contains a comma"
            )
        }
        _ => error.to_string(),
    }
}

/// A single column whose name contains a separator of another kind.
fn check_separator<'a>(mut headers: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let (Some(only), None) = (headers.next(), headers.next()) else { return Ok(()) };
    for (separator, called) in [(';', "`;` (semicolons)"), ('\t', "tabs")] {
        if only.contains(separator) {
            return Err(format!("its columns are separated by {called}; save it as CSV with commas"));
        }
    }
    Ok(())
}

/// A quoted entry that contains a line end: its quote is not closed where it was meant to be, and the entries of the
/// next lines would be part of it.
fn check_quotes(text: &str) -> Result<(), String> {
    let (mut line, mut opened) = (1, None);
    let mut at_start = true;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, opened) {
            ('"', None) if at_start => opened = Some(line),
            ('"', Some(_)) if characters.peek() == Some(&'"') => {
                characters.next();
            }
            ('"', Some(_)) => opened = None,
            ('\n', Some(line)) => return Err(format!("line {line}: a quote is not closed on its line")),
            _ => {}
        }
        at_start = matches!(character, ',' | '\n' | '\r');
        line += u64::from(character == '\n');
    }
    match opened {
        Some(line) => Err(format!("line {line}: a quote is never closed")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Span;
    use crate::pack::Name;

    fn list(column: Option<&str>, numbers: bool) -> ListText {
        let name = |text: &str| Name { text: text.to_owned(), span: Span::default() };
        ListText {
            name: name("l"),
            file: name("l.csv"),
            column: column.map(name),
            numbers,
            entries_max: 3,
            zone: None,
        }
    }

    fn entry(value: &str, end: Option<Ms>) -> Entry<String> {
        Entry { value: value.to_owned(), end }
    }

    #[test]
    fn an_entry_ends_with_its_day_in_the_zone() {
        let text = "\u{feff}terminal,expires\nT1,2027-01-31\nT2,\n";
        let list = list(Some("terminal"), false);
        // Midnight after the day is 2027-02-01T00:00Z, and 23:00Z the day before in Oslo.
        for (zone, end) in [("UTC", 1_801_440_000_000), ("Europe/Oslo", 1_801_436_400_000)] {
            let zone = crate::function::zone(zone).unwrap();
            let read = read(&list, text, &zone);
            assert_eq!(read, Ok(Entries::Texts(vec![entry("T1", Some(end)), entry("T2", None)])));
        }
        // The night in which clocks go back has 25 hours, and a day without midnight ends all the same.
        let lisbon = crate::function::zone("Europe/Lisbon").unwrap();
        assert_eq!(end_of("2026-10-25", &lisbon), Some(Some(1_792_972_800_000)));
        assert_eq!(end_of("2026-02-30", &lisbon), None);
        assert_eq!(end_of("9999-12-31", &lisbon), Some(None));
    }

    #[test]
    fn an_invalid_file_is_refused_with_its_line_and_without_its_content() {
        let texts = || list(None, false);
        for (list, text, message) in [
            (list(Some("x"), false), "hunter2,b\n1,2\n", "no column `x`"),
            (texts(), "a,expires\nhunter2,soon\n", "line 2"),
            (texts(), "a,expires\n1,hunter2\n", "line 2"),
            (texts(), "a\n1\n2\n3\nhunter2\n", "more than 3"),
            (list(None, true), "a\nhunter2\n", "not a number"),
            (texts(), "a,b\nhunter2\n", "line 2: 1 columns"),
            (list(None, true), "a\r\n1\r\n\r\nhunter2\r\n", "line 4: the entry is not a number"),
            (texts(), "a,expires\r\n1,\r\n2,hunter2\r\n", "line 3"),
            (texts(), "a,b,a\nhunter2,1,2\n", "columns 1 and 3"),
            (texts(), "a,expires,Expires\nhunter2,,\n", "columns 2 and 3"),
            (texts(), "a,expired\nhunter2,\n", "did you mean `expires`"),
            (list(Some("code"), false), "Code,b\nhunter2,1\n", "did you mean `Code`"),
            (texts(), "a;b\nhunter2;1\n", "semicolons"),
            (texts(), "a\tb\nhunter2\t1\n", "tabs"),
            (texts(), "a\n1\n\"hunter2\n3\n", "line 3: a quote"),
            (texts(), "a\n\"hunter2\n\"3\n", "line 2: a quote"),
            (texts(), "a\n\"hunter2", "line 2: a quote"),
        ] {
            let refused = read(&list, text, &TimeZone::UTC).unwrap_err();
            assert!(refused.contains(message) && !refused.contains("hunter2"), "{text:?}: {refused}");
        }
        let quoted = read(&texts(), "a\n\"b, \"\"c\"\"\"\n5\" pipe\n", &TimeZone::UTC);
        assert_eq!(quoted, Ok(Entries::Texts(vec![entry("b, \"c\"", None), entry("5\" pipe", None)])));
    }

    #[test]
    fn names_of_columns_and_entries_are_read_as_they_are_seen() {
        let text = " Code ,EXPIRES\r\nCafe\u{200b}Roma,2027-01-31\r\nT2\u{feff} ,9999-12-31\r\n";
        let read = read(&list(Some("Code"), false), text, &TimeZone::UTC);
        let end = Some(1_801_440_000_000);
        assert_eq!(read, Ok(Entries::Texts(vec![entry("CafeRoma", end), entry("T2", None)])));
    }
}
