//! Walks one JSON object (RFC 8259): checks every byte of it and notes the values at mapped places.
//!
//! No value is built. What nothing reads is checked like the rest: strings, escapes, numbers, nesting, repeated keys
//! (compared as decoded, at every level), card numbers. It does not know what the values mean.

use super::capture::{Captures, Form};
use super::pan;
use super::record::{Position, Record, position};
use super::reject::{Fault, Reason};
use super::scan::{number, special, string_end, unescape};
use super::shape::{KeyId, Met, ObjectId, ROOT, STRAY, Shape, Source};
use crate::limits::{CARD_DIGITS_MIN, DEPTH_MAX};

/// Reads objects of one mapping, and remembers the order of their keys.
#[derive(Clone, Debug)]
pub(super) struct JsonReader {
    record: Box<Record>,
    shape: Shape,
    /// By source: what looks like a card number there is none.
    exempt: Vec<bool>,
    /// Keys of open objects that the shape has no room for: ranges in the record or the scratch text.
    strays: Vec<Stray>,
}

#[derive(Clone, Copy, Debug)]
struct Stray {
    range: (Position, Position),
    unescaped: bool,
    at: Position,
}

impl JsonReader {
    /// A reader of mapped paths, by source.
    pub(super) fn new(paths: &[Vec<String>], exempt: Vec<bool>) -> JsonReader {
        let mut shape = Shape::new();
        for (path, source) in paths.iter().zip(0u16..) {
            shape.map(path, source);
        }
        JsonReader { record: Record::new(), shape, exempt, strays: Vec::new() }
    }

    /// Checks a record and notes the mapped values.
    pub(super) fn read(&mut self, text: &[u8], into: &mut Captures) -> Result<(), Fault> {
        self.shape.begin();
        self.strays.clear();
        self.record.fill(text);
        let JsonReader { record, shape, exempt, strays } = self;
        let mut walk = Walk { text, record, shape, exempt, strays, into };
        let open = walk.blanks(0);
        if record.byte(open) != b'{' {
            return bad(open);
        }
        let close = walk.object(open + 1, Some(ROOT), 1)?;
        let end = walk.blanks(close);
        if end < record.end() { bad(end) } else { Ok(()) }
    }
}

fn bad<T>(at: Position) -> Result<T, Fault> {
    fault(Reason::BadJson, at)
}

fn fault<T>(reason: Reason, at: Position) -> Result<T, Fault> {
    Err(Fault::new(reason, at.into()))
}

#[inline]
fn slice(text: &[u8], (start, end): (Position, Position)) -> &[u8] {
    &text[usize::from(start)..usize::from(end)]
}

/// One record on its way. Places in it are handed from step to step, so that they need not lie in memory.
struct Walk<'a> {
    text: &'a [u8],
    record: &'a Record,
    shape: &'a mut Shape,
    exempt: &'a [bool],
    strays: &'a mut Vec<Stray>,
    into: &'a mut Captures,
}

/// A string: its text's range in the record or (with escapes) in the scratch text, and where the string ends.
struct Text {
    range: (Position, Position),
    unescaped: bool,
    end: Position,
}

/// What follows a value.
enum More {
    /// Another one, at this place.
    At(Position),
    /// Nothing; its object or array ends here.
    End(Position),
}

