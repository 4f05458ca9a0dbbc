//! The values that were found at the places a mapping reads, as they stand in the record. It knows neither JSON nor CSV.

use super::record::Position;
use super::shape::Source;

/// A value as written. Texts are UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Raw<'a> {
    /// Absent, `null` or an empty cell.
    Missing,
    /// A text, or a cell.
    Text(&'a [u8]),
    /// A JSON number.
    Number(&'a [u8]),
    /// `true` or `false`.
    Bool(bool),
    /// An object or array.
    Nested,
}

impl<'a> Raw<'a> {
    /// The value as a value map spells it.
    pub(super) fn written(self) -> Option<&'a [u8]> {
        match self {
            Raw::Text(text) | Raw::Number(text) => Some(text),
            Raw::Bool(true) => Some(b"true"),
            Raw::Bool(false) => Some(b"false"),
            Raw::Missing | Raw::Nested => None,
        }
    }
}

/// Where a value's text is, or what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Missing,
    /// In the record.
    Text,
    /// In the scratch text: escapes or doubled quotes were resolved.
    Unescaped,
    Number,
    True,
    False,
    Nested,
}

#[derive(Clone, Copy, Debug)]
struct Capture {
    form: Form,
    start: Position,
    end: Position,
    /// Place in the record.
    at: Position,
}

const MISSING: Capture = Capture { form: Form::Missing, start: 0, end: 0, at: 0 };

/// The values of one record, by source.
#[derive(Clone, Debug)]
pub(super) struct Captures {
    captures: Vec<Capture>,
    /// Texts without their escapes.
    pub(super) scratch: String,
}

impl Captures {
    /// Room for so many sources.
    pub(super) fn new(sources: usize) -> Captures {
        Captures { captures: vec![MISSING; sources], scratch: String::new() }
    }

    /// Forgets all values.
    pub(super) fn clear(&mut self) {
        self.captures.fill(MISSING);
        self.scratch.clear();
    }

    /// Notes a value: its form, its text in the record or the scratch text, its place in the record.
    #[inline]
    pub(super) fn put(
        &mut self,
        source: Source,
        form: Form,
        (start, end): (Position, Position),
        at: Position,
    ) {
        self.captures[usize::from(source)] = Capture { form, start, end, at };
    }

    /// The value of a source.
    #[inline(always)]
    pub(super) fn raw<'a>(&'a self, source: Source, record: &'a [u8]) -> Raw<'a> {
        let Capture { form, start, end, .. } = self.captures[usize::from(source)];
        let range = usize::from(start)..usize::from(end);
        match form {
            Form::Missing => Raw::Missing,
            Form::Text => Raw::Text(&record[range]),
            Form::Unescaped => Raw::Text(&self.scratch.as_bytes()[range]),
            Form::Number => Raw::Number(&record[range]),
            Form::True => Raw::Bool(true),
            Form::False => Raw::Bool(false),
            Form::Nested => Raw::Nested,
        }
    }

    /// Where in the record the value of a source stands; 0 when it is absent.
    pub(super) fn at(&self, source: Source) -> usize {
        usize::from(self.captures[usize::from(source)].at)
    }
}
