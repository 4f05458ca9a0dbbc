//! The walk through one record: checks every byte, and converts or captures the mapped values. It does not depend on
//! paths: the target of a key says what happens to its value.

use crate::decode::capture::{Captures, Form, Raw, SourceId};
use crate::decode::fields::Fields;
use crate::decode::pan;
use crate::decode::record::{BytePos, Record, byte_pos};
use crate::decode::reject::{ReadError, Reason};
use crate::decode::scan::{number, special, special_and_head, string_end, unescape};
use crate::decode::shape::{KeyId, KeyMatch, ObjectId, ROOT, Shape, TargetId, UNKNOWN};
use crate::decode::steps::DirectField;
use crate::limits::CARD_DIGITS_MIN;

/// What happens to a value.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The source that the value is of, if it is mapped.
    pub(super) source: Option<SourceId>,
    /// Whether it is exempt from the search for card numbers.
    pub(super) exempt: bool,
    /// The field that is converted at once; without one the value is captured.
    pub(super) direct: Option<DirectField>,
}

/// A key that the shape does not know and has no room to learn: the range of its name in the record or the scratch
/// text.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnknownKey {
    range: (BytePos, BytePos),
    unescaped: bool,
    at: BytePos,
}

/// The walk has ended at an error, which is in [`Walk::error`]: so a result is returned in registers.
pub(super) struct Stop;

#[inline]
fn slice(text: &[u8], (start, end): (BytePos, BytePos)) -> &[u8] {
    &text[usize::from(start)..usize::from(end)]
}

/// The walk through one record. The position is passed from call to call, so that it stays in a register.
pub(super) struct Walk<'a, 'b> {
    pub(super) text: &'a [u8],
    pub(super) record: &'a Record,
    pub(super) shape: &'a mut Shape,
    pub(super) targets: &'a [Target],
    /// How deep objects and arrays may be nested.
    pub(super) depth: usize,
    /// Unknown keys of the open objects.
    pub(super) unknown: &'a mut Vec<UnknownKey>,
    pub(super) into: &'a mut Captures,
    pub(super) fields: &'a mut Fields<'b>,
    pub(super) error: ReadError,
}

/// A string: the range of its text in the record or, with escapes, in the scratch text, and where the string ends.
#[derive(Clone, Copy)]
struct Text {
    range: (BytePos, BytePos),
    unescaped: bool,
    end: BytePos,
}

/// What follows a value.
enum More {
    /// Another value, at this position.
    At(BytePos),
    /// The end of its object or array.
    End(BytePos),
}

