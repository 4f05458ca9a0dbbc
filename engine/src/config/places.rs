//! Where settings are written in a configuration. It does not depend on what they mean.

use std::collections::BTreeMap;
use tripline_rules::diagnostic::Span;
use tripline_rules::yaml::{Keys, Node, Value};

/// Where settings are written that the configuration alone cannot judge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The names under `kafka.client`.
    pub client: BTreeMap<String, Span>,
    /// The value of `snapshots.store`.
    pub store: Option<(String, Span)>,
    /// Settings by their path, such as `kafka.brokers`.
    pub settings: BTreeMap<String, Span>,
}

impl Places {
    pub(super) fn of(keys: &Keys<'_>) -> Places {
        let section = |name: &str| {
            keys.entries().iter().find(|(key, _)| key.scalar() == Some(name)).map(|(_, value)| value)
        };
        let client = section("kafka").and_then(|kafka| kafka.value_of("client")).map(|client| &client.value);
        let client = match client {
            Some(Value::Map(entries)) => &entries[..],
            _ => &[],
        };
        let client = client.iter().filter_map(|(key, _)| Some((key.scalar()?.to_owned(), key.span)));
        let store = section("snapshots").and_then(|snapshots| snapshots.value_of("store"));
        let mut settings = BTreeMap::new();
        note_places("", keys.entries(), &mut settings);
        Places {
            client: client.collect(),
            store: store.and_then(|node| Some((node.scalar()?.to_owned(), node.span))),
            settings,
        }
    }
}

/// Notes where settings are written, by their paths. A section is at its key.
fn note_places(path: &str, entries: &[(Node, Node)], into: &mut BTreeMap<String, Span>) {
    for (key, node) in entries {
        let Some(name) = key.scalar() else { continue };
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let span = match &node.value {
            Value::Map(entries) => {
                note_places(&path, entries, into);
                key.span
            }
            _ => node.span,
        };
        into.insert(path, span);
    }
}
