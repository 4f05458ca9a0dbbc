//! The readers of records: what they take, serde_json and the `csv` crate take, and a record means the same whatever
//! was read before.

use crate::seen::Seen;
use std::cell::RefCell;
use std::sync::Arc;
use tripline_core::batch::SourceRecord;
use tripline_core::decode::{
    CheckedMapping, CurrencySource, DecodePlan, Decoder, FieldMapping, FieldSource, Format, Mapping, Reason,
    Reject,
};
use tripline_core::event::Event;
use tripline_core::limits::{DEPTH, EVENT_BYTES_MAX};
use tripline_rules::diagnostic::File;
use tripline_rules::schema::Schema;
use tripline_rules::value::{Slot, TextKey};

/// Where every record lies.
const SOURCE: SourceRecord = SourceRecord { partition: 0, offset: 42 };

/// The fields that both feeds carry beside the required ones.
const SCHEMA: &str = include_str!("schema.yaml");

/// The columns of a CSV record, where its own first line is no header.
const HEADER: &[u8] = b"id,type,time,account,amount,name,risk";
/// Where a text stands that is compared.
const NAME: &str = "merchant.name";

/// One record of JSON.
pub fn json(data: &[u8]) -> bool {
    thread_local!(static FEED: RefCell<Feed> = RefCell::new(Feed::new(json_mapping())));
    FEED.with_borrow_mut(|feed| {
        let verdict = feed.decode(data);
        if let Ok(text) = std::str::from_utf8(data)
            && data.len() <= EVENT_BYTES_MAX
        {
            compare_with_serde(text, verdict.map_err(|reject| reject.reason));
        }
        verdict.is_ok()
    })
}

/// What is JSON for serde_json is JSON here, but for the written bounds.
fn compare_with_serde(text: &str, ours: Result<(), Reason>) {
    let seen = match serde_json::from_str::<Seen>(text) {
        Ok(seen) => Some(seen),
        // A written verdict: 1e400 is JSON, though no f64.
        Err(error) if error.to_string().contains("number out of range") => return,
        Err(_) => None,
    };
    let object = seen.as_ref().is_some_and(|seen| seen.object);
    let deep = seen.as_ref().is_none_or(|seen| seen.depth > DEPTH);
    let repeated = seen.as_ref().is_none_or(|seen| seen.repeated);
    match ours {
        // The search for card numbers may be over before the record is.
        Err(Reason::CardNumber) => {}
        Err(Reason::BadJson) => assert!(!object, "serde_json reads it"),
        Err(Reason::TooDeep) => assert!(deep, "it is not too deep"),
        Err(Reason::DuplicateKey) => assert!(repeated, "no key is repeated"),
        taken => assert!(object && !deep && !repeated, "{taken:?}, but serde_json reads it otherwise"),
    }
}

/// A header and one CSV record, at the first line end; without one, a record under the known header.
pub fn csv(data: &[u8]) -> bool {
    thread_local!(static FEED: RefCell<Feed> = RefCell::new(Feed::new(csv_mapping())));
    FEED.with_borrow_mut(|feed| {
        let split = data.iter().position(|byte| *byte == b'\n').map(|at| data.split_at(at + 1));
        let (header, record) = match split {
            Some((header, record)) if feed.decoder.set_header(header).is_ok() => (header, record),
            _ => {
                feed.decoder.set_header(HEADER).expect("it names every mapped column");
                (HEADER, data)
            }
        };
        let verdict = feed.decode(record);
        let malformed = matches!(
            verdict.map_err(|reject| reject.reason),
            Err(Reason::TooLarge
                | Reason::NotUtf8
                | Reason::BadCsv
                | Reason::WrongCellCount
                | Reason::CardNumber)
        );
        if !malformed {
            let (columns, cells) = (cells(header), cells(record));
            assert_eq!(columns.len(), cells.len(), "the csv crate finds other cells");
            let at = columns.iter().position(|column| column == b"name").expect("the header names it");
            compare_text(&cells[at], feed.event.texts.get(feed.name), verdict.is_ok());
        }
        verdict.is_ok()
    })
}

/// A cell of plain letters is the event's text as it stands.
fn compare_text(cell: &[u8], text: Option<&str>, taken: bool) {
    if taken && !cell.is_empty() && cell.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        assert_eq!(text.map(str::as_bytes), Some(cell), "the csv crate reads another text");
    }
}

