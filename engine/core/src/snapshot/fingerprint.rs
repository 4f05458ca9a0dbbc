//! What must be the same for a snapshot to mean the same: schema, secret, and the meaning of what is counted.

use super::seal::checksum;
use tripline_rules::schema::{CurrencyOf, Kind, LABEL_OUTCOME, Schema, TX_CURRENCY};
use tripline_rules::value::TextKey;

/// What must be the same for rows to mean the same: the codes of event types, outcomes and currencies, and every kept
/// field with its kind.
pub(crate) fn schema_fingerprint(schema: &Schema) -> u128 {
    let mut text = schema.event_types().values().join("|");
    let read = schema.keep().iter().chain(&[LABEL_OUTCOME, TX_CURRENCY]);
    for field in read.map(|slot| schema.field(*slot)) {
        text.push('\n');
        text.push_str(&field.name);
        text.push(':');
        text.push_str(&kind_text(&field.kind));
    }
    fingerprint(&text)
}

/// 128 bits that identify a text.
pub(crate) fn fingerprint(text: &str) -> u128 {
    checksum(text.as_bytes())
}

/// A kind in words that identify it.
pub(crate) fn kind_text(kind: &Kind) -> String {
    match kind {
        Kind::Bool => "yes/no".to_owned(),
        Kind::Number => "number".to_owned(),
        Kind::Money(CurrencyOf::Account) => "money in account.currency".to_owned(),
        Kind::Money(CurrencyOf::Fixed(currency)) => format!("money in {}", currency.number()),
        Kind::OneOf(codes) => format!("one of {}", codes.values().join("|")),
        Kind::Text => "text".to_owned(),
        Kind::Time => "time".to_owned(),
        Kind::Duration => "duration".to_owned(),
        Kind::Geo => "location".to_owned(),
    }
}

/// A value that two shards share if and only if their secret is the same, and that reveals nothing of it.
pub(crate) fn key_check(key: &TextKey) -> u128 {
    key.check()
}
