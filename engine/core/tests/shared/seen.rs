//! What serde_json makes of a document, for tests of several crates of tests. It does not depend on the decoder.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeSet;
use std::fmt;

/// A document as serde_json sees it: how deep it is, whether a key is repeated, whether it is an object.
pub struct Seen {
    pub depth: usize,
    pub repeated: bool,
    pub object: bool,
}

const LEAF: Seen = Seen { depth: 0, repeated: false, object: false };

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_any(Look)
    }
}

struct Look;

impl<'de> Visitor<'de> for Look {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Seen, E> {
        Ok(LEAF)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Seen, E> {
        Ok(LEAF)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Seen, E> {
        Ok(LEAF)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Seen, E> {
        Ok(LEAF)
    }

    fn visit_str<E>(self, _: &str) -> Result<Seen, E> {
        Ok(LEAF)
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(LEAF)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Seen, A::Error> {
        let mut all = Seen { depth: 1, ..LEAF };
        while let Some(item) = items.next_element::<Seen>()? {
            all.depth = all.depth.max(item.depth + 1);
            all.repeated |= item.repeated;
        }
        Ok(all)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Seen, A::Error> {
        let (mut all, mut keys) = (Seen { depth: 1, repeated: false, object: true }, BTreeSet::new());
        while let Some((key, item)) = entries.next_entry::<String, Seen>()? {
            all.depth = all.depth.max(item.depth + 1);
            all.repeated |= item.repeated | !keys.insert(key);
        }
        Ok(all)
    }
}