impl Walk<'_> {
    /// Where the blanks at a place end.
    #[inline]
    fn blanks(&self, mut at: Position) -> Position {
        while matches!(self.record.byte(at), b' ' | b'\n' | b'\r' | b'\t') {
            at = at.wrapping_add(1);
        }
        at
    }

    /// After a value: whether another follows.
    #[inline]
    fn more(&self, mut at: Position, close: u8) -> Result<More, Fault> {
        loop {
            match self.record.byte(at) {
                b',' => return Ok(More::At(at.wrapping_add(1))),
                byte if byte == close => return Ok(More::End(at.wrapping_add(1))),
                b' ' | b'\n' | b'\r' | b'\t' => at += 1,
                _ => return bad(at),
            }
        }
    }

    /// An object, from behind its brace: where it ends. Without a known place its keys are strays.
    fn object(&mut self, start: Position, known: Option<ObjectId>, depth: usize) -> Result<Position, Fault> {
        let mut at = self.blanks(start);
        if self.record.byte(at) == b'}' {
            return Ok(at + 1);
        }
        let strays = self.strays.len();
        let mut previous = self.shape.opening(known);
        let end = loop {
            let (met, value) = match self.shape.expected(previous, self.record, at) {
                Some(met) => (met, at.wrapping_add(met.length)),
                None => self.unexpected(known, previous, at)?,
            };
            if met.key != STRAY {
                previous = met.key;
            }
            let after = self.value(value, met.source, met.key, depth)?;
            if self.record.byte(after) == b',' {
                at = after.wrapping_add(1);
                continue;
            }
            match self.more(after, b'}')? {
                More::At(next) => at = next,
                More::End(end) => break end,
            }
        };
        if self.strays.len() > strays {
            self.check_strays(strays)?
        }
        Ok(end)
    }

    /// A key that is not the one expected, with its colon; and where its value begins.
    #[inline(never)]
    fn unexpected(
        &mut self,
        known: Option<ObjectId>,
        previous: KeyId,
        at: Position,
    ) -> Result<(Met, Position), Fault> {
        let at = self.blanks(at);
        let repeated = Fault::new(Reason::DuplicateKey, at.into());
        let spelled = known.and_then(|object| self.shape.spelled(object, previous, self.record, at));
        if let Some(key) = spelled {
            let met = self.shape.enter(previous, key).ok_or(repeated)?;
            return Ok((met, at.wrapping_add(met.length)));
        }
        if self.record.byte(at) != b'"' {
            return bad(at);
        }
        let Text { range, unescaped, end } = self.string(at + 1)?;
        let colon = self.blanks(end);
        if self.record.byte(colon) != b':' {
            return bad(colon);
        }
        let name = slice(if unescaped { self.into.scratch.as_bytes() } else { self.text }, range);
        if pan::in_text(name) {
            return fault(Reason::CardNumber, at);
        }
        // By its name as decoded: else one spelling of a key could be a stray and another known.
        let key =
            known.and_then(|object| self.shape.find(object, name).or_else(|| self.shape.learn(object, name)));
        let met = match key {
            Some(key) => self.shape.enter(previous, key).ok_or(repeated)?,
            None => {
                self.strays.push(Stray { range, unescaped, at });
                self.shape.stray()
            }
        };
        Ok((met, colon + 1))
    }

    /// A string from behind its quote.
    fn string(&mut self, start: Position) -> Result<Text, Fault> {
        let end = special(self.record, start);
        if self.record.byte(end) == b'"' {
            return Ok(Text { range: (start, end), unescaped: false, end: end + 1 });
        }
        self.escaped_string(start)
    }

    #[cold]
    fn escaped_string(&mut self, start: Position) -> Result<Text, Fault> {
        let end = string_end(self.record, start)?;
        let scratch = &mut self.into.scratch;
        let from = position(scratch.len());
        let text = str::from_utf8(slice(self.text, (start, end)));
        let text = text.map_err(|_| Fault::new(Reason::NotUtf8, start.into()))?;
        unescape(text, start.into(), scratch)?;
        Ok(Text { range: (from, position(scratch.len())), unescaped: true, end: end + 1 })
    }

    /// A value: where it ends. `source`: what is read there; `key`: the key it belongs to, if known.
    #[inline(always)]
    fn value(
        &mut self,
        mut at: Position,
        source: Option<Source>,
        key: KeyId,
        depth: usize,
    ) -> Result<Position, Fault> {
        if self.record.byte(at) == b'"' {
            return self.text_value(at, source);
        }
        loop {
            return match self.record.byte(at) {
                b'"' => self.text_value(at, source),
                b'-' | b'0'..=b'9' => self.number_value(at, source),
                b't' => self.literal(at, b"true", source, Form::True),
                b'f' => self.literal(at, b"false", source, Form::False),
                b'n' => self.literal(at, b"null", source, Form::Missing),
                open @ (b'{' | b'[') => self.nested(at, open, source, key, depth),
                b' ' | b'\n' | b'\r' | b'\t' => {
                    at += 1;
                    continue;
                }
                _ => bad(at),
            };
        }
    }

    fn nested(
        &mut self,
        at: Position,
        open: u8,
        source: Option<Source>,
        key: KeyId,
        depth: usize,
    ) -> Result<Position, Fault> {
        if depth == DEPTH_MAX {
            return fault(Reason::TooDeep, at);
        }
        if let Some(source) = source {
            self.into.put(source, Form::Nested, (at, at), at);
        }
        if open == b'{' {
            let below = self.shape.object_below(key);
            self.object(at + 1, below, depth + 1)
        } else {
            let below = self.shape.below(key);
            self.array(at + 1, below, depth + 1)
        }
    }

    #[inline(always)]
    fn text_value(&mut self, at: Position, source: Option<Source>) -> Result<Position, Fault> {
        let start = at.wrapping_add(1);
        let end = special(self.record, start);
        if self.record.byte(end) != b'"' {
            return self.escaped_value(at, source);
        }
        if usize::from(end.wrapping_sub(start)) >= CARD_DIGITS_MIN {
            self.check_card_number(slice(self.text, (start, end)), source, at)?;
        }
        if let Some(source) = source {
            self.into.put(source, Form::Text, (start, end), at);
        }
        Ok(end.wrapping_add(1))
    }

    #[cold]
    fn escaped_value(&mut self, at: Position, source: Option<Source>) -> Result<Position, Fault> {
        let Text { range, end, .. } = self.escaped_string(at + 1)?;
        self.check_card_number(slice(self.into.scratch.as_bytes(), range), source, at)?;
        match source {
            Some(source) => self.into.put(source, Form::Unescaped, range, at),
            None => self.into.scratch.truncate(range.0.into()),
        }
        Ok(end)
    }

    #[inline]
    fn number_value(&mut self, at: Position, source: Option<Source>) -> Result<Position, Fault> {
        let end = number(self.record, at)?;
        if usize::from(end - at) >= CARD_DIGITS_MIN {
            self.check_card_number(slice(self.text, (at, end)), source, at)?;
        }
        if let Some(source) = source {
            self.into.put(source, Form::Number, (at, end), at);
        }
        Ok(end)
    }

    fn check_card_number(&self, text: &[u8], source: Option<Source>, at: Position) -> Result<(), Fault> {
        let exempt = source.is_some_and(|source| self.exempt[usize::from(source)]);
        if !exempt && pan::in_text(text) {
            return Err(Fault { reason: Reason::CardNumber, at: at.into(), source });
        }
        Ok(())
    }

    #[inline]
    fn literal<const N: usize>(
        &mut self,
        at: Position,
        word: &[u8; N],
        source: Option<Source>,
        form: Form,
    ) -> Result<Position, Fault> {
        if self.record.ahead(at) != *word {
            return bad(at);
        }
        let end = at.wrapping_add(position(N));
        if let Some(source) = source {
            self.into.put(source, form, (at, end), at);
        }
        Ok(end)
    }

    /// An array, from behind its bracket: where it ends. Mapped elements are known by their number.
    fn array(&mut self, start: Position, known: Option<ObjectId>, depth: usize) -> Result<Position, Fault> {
        let mut at = self.blanks(start);
        if self.record.byte(at) == b']' {
            return Ok(at + 1);
        }
        let mut index = 0;
        loop {
            let Met { key, source, .. } = self.shape.element(known, index);
            let after = self.value(at, source, key, depth)?;
            index += 1;
            match self.more(after, b']')? {
                More::At(next) => at = next,
                More::End(end) => return Ok(end),
            }
        }
    }

    /// No two of an object's strays are the same. Sorted, so that a hostile record costs little more than an honest one.
    #[cold]
    fn check_strays(&mut self, from: usize) -> Result<(), Fault> {
        let (text, scratch) = (self.text, self.into.scratch.as_bytes());
        let name = |stray: &Stray| {
            let whole = if stray.unescaped { scratch } else { text };
            slice(whole, stray.range)
        };
        let strays = &mut self.strays[from..];
        strays.sort_unstable_by(|a, b| name(a).cmp(name(b)).then(a.at.cmp(&b.at)));
        let repeated = strays.windows(2).filter(|pair| name(&pair[0]) == name(&pair[1]));
        let first = repeated.map(|pair| pair[1].at).min();
        self.strays.truncate(from);
        first.map_or(Ok(()), |at| fault(Reason::DuplicateKey, at))
    }
}
