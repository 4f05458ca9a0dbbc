//! Walks one JSON object (RFC 8259): checks every byte of it and notes the values at mapped places.
//!
//! No value is built. What nothing reads is checked like the rest: strings, escapes, numbers, nesting, repeated keys
//! (compared as decoded, at every level), card numbers. It does not know what the values mean.

use super::capture::{Captures, Form};
use super::pan;
use super::reject::{Fault, Reason};
use super::scan::{number, special, string_end, unescape};
use super::shape::{Met, ObjectId, ROOT, Shape, Source};
use crate::limits::{CARD_DIGITS_MIN, DEPTH_MAX};

/// Reads objects of one mapping, and remembers the order of their keys.
#[derive(Clone, Debug)]
pub(super) struct JsonReader {
    shape: Shape,
    /// By source: what looks like a card number there is none.
    exempt: Vec<bool>,
    /// Keys of open objects that the shape has no room for: ranges in the record or the scratch text.
    strays: Vec<Stray>,
}

#[derive(Clone, Copy, Debug)]
struct Stray {
    start: usize,
    end: usize,
    unescaped: bool,
    at: usize,
}

impl JsonReader {
    /// A reader of mapped paths, by source.
    pub(super) fn new(paths: &[Vec<String>], exempt: Vec<bool>) -> JsonReader {
        let mut shape = Shape::new();
        for (path, source) in paths.iter().zip(0u16..) {
            shape.map(path, source);
        }
        JsonReader { shape, exempt, strays: Vec::new() }
    }

    /// Checks a record and notes the mapped values.
    pub(super) fn read(&mut self, text: &str, into: &mut Captures) -> Result<(), Fault> {
        self.shape.begin();
        self.strays.clear();
        let bytes = text.as_bytes();
        let mut walk = Walk { text, bytes, at: 0, reader: self, into };
        walk.blanks();
        walk.expect(b'{')?;
        walk.object(Some(ROOT), 1)?;
        walk.blanks();
        if walk.at < bytes.len() { walk.bad() } else { Ok(()) }
    }
}

struct Walk<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    reader: &'a mut JsonReader,
    into: &'a mut Captures,
}

