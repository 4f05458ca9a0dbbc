//! A record of a sample as it was written: the text of every value by its place, a JSON pointer or a column. It does
//! not depend on fields or a mapping.

use serde_json::Value;
use std::collections::BTreeMap;
use tripline_core::decode::Format;

/// Values by place. A text of JSON is quoted, so that `"5"` and `5` differ.
pub type Written = BTreeMap<String, String>;

/// How the records of a sample are written.
pub enum Layout {
    /// One JSON object a record.
    Json,
    /// Cells in the order of these columns.
    Csv { delimiter: u8, columns: Vec<String> },
}

impl Layout {
    /// The layout of a format; `header` is the line that names the columns of CSV.
    pub fn of(format: Format, header: Option<&[u8]>) -> Layout {
        match format {
            Format::Json => Layout::Json,
            Format::Csv { delimiter } => {
                let columns = cells(header.unwrap_or_default(), delimiter);
                Layout::Csv { delimiter, columns }
            }
        }
    }

    /// The values of a record that the decoder has accepted.
    pub fn read(&self, record: &[u8]) -> Written {
        let mut written = Written::new();
        match self {
            Layout::Json => {
                if let Ok(value) = serde_json::from_slice(record) {
                    flatten(String::new(), &value, &mut written);
                }
            }
            Layout::Csv { delimiter, columns } => {
                written.extend(columns.iter().cloned().zip(cells(record, *delimiter)));
            }
        }
        written
    }
}

fn cells(line: &[u8], delimiter: u8) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).delimiter(delimiter).from_reader(line);
    let record = reader.records().next().and_then(Result::ok).unwrap_or_default();
    record.iter().map(|cell| cell.trim_start_matches('\u{feff}').to_owned()).collect()
}

fn flatten(place: String, value: &Value, into: &mut Written) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let key = key.replace('~', "~0").replace('/', "~1");
                flatten(format!("{place}/{key}"), value, into);
            }
        }
        Value::Array(elements) => {
            for (number, value) in elements.iter().enumerate() {
                flatten(format!("{place}/{number}"), value, into);
            }
        }
        Value::Null => {}
        leaf => {
            into.insert(place, leaf.to_string());
        }
    }
}

/// A place with `*` for the numbers of elements: the places of all elements of an array are one.
pub fn pattern(place: &str) -> String {
    let is_number = |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit());
    let keys: Vec<&str> = place.split('/').map(|key| if is_number(key) { "*" } else { key }).collect();
    keys.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_place() {
        let written =
            Layout::Json.read(br#"{"a":{"b/c":"5","n":5,"none":null},"list":[{"x":1},{"x":true}]}"#);
        let expected = [("/a/b~1c", "\"5\""), ("/a/n", "5"), ("/list/0/x", "1"), ("/list/1/x", "true")];
        assert_eq!(written, expected.map(|(place, text)| (place.to_owned(), text.to_owned())).into());
        let format = Format::Csv { delimiter: b';' };
        let layout = Layout::of(format, Some("\u{feff}id;amount".as_bytes()));
        let written = layout.read(b"7;\"1;5\"");
        assert_eq!(
            written,
            [("id", "7"), ("amount", "1;5")].map(|(c, t)| (c.to_owned(), t.to_owned())).into()
        );
    }

    #[test]
    fn the_places_of_all_elements_are_one() {
        assert_eq!(pattern("/entries/12/amount"), pattern("/entries/0/amount"));
        assert_eq!(pattern("/entries2/amount"), "/entries2/amount");
    }
}