impl<'a> Walk<'a, '_> {
    /// The whole record.
    pub(super) fn record(&mut self) -> Result<(), Stop> {
        let open = self.blanks(0);
        if self.record.byte(open) != b'{' {
            return Err(self.bad(open));
        }
        let close = self.object(open + 1, Some(ROOT), 1)?;
        let end = self.blanks(close);
        if end < self.record.end() { Err(self.bad(end)) } else { Ok(()) }
    }

    #[cold]
    fn bad(&mut self, at: BytePos) -> Stop {
        self.stop(Reason::BadJson, at)
    }

    #[cold]
    fn stop(&mut self, reason: Reason, at: BytePos) -> Stop {
        self.error = ReadError::new(reason, at.into());
        Stop
    }

    /// Where the blanks at a position end.
    #[inline]
    fn blanks(&self, mut at: BytePos) -> BytePos {
        while matches!(self.record.byte(at), b' ' | b'\n' | b'\r' | b'\t') {
            at = at.wrapping_add(1);
        }
        at
    }

    /// After a value: whether another one follows.
    #[inline]
    fn more(&mut self, mut at: BytePos, close: u8) -> Result<More, Stop> {
        loop {
            match self.record.byte(at) {
                b',' => return Ok(More::At(at.wrapping_add(1))),
                byte if byte == close => return Ok(More::End(at.wrapping_add(1))),
                b' ' | b'\n' | b'\r' | b'\t' => at += 1,
                _ => return Err(self.bad(at)),
            }
        }
    }

    /// An object from behind its brace; gives where it ends. If the shape does not know it, all its keys are unknown.
    fn object(&mut self, start: BytePos, known: Option<ObjectId>, depth: usize) -> Result<BytePos, Stop> {
        let mut at = self.blanks(start);
        if self.record.byte(at) == b'}' {
            return Ok(at + 1);
        }
        let unknown = self.unknown.len();
        let mut previous = self.shape.opening(known);
        let mut next = self.shape.next(previous);
        let end = loop {
            let (found, value) = match self.shape.expected(next, self.record, at) {
                Some(found) => {
                    (previous, next) = (found.key, found.next);
                    (found, at.wrapping_add(found.length))
                }
                None => {
                    let (found, value) = self.unexpected(known, previous, at)?;
                    // The next known key is still expected behind an unknown one.
                    if found.key != UNKNOWN {
                        (previous, next) = (found.key, found.next);
                    }
                    (found, value)
                }
            };
            let target = self.target(found.target);
            let after = self.value(value, target, found.key, depth)?;
            if self.record.byte(after) == b',' {
                at = after.wrapping_add(1);
                continue;
            }
            match self.more(after, b'}')? {
                More::At(next) => at = next,
                More::End(end) => break end,
            }
        };
        if self.unknown.len() > unknown {
            self.check_unknown(unknown)?
        }
        Ok(end)
    }

    /// A key that is not the expected one, and its colon; gives where its value begins.
    #[inline(never)]
    fn unexpected(
        &mut self,
        known: Option<ObjectId>,
        previous: KeyId,
        at: BytePos,
    ) -> Result<(KeyMatch, BytePos), Stop> {
        let at = self.blanks(at);
        let repeated = Reason::DuplicateKey;
        let written = known.and_then(|object| self.shape.written(object, previous, self.record, at));
        if let Some(key) = written {
            let found = self.shape.enter(previous, key).ok_or_else(|| self.stop(repeated, at))?;
            return Ok((found, at.wrapping_add(found.length)));
        }
        if self.record.byte(at) != b'"' {
            return Err(self.bad(at));
        }
        let Text { range, unescaped, end } = self.string(at + 1)?;
        let colon = self.blanks(end);
        if self.record.byte(colon) != b':' {
            return Err(self.bad(colon));
        }
        let name = slice(if unescaped { self.into.scratch.as_bytes() } else { self.text }, range);
        if pan::in_text(name) {
            return Err(self.stop(Reason::CardNumber, at));
        }
        // By its decoded name: otherwise one spelling of a key could be unknown and another known.
        let key =
            known.and_then(|object| self.shape.find(object, name).or_else(|| self.shape.learn(object, name)));
        let found = match key {
            Some(key) => self.shape.enter(previous, key).ok_or_else(|| self.stop(repeated, at))?,
            None => {
                self.unknown.push(UnknownKey { range, unescaped, at });
                self.shape.unknown()
            }
        };
        Ok((found, colon + 1))
    }

    /// A string from behind its quote.
    fn string(&mut self, start: BytePos) -> Result<Text, Stop> {
        let end = special(self.record, start);
        if self.record.byte(end) == b'"' {
            return Ok(Text { range: (start, end), unescaped: false, end: end + 1 });
        }
        self.escaped_string(start)
    }

    #[cold]
    fn escaped_string(&mut self, start: BytePos) -> Result<Text, Stop> {
        let end = string_end(self.record, start).map_err(|at| self.bad(at))?;
        let from = byte_pos(self.into.scratch.len());
        let text = str::from_utf8(slice(self.text, (start, end)));
        let text = text.map_err(|_| self.stop(Reason::NotUtf8, start))?;
        let unescaped = unescape(text, &mut self.into.scratch);
        unescaped.map_err(|at| self.bad(start + byte_pos(at)))?;
        Ok(Text { range: (from, byte_pos(self.into.scratch.len())), unescaped: true, end: end + 1 })
    }

    #[inline(always)]
    fn target(&self, target: TargetId) -> &'a Target {
        &self.targets[usize::from(target)]
    }

    /// A value; gives where it ends. `key`: its key, or [`UNKNOWN`].
    #[inline(always)]
    fn value(&mut self, at: BytePos, target: &Target, key: KeyId, depth: usize) -> Result<BytePos, Stop> {
        match self.record.byte(at) {
            b'"' => self.text_value(at, target),
            b'{' => self.nested(at, b'{', target, key, depth),
            _ => self.other_value(at, target, key, depth),
        }
    }

    /// A value that is neither a text nor an object, or has blanks before it.
    #[inline(never)]
    fn other_value(
        &mut self,
        at: BytePos,
        target: &Target,
        key: KeyId,
        depth: usize,
    ) -> Result<BytePos, Stop> {
        match self.record.byte(at) {
            b'-' | b'0'..=b'9' => self.number_value(at, target),
            b't' => self.literal(at, b"true", target, Form::True),
            b'f' => self.literal(at, b"false", target, Form::False),
            b'n' => self.literal(at, b"null", target, Form::Missing),
            b'[' => self.nested(at, b'[', target, key, depth),
            b' ' | b'\n' | b'\r' | b'\t' => {
                let at = self.blanks(at);
                match self.record.byte(at) {
                    b'"' => self.text_behind_blanks(at, target),
                    b'{' => self.nested(at, b'{', target, key, depth),
                    _ => self.other_value(at, target, key, depth),
                }
            }
            _ => Err(self.bad(at)),
        }
    }

    #[inline(always)]
    fn nested(
        &mut self,
        at: BytePos,
        open: u8,
        target: &Target,
        key: KeyId,
        depth: usize,
    ) -> Result<BytePos, Stop> {
        if depth == self.depth {
            return Err(self.stop(Reason::TooDeep, at));
        }
        if target.source.is_some() {
            self.found(target, Form::Nested, (at, at), at);
        }
        if open == b'{' {
            let below = self.shape.object_below(key);
            self.object(at + 1, below, depth + 1)
        } else {
            let below = self.shape.below(key);
            self.array(at + 1, below, depth + 1)
        }
    }

    #[inline(never)]
    fn text_behind_blanks(&mut self, at: BytePos, target: &Target) -> Result<BytePos, Stop> {
        self.text_value(at, target)
    }

    #[inline(always)]
    fn text_value(&mut self, at: BytePos, target: &Target) -> Result<BytePos, Stop> {
        let start = at.wrapping_add(1);
        let (end, head) = special_and_head(self.record, start);
        if self.record.byte(end) != b'"' {
            return self.escaped_value(at, target);
        }
        let range = (start, end);
        if usize::from(end.wrapping_sub(start)) >= CARD_DIGITS_MIN && !target.exempt {
            self.check_card_number(Text { range, unescaped: false, end }, target, at)?;
        }
        if let Some(field) = &target.direct {
            self.fields.read(field, Raw::text(self.record.text(start, end), head), at.into());
        } else if let Some(source) = target.source {
            self.into.put(source, Form::Text, range, at);
        }
        Ok(end.wrapping_add(1))
    }

    #[cold]
    fn escaped_value(&mut self, at: BytePos, target: &Target) -> Result<BytePos, Stop> {
        let text = self.escaped_string(at + 1)?;
        if !target.exempt {
            self.check_card_number(text, target, at)?;
        }
        let Text { range, end, .. } = text;
        if target.source.is_some() {
            self.found(target, Form::Unescaped, range, at);
        } else {
            self.into.scratch.truncate(range.0.into());
        }
        Ok(end)
    }

    #[inline]
    fn number_value(&mut self, at: BytePos, target: &Target) -> Result<BytePos, Stop> {
        let end = number(self.record, at).map_err(|at| self.bad(at))?;
        if usize::from(end.wrapping_sub(at)) >= CARD_DIGITS_MIN && !target.exempt {
            self.check_number(end, target, at)?;
        }
        self.found(target, Form::Number, (at, end), at);
        Ok(end)
    }

    /// Converts or captures a value that is not a text in the record.
    #[inline(never)]
    fn found(&mut self, target: &Target, form: Form, (start, end): (BytePos, BytePos), at: BytePos) {
        let Some(source) = target.source else { return };
        match &target.direct {
            Some(field) if form != Form::Missing => {
                let whole = if form == Form::Unescaped { self.into.scratch.as_bytes() } else { self.text };
                self.fields.read(field, Raw::new(form, slice(whole, (start, end))), at.into());
            }
            _ => self.into.put(source, form, (start, end), at),
        }
    }

    #[inline(never)]
    fn check_card_number(&mut self, text: Text, target: &Target, at: BytePos) -> Result<(), Stop> {
        let whole = if text.unescaped { self.into.scratch.as_bytes() } else { self.text };
        if pan::in_text(slice(whole, text.range)) {
            self.error = ReadError { reason: Reason::CardNumber, at: at.into(), source: target.source };
            return Err(Stop);
        }
        Ok(())
    }

    #[inline(never)]
    fn check_number(&mut self, end: BytePos, target: &Target, at: BytePos) -> Result<(), Stop> {
        if pan::in_number(slice(self.text, (at, end))) {
            self.error = ReadError { reason: Reason::CardNumber, at: at.into(), source: target.source };
            return Err(Stop);
        }
        Ok(())
    }

    #[inline]
    fn literal<const N: usize>(
        &mut self,
        at: BytePos,
        word: &[u8; N],
        target: &Target,
        form: Form,
    ) -> Result<BytePos, Stop> {
        if self.record.ahead(at) != *word {
            return Err(self.bad(at));
        }
        let end = at.wrapping_add(byte_pos(N));
        // The fast path of most literals.
        if let (Some(field), Form::True | Form::False) = (&target.direct, form)
            && field.is_bool()
        {
            self.fields.set_bool(field, form == Form::True);
            return Ok(end);
        }
        self.found(target, form, (at, end), at);
        Ok(end)
    }

    /// An array from behind its bracket; gives where it ends. Mapped elements are found by their index.
    fn array(&mut self, start: BytePos, known: Option<ObjectId>, depth: usize) -> Result<BytePos, Stop> {
        let mut at = self.blanks(start);
        if self.record.byte(at) == b']' {
            return Ok(at + 1);
        }
        let mut index = 0;
        loop {
            let KeyMatch { key, target, .. } = self.shape.element(known, index);
            let after = self.value(at, self.target(target), key, depth)?;
            index += 1;
            match self.more(after, b']')? {
                More::At(next) => at = next,
                More::End(end) => return Ok(end),
            }
        }
    }

    /// Checks that no two unknown keys of an object are the same. They are sorted, so that a hostile record costs
    /// little more than an honest one.
    #[cold]
    fn check_unknown(&mut self, from: usize) -> Result<(), Stop> {
        let (text, scratch) = (self.text, self.into.scratch.as_bytes());
        let name = |key: &UnknownKey| {
            let whole = if key.unescaped { scratch } else { text };
            slice(whole, key.range)
        };
        let unknown = &mut self.unknown[from..];
        unknown.sort_unstable_by(|a, b| name(a).cmp(name(b)).then(a.at.cmp(&b.at)));
        let repeated = unknown.windows(2).filter(|pair| name(&pair[0]) == name(&pair[1]));
        let first = repeated.map(|pair| pair[1].at).min();
        self.unknown.truncate(from);
        first.map_or(Ok(()), |at| Err(self.stop(Reason::DuplicateKey, at)))
    }
}
