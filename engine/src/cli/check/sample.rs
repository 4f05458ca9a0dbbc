//! The first records of a file through the mapping and the engine: what becomes of them, as `replay` would say it, and
//! what the mapping makes of their values.

use super::missing::{Missing, MissingField};
use super::odd::Odd;
use super::order::{Order, Times};
use super::record::{Layout, Written, pattern};
use super::shown;
use super::suspicious::{Suspicion, Suspicions};
use crate::cli::error::CliError;
use crate::cli::feed::{Feed, Order as FeedOrder};
use crate::cli::places::{self, MappedField};
use crate::cli::refusals::{Refusals, Refused};
use crate::config::Config;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use tripline_core::batch::Batch;
use tripline_core::decode::{Decoder, Reject};
use tripline_core::event::Event;
use tripline_core::outputs::Outputs;
use tripline_core::results::{Collect, EventResults};
use tripline_rules::schema::Kind;
use tripline_rules::value::Slot;

/// Maximum records of a file that are counted.
pub const COUNTED_MAX: u64 = 10_000_000;
/// Records whose values are shown.
const EXAMPLES: usize = 3;

/// What became of a sample.
#[derive(Debug, Serialize)]
pub struct Sample {
    pub file: String,
    pub records: u64,
    /// Records of the whole file, as far as they were counted: up to `COUNTED_MAX`.
    pub file_records: u64,
    pub rows: u64,
    pub duplicates: u64,
    pub conflicts: u64,
    pub late: u64,
    pub dead_letters: u64,
    pub lateness_ms: i64,
    /// Order of the accepted events.
    pub order: Option<Order>,
    /// Records that became dead letters, by field and reason.
    pub refused: Vec<Refused>,
    /// Fields that nothing reads and whose values cannot be read: such records are accepted.
    pub unread: Vec<Refused>,
    pub missing: Vec<MissingField>,
    pub examples: Vec<Example>,
    /// Places of values that the mapping does not read, and in how many records.
    pub unmapped: BTreeMap<String, u64>,
    /// Arrays of which the mapping reads single elements, and the most elements of a record.
    pub arrays: BTreeMap<String, usize>,
    pub suspicious: Vec<Suspicion>,
}

/// The values of one record.
#[derive(Debug, Serialize)]
pub struct Example {
    pub offset: i64,
    pub values: Vec<ExampleValue>,
}

/// The value of a field beside what is written in the record.
#[derive(Debug, Serialize)]
pub struct ExampleValue {
    pub field: String,
    pub places: Vec<String>,
    pub source: Vec<String>,
    pub value: String,
}

impl Sample {
    /// Reads the first `most` records of a file, and counts those behind them.
    ///
    /// # Errors
    /// When it cannot be read, or its header does not fit the mapping.
    pub fn read(config: &Config, path: &Path, most: u64) -> Result<Sample, CliError> {
        let paths = [path.to_path_buf()];
        let mut feed = Feed::open(config, config.settings().clone(), &paths, FeedOrder::AsGiven)?;
        let mut reading = Reading::new(config, &feed);
        let (mut out, mut results) = (Outputs::default(), EventResults::new(Collect::Nothing));
        while reading.records < most && feed.step_at_most(most - reading.records, &mut out, &mut results)? {
            reading.take(feed.batch(), &out);
            out.clear();
            results.clear();
        }
        feed.warn_of_labels(config);
        let rest = feed.count_rest(COUNTED_MAX.saturating_sub(reading.records))?;
        Ok(reading.finish(path, &feed, rest))
    }

    /// Whether no record is a dead letter.
    pub fn is_fine(&self) -> bool {
        self.refused.is_empty()
    }
}

/// A sample while it is read.
struct Reading<'a> {
    config: &'a Config,
    layout: Layout,
    fields: Vec<MappedField>,
    mapped: BTreeSet<String>,
    patterns: BTreeSet<String>,
    /// Reads every mapped field.
    whole: Decoder,
    event: Event,
    records: u64,
    refusals: Refusals,
    unread: Refusals,
    missing: Missing,
    times: Times,
    examples: Vec<Example>,
    example_types: BTreeSet<u16>,
    /// Further records of the same types, shown where there are few types.
    spare: Vec<Example>,
    unmapped: BTreeMap<String, u64>,
    arrays: BTreeMap<String, usize>,
    suspicions: Suspicions<'a>,
    odd: Odd<'a>,
}

