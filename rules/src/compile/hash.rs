//! The hash of a set of packs: equal for equal content, independent of layout and comments.

use crate::list::Entries;
use crate::options::Overrides;
use crate::pack::Pack;
use crate::resolve::{Resolution, Resolver};
use crate::time::Ms;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;

/// Hash of the packs' content, the lists they read and the overrides.
pub(super) fn hash(packs: &[Pack], resolver: &Resolver<'_>, overrides: &Overrides) -> String {
    let mut hasher = SipHasher13::new();
    let mut eat = |bytes: &[u8]| {
        hasher.write(&bytes.len().to_le_bytes());
        hasher.write(bytes);
    };
    packs.iter().for_each(|pack| eat(&pack.content));
    for (name, entry) in &resolver.lists {
        eat(name.as_bytes());
        match &entry.entries {
            Resolution::Done(Some(Entries::Texts(texts))) => texts.iter().for_each(|entry| {
                eat(entry.value.as_bytes());
                eat(&ending(entry.end));
            }),
            Resolution::Done(Some(Entries::Numbers(numbers))) => numbers.iter().for_each(|entry| {
                eat(entry.value.to_string().as_bytes());
                eat(&ending(entry.end));
            }),
            _ => {}
        }
    }
    for (name, value) in overrides {
        eat(name.as_bytes());
        eat(value.as_bytes());
    }
    format!("{:032x}", hasher.finish128().as_u128())
}

/// The end of an entry as bytes; none without one.
fn ending(end: Option<Ms>) -> Vec<u8> {
    end.map_or(Vec::new(), |end| end.to_le_bytes().to_vec())
}
