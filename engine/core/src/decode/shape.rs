//! The known keys of a feed's objects: those of the mapping, and others that are learned from records.
//!
//! A known key is recognised by its bytes. The key that followed last time is compared first, so the order of keys is a
//! hint, never a condition. What is learned changes how fast a record is read, never what is read. Memory is bounded by
//! [`crate::limits`].

use super::pan;
use super::record::{BytePos, Record, byte_pos};
use crate::limits::{LEARNED_KEY_BYTES_MAX, LEARNED_KEYS_MAX, LEARNED_OBJECTS_MAX};

/// What happens to a value: [`NOT_MAPPED`], or the target of a source.
pub(super) type TargetId = u16;
/// The target of a value that is not mapped.
pub(super) const NOT_MAPPED: TargetId = 0;
/// Index of an object in a [`Shape`].
pub(super) type ObjectId = usize;
/// Index of a key in a [`Shape`], whatever its object.
pub(super) type KeyId = usize;

/// How many bytes of a token are compared at once; the rest of a longer one is compared apart.
const HEAD_BYTES: usize = 16;

/// The first bytes of a token, in two words.
type Head = [u64; 2];

/// The first bytes of a record from `at` on.
#[inline]
fn head(record: &Record, at: BytePos) -> Head {
    [record.ahead(at), record.ahead(at.wrapping_add(8))].map(u64::from_le_bytes)
}

/// Equal to no masked bytes of a record: no mask has its bit.
const NO_HEAD: Head = [1, 0];

/// A key of an object.
#[derive(Clone, Debug)]
struct Key {
    /// The first bytes of the token, and a mask of the bytes that it has: compared without a call.
    head: Head,
    mask: Head,
    /// The key as written in a record, with quotes and colon.
    token: Box<[u8]>,
    length: BytePos,
    /// What happens to its value.
    target: TargetId,
    /// The object (or array) below it.
    below: Option<ObjectId>,
    /// Number of the last record that has it.
    seen: u64,
    /// The key that followed it last, and the one before that: records of two kinds often alternate.
    next: KeyId,
    earlier: KeyId,
}

/// Stands for all keys that the shape does not know: it is never recognised, and is its own next key.
pub(super) const UNKNOWN: KeyId = 0;

impl Key {
    fn new(name: &[u8]) -> Key {
        let token: Box<[u8]> = [b"\"", name, b"\":"].concat().into();
        // A key that needs escapes is written differently, and one that looks like a card number must be searched.
        let plain =
            name.iter().all(|byte| *byte >= 0x20 && *byte != b'"' && *byte != b'\\') && !pan::in_text(name);
        let (mut head, mut mask) = ([[0; 8]; 2], [[0; 8]; 2]);
        for (at, byte) in token.iter().take(HEAD_BYTES).enumerate().filter(|_| plain) {
            (head[at / 8][at % 8], mask[at / 8][at % 8]) = (*byte, 0xff);
        }
        let (head, mask) = (head.map(u64::from_le_bytes), mask.map(u64::from_le_bytes));
        let head = if plain { head } else { NO_HEAD };
        let length = byte_pos(token.len().min(usize::from(BytePos::MAX)));
        Key {
            head,
            mask,
            length,
            token,
            target: NOT_MAPPED,
            below: None,
            seen: 0,
            next: UNKNOWN,
            earlier: UNKNOWN,
        }
    }

    /// Whether the key is at `at` in the record, written without escapes.
    #[inline]
    fn begins(&self, head: Head, record: &Record, at: BytePos) -> bool {
        let long = usize::from(self.length) > HEAD_BYTES;
        let differs = |word: usize| (head[word] & self.mask[word]) ^ self.head[word];
        differs(0) | differs(1) == 0 && (!long || record.follows(at, &self.token))
    }

    /// Stands for the beginning of an object: its next key is the first one.
    fn opening() -> Key {
        Key { head: NO_HEAD, mask: [0; 2], ..Key::new(b"") }
    }

    fn name(&self) -> &[u8] {
        &self.token[1..self.token.len() - 2]
    }
}

/// A key that was found in a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyMatch {
    pub(super) key: KeyId,
    /// Its length as written, bytes.
    pub(super) length: BytePos,
    /// What happens to its value.
    pub(super) target: TargetId,
    /// The key that followed it last, which is expected next.
    pub(super) next: KeyId,
}

#[derive(Clone, Debug)]
struct Object {
    /// Stands for its beginning.
    opening: KeyId,
    keys: Vec<KeyId>,
    /// How many of them are mapped; the others are learned.
    mapped: usize,
}

/// All known keys.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    keys: Vec<Key>,
    objects: Vec<Object>,
    mapped: usize,
    record: u64,
}

/// The outermost object.
pub(super) const ROOT: ObjectId = 0;

impl Shape {
    /// A shape without keys.
    pub(super) fn new() -> Shape {
        let mut shape = Shape { keys: vec![Key::opening()], objects: Vec::new(), mapped: 1, record: 0 };
        shape.add_object();
        shape
    }

    /// Adds the path of a source.
    pub(super) fn map(&mut self, path: &[String], target: TargetId) {
        let Some((last, above)) = path.split_last() else { return };
        let mut object = ROOT;
        for name in above {
            let key = self.mapped_key(object, name.as_bytes());
            object = self.keys[key].below.unwrap_or_else(|| self.new_object(key));
        }
        let key = self.mapped_key(object, last.as_bytes());
        self.keys[key].target = target;
        self.mapped = self.objects.len();
    }