impl<'a> Reading<'a> {
    fn new(config: &'a Config, feed: &Feed) -> Reading<'a> {
        let fields = places::fields(config);
        let slots: Vec<Slot> = fields.iter().map(|field| field.slot).collect();
        let is_text = |slot: &Slot| config.schema().field(*slot).kind == Kind::Text;
        let texts: Vec<Slot> = slots.iter().copied().filter(is_text).collect();
        let mut whole = Decoder::new(Arc::new(config.installation.decode_of(&slots, &texts)));
        let header = feed.header();
        header
            .into_iter()
            .for_each(|line| whole.set_header(line).expect("the engine has accepted the header"));
        let mapped = places::all(config);
        Reading {
            layout: Layout::of(config.mapping.format, header),
            missing: Missing::new(&fields),
            patterns: mapped.iter().map(|place| pattern(place)).collect(),
            suspicions: Suspicions::new(config),
            odd: Odd::new(config),
            event: Event::new(config.ruleset().registers()),
            config,
            fields,
            mapped,
            whole,
            records: 0,
            refusals: Refusals::default(),
            unread: Refusals::default(),
            times: Times::default(),
            examples: Vec::new(),
            example_types: BTreeSet::new(),
            spare: Vec::new(),
            unmapped: BTreeMap::new(),
            arrays: BTreeMap::new(),
        }
    }

    /// Takes the records of a step and its outputs.
    fn take(&mut self, batch: &Batch, out: &Outputs) {
        let refused = self.refusals.take(batch, out);
        for record in &batch.records {
            self.records += 1;
            let value = batch.value(record);
            if refused.contains(&record.offset) {
                continue;
            }
            match self.whole.decode(value, batch.source(record), &mut self.event) {
                Ok(()) => self.accept(value, record.offset),
                Err(reject) => self.unread.add(self.unread_value(&reject, batch, record.offset)),
            }
        }
    }

    /// A value that is none of its field, in a field that nothing reads.
    fn unread_value(&self, reject: &Reject, batch: &Batch, offset: i64) -> Refused {
        let field = reject.field.and_then(|slot| self.fields.iter().find(|field| field.slot == slot));
        Refused {
            reason: reject.reason.name().to_owned(),
            field: field.map(|field| field.name.clone()),
            place: field.map(|field| field.places.join(" ")),
            count: 1,
            partition: batch.shard.partition,
            offset,
            byte: u64::try_from(reject.at).ok(),
        }
    }

    fn accept(&mut self, value: &[u8], offset: i64) {
        let written = self.layout.read(value);
        self.missing.add(&self.fields, &self.event);
        self.times.add(self.event.at);
        self.suspicions.add(&written, &self.event);
        self.odd.add(&self.event);
        // Of as many types as there are.
        let is_new = self.example_types.insert(self.event.event_type);
        if is_new && self.examples.len() < EXAMPLES {
            self.examples.push(self.example(&written, offset));
        } else if self.spare.len() < EXAMPLES {
            self.spare.push(self.example(&written, offset));
        }
        self.unmapped_places(&written);
    }

    fn example(&self, written: &Written, offset: i64) -> Example {
        let value = |field: &MappedField| ExampleValue {
            field: field.name.clone(),
            places: field.places.clone(),
            source: field
                .places
                .iter()
                .filter_map(|place| written.get(place))
                .map(|text| shown::cut(text))
                .collect(),
            value: shown::mapped(self.config.schema().field(field.slot), field.slot, &self.event),
        };
        let values = self.fields.iter().map(value);
        // A field without a value is among the missing ones.
        let values = values.filter(|value| !value.source.is_empty() || value.value != shown::MISSING);
        Example { offset, values: values.collect() }
    }

    /// Notes values that the mapping does not read, and arrays of which it reads single elements.
    fn unmapped_places(&mut self, written: &Written) {
        let mut seen = BTreeSet::new();
        for place in written.keys().filter(|place| !self.mapped.contains(*place)) {
            let pattern = pattern(place);
            if pattern != *place && self.patterns.contains(&pattern) {
                let array = pattern.split("/*").next().unwrap_or_default();
                let number = place[array.len()..].trim_start_matches('/').split('/').next();
                let elements =
                    number.and_then(|number| number.parse().ok()).map_or(0, |last: usize| last + 1);
                let most = self.arrays.entry(shown::cut(array)).or_default();
                *most = elements.max(*most);
            } else if seen.insert(pattern.clone()) {
                *self.unmapped.entry(shown::cut(&pattern)).or_default() += 1;
            }
        }
    }

    fn finish(mut self, path: &Path, feed: &Feed, rest: u64) -> Sample {
        let counts = feed.counts();
        self.examples.extend(self.spare);
        self.examples.truncate(EXAMPLES);
        self.examples.sort_by_key(|example| example.offset);
        let mut suspicious = self.suspicions.found(counts.records, counts.conflicts);
        suspicious.extend(self.odd.found());
        Sample {
            file: path.display().to_string(),
            records: counts.records,
            file_records: counts.records + rest,
            rows: counts.rows,
            duplicates: counts.duplicates,
            conflicts: counts.conflicts,
            late: counts.late,
            dead_letters: counts.dead_letters,
            lateness_ms: self.config.settings().lateness_ms,
            order: self.times.order(),
            refused: self.refusals.found(),
            unread: self.unread.found(),
            missing: self.missing.found(&self.fields, self.config.schema().event_types()),
            examples: self.examples,
            unmapped: self.unmapped,
            arrays: self.arrays,
            suspicious,
        }
    }
}
