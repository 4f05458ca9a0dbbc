//! The keys that objects of a feed are known to have: those of the mapping, and others as they turn up.
//!
//! A known key is recognised by comparing bytes, at best the very key that followed last time; so the order of keys is
//! a hint, never a condition. What is remembered changes how fast a record is read, never what is read: a record's
//! verdict is a function of its bytes. Memory is bounded by the limits of [`crate::limits`].

use crate::limits::{LEARNED_KEY_BYTES_MAX, LEARNED_KEYS_MAX, LEARNED_OBJECTS_MAX};

/// Number of a place in the record that the mapping reads.
pub(super) type Source = u16;
/// Index of an object in a [`Shape`].
pub(super) type ObjectId = usize;

/// Tokens up to this length are compared at once.
const HEAD_BYTES: usize = 16;

/// A key of an object.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// The first bytes of the token, and which of their bits it has: a comparison without a call.
    head: u128,
    mask: u128,
    /// The key as a record spells it, with quotes and colon.
    token: Box<[u8]>,
    /// A key that needs escapes is never recognised by its spelling.
    plain: bool,
    /// What is read there.
    pub(super) source: Option<Source>,
    /// The object (or array) below it.
    pub(super) below: Option<ObjectId>,
    /// Number of the last record that had it.
    seen: u64,
    /// The key that followed it last.
    next: usize,
}

impl Key {
    fn new(name: &str) -> Key {
        let plain = name.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
        let token: Box<[u8]> = format!("\"{name}\":").into_bytes().into();
        let (mut head, mut mask) = ([0; HEAD_BYTES], [0; HEAD_BYTES]);
        for (at, byte) in token.iter().take(HEAD_BYTES).enumerate() {
            (head[at], mask[at]) = (*byte, 0xff);
        }
        let (head, mask) = (u128::from_le_bytes(head), u128::from_le_bytes(mask));
        Key { head, mask, token, plain, source: None, below: None, seen: 0, next: 0 }
    }

    /// Whether the bytes begin with the key as it is spelled.
    #[inline]
    fn begins(&self, bytes: &[u8]) -> bool {
        let same = match bytes.first_chunk::<HEAD_BYTES>() {
            Some(chunk) if self.token.len() <= HEAD_BYTES => {
                u128::from_le_bytes(*chunk) & self.mask == self.head
            }
            _ => bytes.starts_with(&self.token),
        };
        same && self.plain
    }

    fn name(&self) -> &[u8] {
        &self.token[1..self.token.len() - 2]
    }
}

/// A known key that a record has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Met {
    pub(super) key: usize,
    /// Bytes of its spelling.
    pub(super) length: usize,
    pub(super) source: Option<Source>,
    /// The object of this record did not have it before.
    pub(super) first_time: bool,
}

#[derive(Clone, Debug, Default)]
struct Object {
    keys: Vec<Key>,
    /// Keys with this place or a later one were learned.
    mapped: usize,
    /// The key that came first last time.
    first: usize,
}

/// All known keys.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    objects: Vec<Object>,
    mapped: usize,
    record: u64,
}

/// The outermost object.
pub(super) const ROOT: ObjectId = 0;

impl Shape {
    /// Knows no key yet.
    pub(super) fn new() -> Shape {
        Shape { objects: vec![Object::default()], mapped: 1, record: 0 }
    }

    /// Adds the path of a mapped place.
    pub(super) fn map(&mut self, path: &[String], source: Source) {
        let Some((last, above)) = path.split_last() else { return };
        let mut object = ROOT;
        for name in above {
            let key = self.mapped_key(object, name);
            object = match self.objects[object].keys[key].below {
                Some(below) => below,
                None => self.new_object(object, key),
            };
        }
        let key = self.mapped_key(object, last);
        self.objects[object].keys[key].source = Some(source);
        self.mapped = self.objects.len();
    }

    fn mapped_key(&mut self, object: ObjectId, name: &str) -> usize {
        let object = &mut self.objects[object];
        object.keys.iter().position(|key| key.name() == name.as_bytes()).unwrap_or_else(|| {
            object.keys.push(Key::new(name));
            object.mapped = object.keys.len();
            object.mapped - 1
        })
    }

    fn new_object(&mut self, object: ObjectId, key: usize) -> ObjectId {
        self.objects.push(Object::default());
        let id = self.objects.len() - 1;
        self.objects[object].keys[key].below = Some(id);
        id
    }

    /// Begins a record.
    pub(super) fn begin(&mut self) {
        self.record += 1;
    }

    /// Enters the key that followed `previous` last time, if the bytes begin with its spelling.
    #[inline]
    pub(super) fn expected(
        &mut self,
        object: ObjectId,
        previous: Option<usize>,
        bytes: &[u8],
    ) -> Option<Met> {
        let object = &mut self.objects[object];
        let index = previous.map_or(object.first, |previous| object.keys[previous].next);
        let key = object.keys.get_mut(index).filter(|key| key.begins(bytes))?;
        let first_time = key.seen != self.record;
        key.seen = self.record;
        Some(Met { key: index, length: key.token.len(), source: key.source, first_time })
    }

    /// The known key of a name.
    pub(super) fn find(&self, object: ObjectId, name: &str) -> Option<usize> {
        self.objects[object].keys.iter().position(|key| key.name() == name.as_bytes())
    }

    /// The mapped element of an array.
    pub(super) fn find_index(&self, array: ObjectId, index: usize) -> Option<usize> {
        let is_index = |key: &Key| {
            let name = std::str::from_utf8(key.name()).ok()?;
            let canonical = name == "0" || !name.starts_with(['0', '+']);
            (canonical && name.parse() == Ok(index)).then_some(())
        };
        let array = &self.objects[array];
        array.keys[..array.mapped].iter().position(|key| is_index(key).is_some())
    }

    /// Remembers a key, if there is room.
    pub(super) fn learn(&mut self, object: ObjectId, name: &str) -> Option<usize> {
        let object = &mut self.objects[object];
        let room = object.keys.len() < object.mapped + LEARNED_KEYS_MAX;
        (room && name.len() <= LEARNED_KEY_BYTES_MAX).then(|| {
            object.keys.push(Key::new(name));
            object.keys.len() - 1
        })
    }

    /// Enters a key, and notes that it followed another.
    pub(super) fn enter(&mut self, object: ObjectId, previous: Option<usize>, index: usize) -> Met {
        let object = &mut self.objects[object];
        match previous {
            Some(previous) => object.keys[previous].next = index,
            None => object.first = index,
        }
        let key = &mut object.keys[index];
        let first_time = key.seen != self.record;
        key.seen = self.record;
        Met { key: index, length: key.token.len(), source: key.source, first_time }
    }

    /// A key.
    #[inline]
    pub(super) fn key(&self, object: ObjectId, key: usize) -> &Key {
        &self.objects[object].keys[key]
    }

    /// The object below a key; remembered from now on, if there is room.
    pub(super) fn below(&mut self, object: ObjectId, key: usize) -> Option<ObjectId> {
        let known = self.objects[object].keys[key].below;
        let room = self.objects.len() < self.mapped + LEARNED_OBJECTS_MAX;
        known.or_else(|| room.then(|| self.new_object(object, key)))
    }
}