    fn mapped_key(&mut self, object: ObjectId, name: &[u8]) -> KeyId {
        self.find(object, name).unwrap_or_else(|| {
            self.objects[object].mapped += 1;
            self.add(object, name)
        })
    }

    fn add(&mut self, object: ObjectId, name: &[u8]) -> KeyId {
        self.keys.push(Key::new(name));
        let key = self.keys.len() - 1;
        self.objects[object].keys.push(key);
        key
    }

    fn new_object(&mut self, above: KeyId) -> ObjectId {
        let id = self.add_object();
        self.keys[above].below = Some(id);
        id
    }

    fn add_object(&mut self) -> ObjectId {
        self.keys.push(Key::opening());
        self.objects.push(Object { opening: self.keys.len() - 1, keys: Vec::new(), mapped: 0 });
        self.objects.len() - 1
    }

    /// Begins a record.
    pub(super) fn begin(&mut self) {
        self.record += 1;
    }

    /// What stands for the beginning of an object.
    pub(super) fn opening(&self, object: Option<ObjectId>) -> KeyId {
        object.map_or(UNKNOWN, |object| self.objects[object].opening)
    }

    /// The key that followed `previous` last.
    #[inline]
    pub(super) fn next(&self, previous: KeyId) -> KeyId {
        self.keys[previous].next
    }

    /// The expected key, if it is at `at` in the record and the record does not have it yet.
    #[inline(always)]
    pub(super) fn expected(&mut self, index: KeyId, record: &Record, at: BytePos) -> Option<KeyMatch> {
        let head = head(record, at);
        let key = &mut self.keys[index];
        if !key.begins(head, record, at) || key.seen == self.record {
            return None;
        }
        key.seen = self.record;
        Some(KeyMatch { key: index, length: key.length, target: key.target, next: key.next })
    }

    /// The known key of an object at `at` in the record, written without escapes.
    pub(super) fn written(
        &self,
        object: ObjectId,
        previous: KeyId,
        record: &Record,
        at: BytePos,
    ) -> Option<KeyId> {
        let head = head(record, at);
        let begins = |key: &KeyId| self.keys[*key].begins(head, record, at);
        let Key { next, earlier, .. } = self.keys[previous];
        let all = || self.objects[object].keys.iter().copied().find(begins);
        Some(earlier).filter(begins).or_else(|| Some(next).filter(begins)).or_else(all)
    }

    /// The known key with a name.
    pub(super) fn find(&self, object: ObjectId, name: &[u8]) -> Option<KeyId> {
        self.objects[object].keys.iter().copied().find(|key| self.keys[*key].name() == name)
    }

    /// The element of an array; a mapped one is found by its index.
    pub(super) fn element(&self, array: Option<ObjectId>, index: usize) -> KeyMatch {
        let is_index = |key: &KeyId| {
            let name = std::str::from_utf8(self.keys[*key].name());
            let canonical = |name: &str| name == "0" || !name.starts_with(['0', '+']);
            name.is_ok_and(|name| canonical(name) && name.parse() == Ok(index))
        };
        let mapped = array.map_or(&[][..], |array| {
            let Object { keys, mapped, .. } = &self.objects[array];
            &keys[..*mapped]
        });
        let key = mapped.iter().copied().find(is_index).unwrap_or(UNKNOWN);
        KeyMatch { key, length: 0, target: self.keys[key].target, next: UNKNOWN }
    }

    /// Learns a key, if there is room.
    pub(super) fn learn(&mut self, object: ObjectId, name: &[u8]) -> Option<KeyId> {
        let Object { keys, mapped, .. } = &self.objects[object];
        let room = keys.len() < mapped + LEARNED_KEYS_MAX;
        (room && name.len() <= LEARNED_KEY_BYTES_MAX).then(|| self.add(object, name))
    }

    /// Marks a key as found behind another one. `None` when the record has it already.
    pub(super) fn enter(&mut self, previous: KeyId, key: KeyId) -> Option<KeyMatch> {
        let Key { next, earlier, .. } = &mut self.keys[previous];
        if *next != key {
            (*next, *earlier) = (key, *next);
        }
        let Key { seen, length, target, next, .. } = &mut self.keys[key];
        let first_time = std::mem::replace(seen, self.record) != self.record;
        first_time.then_some(KeyMatch { key, length: *length, target: *target, next: *next })
    }

    /// A key that the shape does not know.
    pub(super) fn unknown(&self) -> KeyMatch {
        KeyMatch { key: UNKNOWN, length: 0, target: NOT_MAPPED, next: UNKNOWN }
    }

    /// The object or array below a key, if known.
    #[inline]
    pub(super) fn below(&self, key: KeyId) -> Option<ObjectId> {
        self.keys[key].below
    }

    /// The object below a key; it is learned if there is room. An unknown key has none.
    #[inline]
    pub(super) fn object_below(&mut self, key: KeyId) -> Option<ObjectId> {
        self.below(key).or_else(|| self.learn_object(key))
    }

    #[inline(never)]
    fn learn_object(&mut self, key: KeyId) -> Option<ObjectId> {
        let room = key != UNKNOWN && self.objects.len() < self.mapped + LEARNED_OBJECTS_MAX;
        room.then(|| self.new_object(key))
    }
}