impl Walk<'_> {
    fn bad<T>(&self) -> Result<T, Fault> {
        Err(Fault::new(Reason::BadJson, self.at))
    }

    #[inline]
    fn blanks(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.bytes.get(self.at) != Some(&byte) {
            return self.bad();
        }
        self.at += 1;
        Ok(())
    }

    /// After a value: whether another follows.
    #[inline]
    fn more(&mut self, close: u8) -> Result<bool, Fault> {
        self.blanks();
        match self.bytes.get(self.at) {
            Some(b',') => {
                self.at += 1;
                self.blanks();
                Ok(true)
            }
            Some(byte) if *byte == close => {
                self.at += 1;
                Ok(false)
            }
            _ => self.bad(),
        }
    }

    /// An object, from behind its brace. Without a known place its keys are strays.
    fn object(&mut self, known: Option<ObjectId>, depth: usize) -> Result<(), Fault> {
        self.blanks();
        if self.bytes.get(self.at) == Some(&b'}') {
            self.at += 1;
            return Ok(());
        }
        let strays = self.reader.strays.len();
        let mut previous = None;
        loop {
            let met = self.key(known, previous)?;
            self.blanks();
            match (met, known) {
                (Some(met), Some(object)) => {
                    previous = Some(met.key);
                    self.value(met.source, Some((object, met.key)), depth)?;
                }
                _ => self.value(None, None, depth)?,
            }
            if !self.more(b'}')? {
                break;
            }
        }
        if self.reader.strays.len() > strays { self.check_strays(strays) } else { Ok(()) }
    }

    /// A key with its colon; none when it is a stray.
    #[inline]
    fn key(&mut self, known: Option<ObjectId>, previous: Option<usize>) -> Result<Option<Met>, Fault> {
        let at = self.at;
        if let Some(object) = known
            && let Some(met) = self.reader.shape.expected(object, previous, &self.bytes[at..])
            && met.first_time
        {
            self.at += met.length;
            return Ok(Some(met));
        }
        self.unexpected(known, previous, at)
    }

    fn unexpected(
        &mut self,
        known: Option<ObjectId>,
        from: Option<usize>,
        at: usize,
    ) -> Result<Option<Met>, Fault> {
        self.expect(b'"')?;
        let (range, escaped) = self.string()?;
        self.blanks();
        self.expect(b':')?;
        let name = if escaped { &self.into.scratch[range.0..range.1] } else { &self.text[range.0..range.1] };
        if pan::in_text(name) {
            return Err(Fault::new(Reason::CardNumber, at));
        }
        let shape = &mut self.reader.shape;
        // By its name as decoded: else one spelling of a key could be a stray and another known.
        let key = known.and_then(|object| {
            shape.find(object, name).or_else(|| shape.learn(object, name)).map(|key| (object, key))
        });
        if let Some((object, key)) = key {
            let met = shape.enter(object, from, key);
            return if met.first_time { Ok(Some(met)) } else { Err(Fault::new(Reason::DuplicateKey, at)) };
        }
        self.reader.strays.push(Stray { start: range.0, end: range.1, unescaped: escaped, at });
        Ok(None)
    }

    /// A string from behind its quote: where its text is, in the record or (escaped) in the scratch text.
    #[inline]
    fn string(&mut self) -> Result<((usize, usize), bool), Fault> {
        let start = self.at;
        let end = special(self.bytes, start);
        if self.bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(((start, end), false));
        }
        self.escaped_string(start).map(|range| (range, true))
    }

    #[cold]
    fn escaped_string(&mut self, start: usize) -> Result<(usize, usize), Fault> {
        let end = string_end(self.bytes, start)?;
        self.at = end + 1;
        let from = self.into.scratch.len();
        unescape(&self.text[start..end], start, &mut self.into.scratch)?;
        Ok((from, self.into.scratch.len()))
    }

    /// A value; `source`: what is read there; `place`: the key it belongs to, if known.
    #[inline]
    fn value(
        &mut self,
        source: Option<Source>,
        place: Option<(ObjectId, usize)>,
        depth: usize,
    ) -> Result<(), Fault> {
        let at = self.at;
        match self.bytes.get(at) {
            Some(b'"') => self.text_value(source, at),
            Some(b'-' | b'0'..=b'9') => self.number_value(source, at),
            Some(b't') => self.literal("true", source, Form::True),
            Some(b'f') => self.literal("false", source, Form::False),
            Some(b'n') => self.literal("null", source, Form::Missing),
            Some(open @ (b'{' | b'[')) => {
                if depth == DEPTH_MAX {
                    return Err(Fault::new(Reason::TooDeep, at));
                }
                if let Some(source) = source {
                    self.into.put(source, Form::Nested, (at, at), at);
                }
                self.at += 1;
                let object = *open == b'{';
                if object {
                    let below = place.and_then(|(object, key)| self.reader.shape.below(object, key));
                    self.object(below, depth + 1)
                } else {
                    let below = place.and_then(|(object, key)| self.reader.shape.key(object, key).below);
                    self.array(below, depth + 1)
                }
            }
            _ => self.bad(),
        }
    }

    #[inline]
    fn text_value(&mut self, source: Option<Source>, at: usize) -> Result<(), Fault> {
        self.at += 1;
        let (range, escaped) = self.string()?;
        if range.1 - range.0 >= CARD_DIGITS_MIN {
            let text = if escaped { &self.into.scratch } else { self.text };
            self.check_card_number(&text[range.0..range.1], source, at)?;
        }
        match source {
            Some(source) => {
                let form = if escaped { Form::Unescaped } else { Form::Text };
                self.into.put(source, form, range, at);
            }
            None if escaped => self.into.scratch.truncate(range.0),
            None => {}
        }
        Ok(())
    }

    #[inline]
    fn number_value(&mut self, source: Option<Source>, at: usize) -> Result<(), Fault> {
        self.at = number(self.bytes, at)?;
        if self.at - at >= CARD_DIGITS_MIN {
            self.check_card_number(&self.text[at..self.at], source, at)?;
        }
        if let Some(source) = source {
            self.into.put(source, Form::Number, (at, self.at), at);
        }
        Ok(())
    }

    fn check_card_number(&self, text: &str, source: Option<Source>, at: usize) -> Result<(), Fault> {
        let exempt = source.is_some_and(|source| self.reader.exempt[usize::from(source)]);
        if !exempt && pan::in_text(text) {
            return Err(Fault { reason: Reason::CardNumber, at, source });
        }
        Ok(())
    }

    fn literal(&mut self, word: &str, source: Option<Source>, form: Form) -> Result<(), Fault> {
        let at = self.at;
        if !self.bytes[at..].starts_with(word.as_bytes()) {
            return self.bad();
        }
        self.at += word.len();
        if let Some(source) = source {
            self.into.put(source, form, (at, self.at), at);
        }
        Ok(())
    }

    /// An array, from behind its bracket; mapped elements are known by their number.
    fn array(&mut self, known: Option<ObjectId>, depth: usize) -> Result<(), Fault> {
        self.blanks();
        if self.bytes.get(self.at) == Some(&b']') {
            self.at += 1;
            return Ok(());
        }
        let mut index = 0;
        loop {
            let place = known.and_then(|object| {
                let key = self.reader.shape.find_index(object, index)?;
                Some((object, key))
            });
            let source = place.and_then(|(object, key)| self.reader.shape.key(object, key).source);
            self.value(source, place, depth)?;
            index += 1;
            if !self.more(b']')? {
                return Ok(());
            }
        }
    }

    /// No two of an object's strays are the same. Sorted, so that a hostile record costs little more than an honest one.
    #[cold]
    fn check_strays(&mut self, from: usize) -> Result<(), Fault> {
        let (text, scratch) = (self.text, self.into.scratch.as_str());
        let name = |stray: &Stray| {
            let whole = if stray.unescaped { scratch } else { text };
            &whole[stray.start..stray.end]
        };
        let strays = &mut self.reader.strays[from..];
        strays.sort_unstable_by(|a, b| name(a).cmp(name(b)).then(a.at.cmp(&b.at)));
        let repeated = strays.windows(2).filter(|pair| name(&pair[0]) == name(&pair[1]));
        let first = repeated.map(|pair| pair[1].at).min();
        self.reader.strays.truncate(from);
        first.map_or(Ok(()), |at| Err(Fault::new(Reason::DuplicateKey, at)))
    }
}
