//! What a step gives back: records to publish.

use serde::Serialize;
use std::ops::Range;

/// The topic of an output, without its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Whole alerts, for the bank.
    Alerts,
    /// One record for every event on which any rule fired.
    Verdicts,
    /// Records that could not be taken.
    DeadLetters,
    /// Records that came too late.
    Late,
}

/// Headers that the core writes; `io::kafka` adds where a record came from.
pub mod header {
    /// CloudEvents (Kafka binding, binary mode): version of the specification.
    pub const CE_SPECVERSION: &str = "ce_specversion";
    /// CloudEvents: the alert's id.
    pub const CE_ID: &str = "ce_id";
    /// CloudEvents: what it is.
    pub const CE_TYPE: &str = "ce_type";
    /// What an alert's CloudEvents type begins with; its kind follows.
    pub const ALERT_TYPE: &str = "tripline.alert";
    /// CloudEvents: the stream.
    pub const CE_SOURCE: &str = "ce_source";
    /// CloudEvents: when the event happened.
    pub const CE_TIME: &str = "ce_time";
    /// CloudEvents: the form of the value.
    pub const CONTENT_TYPE: &str = "content-type";
    /// Why a record could not be taken.
    pub const ERROR_REASON: &str = "tripline.error.reason";
    /// The field that could not be read, if it is an error of one.
    pub const ERROR_FIELD: &str = "tripline.error.field";
    /// Where the mapping reads that field: a JSON pointer or a column.
    pub const ERROR_PLACE: &str = "tripline.error.place";
    /// Where in the record the error is, bytes from its start.
    pub const ERROR_BYTE: &str = "tripline.error.byte";
}

/// A record to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its topic.
    pub topic: Topic,
    /// Offset of the input record that caused it.
    pub cause: i64,
    /// Key, in [`Outputs::bytes`].
    pub key: Range<usize>,
    /// Value, in [`Outputs::bytes`].
    pub value: Range<usize>,
    /// Names and values, in [`Outputs::headers`].
    pub headers: Range<usize>,
}

/// Everything one or several steps of a shard gave.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// Each topic's in the order of their causes.
    pub records: Vec<Output>,
    /// Keys and values.
    pub bytes: Vec<u8>,
    /// Header names (static, see the edge's `names`) and values.
    pub headers: Vec<(&'static str, String)>,
}

impl Outputs {
    /// Forgets all; the memory stays.
    pub fn clear(&mut self) {
        self.records.clear();
        self.bytes.clear();
        self.headers.clear();
    }

    /// Adds a record.
    pub fn push(
        &mut self,
        topic: Topic,
        cause: i64,
        key: &[u8],
        value: &[u8],
        headers: Vec<(&'static str, String)>,
    ) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.add(topic, cause, start, middle, headers);
    }

    /// Adds a record whose value is `value` as JSON.
    ///
    /// # Panics
    /// When `value` cannot be JSON; alerts and verdicts always can.
    pub fn push_json<T: Serialize>(
        &mut self,
        topic: Topic,
        cause: i64,
        key: &[u8],
        value: &T,
        headers: Vec<(&'static str, String)>,
    ) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let middle = self.bytes.len();
        serde_json::to_writer(&mut self.bytes, value).expect("names are texts and memory takes all bytes");
        self.add(topic, cause, start, middle, headers);
    }

    fn add(
        &mut self,
        topic: Topic,
        cause: i64,
        start: usize,
        middle: usize,
        headers: Vec<(&'static str, String)>,
    ) {
        let first = self.headers.len();
        self.headers.extend(headers);
        self.records.push(Output {
            topic,
            cause,
            key: start..middle,
            value: middle..self.bytes.len(),
            headers: first..self.headers.len(),
        });
    }

    /// Key of a record.
    pub fn key(&self, output: &Output) -> &[u8] {
        &self.bytes[output.key.clone()]
    }

    /// Value of a record.
    pub fn value(&self, output: &Output) -> &[u8] {
        &self.bytes[output.value.clone()]
    }

    /// Headers of a record.
    pub fn headers(&self, output: &Output) -> &[(&'static str, String)] {
        &self.headers[output.headers.clone()]
    }
}
