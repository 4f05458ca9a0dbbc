//! A line of `tripline dump`: `{partition, offset, appended_at, key, value}`. Bytes that are not UTF-8 are in
//! `key_hex` and
//! `value_hex`.

use crate::json::JsonError;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use tripline_core::batch::Timestamp;

/// A dumped record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dumped {
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: i64,
    /// When it was appended.
    pub appended_at: Option<Timestamp>,
    /// Its key.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Written<'a> {
    partition: u32,
    offset: i64,
    appended_at: Option<Timestamp>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    key: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    value: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_hex: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value_hex: Option<String>,
}

/// Why a line is not a dumped record.
#[derive(Debug, thiserror::Error)]
pub enum DumpedError {
    /// Not such an object.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Not pairs of hexadecimal digits.
    #[error("bytes are written as pairs of hexadecimal digits")]
    Hex,
}

impl Dumped {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is not a dumped record.
    pub fn read(line: &[u8]) -> Result<Dumped, DumpedError> {
        let written: Written<'_> = serde_json::from_slice(line).map_err(JsonError::from)?;
        Ok(Dumped {
            partition: written.partition,
            offset: written.offset,
            appended_at: written.appended_at,
            key: bytes(written.key, written.key_hex)?,
            value: bytes(written.value, written.value_hex)?,
        })
    }

    /// The line, without its end.
    ///
    /// # Panics
    /// Never: such an object is always JSON.
    pub fn line(&self) -> String {
        let (key, key_hex) = texts(&self.key);
        let (value, value_hex) = texts(&self.value);
        let written = Written {
            partition: self.partition,
            offset: self.offset,
            appended_at: self.appended_at,
            key,
            value,
            key_hex,
            value_hex,
        };
        serde_json::to_string(&written).expect("texts and numbers are JSON")
    }
}

/// Whether a line has the keys of a dumped record and no others, in any order. [`Dumped::read`] checks the values.
pub fn is_dumped(line: &[u8]) -> bool {
    const NEEDED: [&[&str]; 3] = [&["partition"], &["offset"], &["value", "value_hex"]];
    const ALL: [&str; 7] = ["partition", "offset", "appended_at", "key", "value", "key_hex", "value_hex"];
    let Ok(keys) = serde_json::from_slice::<BTreeMap<Cow<'_, str>, IgnoredAny>>(line) else { return false };
    keys.keys().all(|key| ALL.contains(&&**key))
        && NEEDED.iter().all(|any| any.iter().any(|key| keys.contains_key(*key)))
}

fn bytes(text: Option<Cow<'_, str>>, hex: Option<String>) -> Result<Vec<u8>, DumpedError> {
    let Some(hex) = hex else { return Ok(text.unwrap_or_default().into_owned().into_bytes()) };
    let digits: Vec<u8> = hex
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or(DumpedError::Hex))
        .collect::<Result<_, _>>()?;
    let pairs = digits.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return Err(DumpedError::Hex);
    }
    Ok(pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn texts(bytes: &[u8]) -> (Option<Cow<'_, str>>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(Cow::Borrowed(text)), None),
        Err(_) => (None, Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives() {
        for value in [&b"{\"id\":\"\xc3\xa9\"}"[..], b"", b"\xff\x00broken"] {
            let record = Dumped {
                partition: 3,
                offset: 17,
                appended_at: Some(Timestamp(1_700_000_000_123)),
                key: b"A-1".to_vec(),
                value: value.to_vec(),
            };
            let line = record.line();
            assert!(is_dumped(line.as_bytes()), "{line}");
            assert_eq!(Dumped::read(line.as_bytes()).unwrap(), record);
        }
    }

    #[test]
    fn a_dumped_record_is_known_by_its_keys_in_any_order_and_spacing() {
        let record = br#" { "value": "{}", "key" : "A", "offset":4 ,"partition" : 3, "appended_at": null }"#;
        assert!(is_dumped(record));
        let read = Dumped::read(record).unwrap();
        assert_eq!(
            (read.partition, read.offset, read.key, read.value),
            (3, 4, b"A".to_vec(), b"{}".to_vec())
        );
        assert!(is_dumped(br#"{"partition":3,"offset":4,"value_hex":"00"}"#));
        for other in [
            &br#"{"id":"1","partition":3}"#[..],
            br#"{"partition":3,"offset":4}"#,
            br#"{"partition":3,"offset":4,"value":"x","id":"an event of its own"}"#,
            br#"["partition","offset","value"]"#,
            b"",
        ] {
            assert!(!is_dumped(other), "{}", String::from_utf8_lossy(other));
        }
    }
}
