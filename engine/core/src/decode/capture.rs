//! The values at the sources of a mapping, as written in the record. It does not depend on JSON or CSV.

use super::record::BytePos;
use super::word::head;

/// Number of a pointer or column that the mapping reads.
pub(super) type SourceId = u16;

/// The form of a value, and where its text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Absent, `null` or an empty cell.
    Missing,
    /// An object or array.
    Nested,
    True,
    False,
    /// A JSON number.
    Number,
    /// A text, or a cell, in the record.
    Text,
    /// A text in the scratch text, escapes or doubled quotes resolved.
    Unescaped,
}

/// A value as written. Its text is UTF-8.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    form: Form,
    written: &'a [u8],
    head: u64,
}

impl<'a> Raw<'a> {
    /// A value of a form.
    #[inline(always)]
    pub(super) fn new(form: Form, written: &'a [u8]) -> Raw<'a> {
        Raw { form, written, head: head(written) }
    }

    /// A text in the record whose first eight bytes are known.
    #[inline(always)]
    pub(super) fn text(written: &'a [u8], head: u64) -> Raw<'a> {
        Raw { form: Form::Text, written, head }
    }

    /// A text from the mapping.
    pub(super) fn constant(text: &'a str) -> Raw<'a> {
        Raw::new(Form::Text, text.as_bytes())
    }

    /// Its form.
    #[inline(always)]
    pub(super) fn form(self) -> Form {
        self.form
    }

    /// The first eight bytes of its text, zeros behind its end.
    #[inline(always)]
    pub(super) fn head(self) -> u64 {
        self.head
    }

    /// Whether there is no value.
    #[inline]
    pub(super) fn is_missing(self) -> bool {
        self.form == Form::Missing
    }

    /// The value as a value map writes it: a text, a number, `true` or `false`.
    #[inline(always)]
    pub(super) fn written(self) -> Option<&'a [u8]> {
        (!matches!(self.form, Form::Missing | Form::Nested)).then_some(self.written)
    }

    /// A number, or the text of one.
    #[inline(always)]
    pub(super) fn decimal(self) -> Option<&'a [u8]> {
        matches!(self.form, Form::Number | Form::Text | Form::Unescaped).then_some(self.written)
    }
}

#[derive(Clone, Copy, Debug)]
struct Capture {
    form: Form,
    start: BytePos,
    end: BytePos,
    /// Where the value begins in the record.
    at: BytePos,
}

const MISSING: Capture = Capture { form: Form::Missing, start: 0, end: 0, at: 0 };

/// The values of one record, by source.
#[derive(Clone, Debug)]
pub(super) struct Captures {
    captures: Vec<Capture>,
    /// Texts with their escapes resolved.
    pub(super) scratch: String,
}

impl Captures {
    /// No values of this number of sources.
    pub(super) fn new(sources: usize) -> Captures {
        Captures { captures: vec![MISSING; sources], scratch: String::new() }
    }

    /// Removes all values.
    pub(super) fn clear(&mut self) {
        self.captures.fill(MISSING);
        self.scratch.clear();
    }

    /// Captures a value: its form, the range of its text in the record or the scratch text, where it begins.
    #[inline]
    pub(super) fn put(
        &mut self,
        source: SourceId,
        form: Form,
        (start, end): (BytePos, BytePos),
        at: BytePos,
    ) {
        self.captures[usize::from(source)] = Capture { form, start, end, at };
    }

    /// The value of a source.
    #[inline]
    pub(super) fn raw<'a>(&'a self, source: SourceId, record: &'a [u8]) -> Raw<'a> {
        let Capture { form, start, end, .. } = self.captures[usize::from(source)];
        let whole = if form == Form::Unescaped { self.scratch.as_bytes() } else { record };
        Raw::new(form, &whole[usize::from(start)..usize::from(end)])
    }

    /// Where in the record the value of a source begins; 0 when it is absent.
    pub(super) fn at(&self, source: SourceId) -> usize {
        usize::from(self.captures[usize::from(source)].at)
    }
}