/// The cells of one record as the `csv` crate's reader finds them; without a byte order mark.
fn cells(line: &[u8]) -> Vec<Vec<u8>> {
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    let mut reader = csv_core::Reader::new();
    let (mut out, mut ends) = (vec![0; line.len() + 1], vec![0; line.len() + 2]);
    let (mut read, mut written, mut found) = (0, 0, 0);
    loop {
        let (result, bytes_read, bytes_written, ends_found) =
            reader.read_record(&line[read..], &mut out[written..], &mut ends[found..]);
        (read, written, found) = (read + bytes_read, written + bytes_written, found + ends_found);
        match result {
            csv_core::ReadRecordResult::InputEmpty => {}
            csv_core::ReadRecordResult::Record | csv_core::ReadRecordResult::End => break,
            full => panic!("{full:?} with room for the whole line"),
        }
    }
    let starts = std::iter::once(&0).chain(&ends);
    starts.zip(&ends[..found]).map(|(start, end)| out[*start..*end].to_vec()).collect()
}

/// A decoder with all that it has read, and what it filled last.
struct Feed {
    decoder: Decoder,
    event: Event,
    again: Event,
    name: Slot,
}

/// The schema, and the mapping of the JSON records.
pub(crate) fn json_mapping() -> (Schema, Mapping) {
    let pointer = |place: &str| FieldSource::Pointer(format!("/{}", place.replace('.', "/")).into());
    let schema = schema();
    let mapping = mapping(&schema, Format::Json, &pointer, "amount/value");
    (schema, mapping)
}

fn csv_mapping() -> (Schema, Mapping) {
    let column = |place: &str| FieldSource::Column(place.to_owned().into());
    let schema = schema();
    let mapping = mapping(&schema, Format::Csv { delimiter: b',' }, &column, "amount");
    (schema, mapping)
}

fn schema() -> Schema {
    let (schema, _) = Schema::load(&File::new("schema.yaml", SCHEMA));
    schema.expect("the schema has no errors")
}

fn mapping(schema: &Schema, format: Format, place: &dyn Fn(&str) -> FieldSource, amount: &str) -> Mapping {
    let slot = |name: &str| schema.slot(name).expect("the schema has the field");
    let places = [
        ("event.id", "id"),
        ("event.type", "type"),
        ("event.time", "time"),
        ("account.id", "account"),
        ("tx.amount", amount),
        (NAME, "name"),
        ("tx.risk", "risk"),
    ];
    let mut fields: Vec<FieldMapping> =
        places.iter().map(|(name, at)| FieldMapping::new(slot(name), place(at))).collect();
    if matches!(format, Format::Json) {
        fields[4].money.currency = CurrencySource::From("/amount/currency".to_owned().into());
        fields.push(FieldMapping::new(slot("tx.declined"), place("declined")));
        fields.push(FieldMapping::new(slot("tx.channel"), place("channel")));
        let geo = FieldSource::Pair { latitude: "/geo/lat".into(), longitude: "/geo/lon".into() };
        fields.push(FieldMapping::new(slot("tx.geo"), geo));
    } else {
        fields[4].money.currency = CurrencySource::Constant("EUR".to_owned().into());
    }
    Mapping { format, fields, labels: None, pan_exempt: Vec::new(), depth: DEPTH, spans: Default::default() }
}

impl Feed {
    fn new((schema, mapping): (Schema, Mapping)) -> Feed {
        let all: Vec<Slot> = mapping.fields.iter().map(|field| field.slot).collect();
        let checked = CheckedMapping::new(&mapping, &schema).expect("the mapping fits the schema");
        let plan = DecodePlan::new(&checked, &all, &all, TextKey::default());
        let decoder = Decoder::new(Arc::new(plan));
        let event = Event::new(schema.fields().len());
        let name = schema.slot(NAME).expect("the schema has the field");
        Feed { decoder, again: event.clone(), event, name }
    }

    /// Decodes a record twice: what a decoder has learned of a record's shape must not change what it reads.
    fn decode(&mut self, record: &[u8]) -> Result<(), Reject> {
        let first = self.decoder.decode(record, SOURCE, &mut self.event);
        let again = self.decoder.decode(record, SOURCE, &mut self.again);
        assert_eq!(first, again, "the second time");
        if first.is_ok() {
            assert_eq!(self.event.registers, self.again.registers, "the second time");
            assert_eq!(self.event.texts, self.again.texts, "the second time");
        }
        first
    }
}
