//! Where in the configuration a fault of the mapping lies: the decoder finds such faults and knows no files.

use tripline_core::decode::MappingError;
use tripline_rules::diagnostic::Span;
use tripline_rules::yaml::{Keys, Node, Value};

/// The place of a fault in `input`, as narrow as the fault says.
pub(super) fn of(fault: &MappingError, input: &Keys<'_>) -> Span {
    use MappingError as E;
    let section = |name: &str| input.key_span(name).unwrap_or(input.span());
    let (field, text) = match fault {
        E::Unmapped(_) | E::TooMany => return section("fields"),
        E::Delimiter if input.has("delimiter") => return section("delimiter"),
        E::Delimiter => return section("format"),
        E::Label => return section("labels"),
        E::Twice(field) | E::Required(field) | E::NoCurrency(field) | E::Duration(field) => {
            (Some(field), None)
        }
        E::Source { field, .. } => (Some(field), None),
        E::Value { field, value: text }
        | E::Repeated { field, raw: text }
        | E::OtherCurrency { field, currency: text } => (Some(field), Some(text)),
        E::Pointer(text) | E::Currency(text) | E::Zone(text) | E::Pattern(text) => (None, Some(text)),
    };
    let entries = input.entries().iter();
    let named = |wanted: &str| entries.clone().find(|(key, _)| key.scalar() == Some(wanted));
    let fields = named("fields").map(|(_, fields)| fields);
    let field = field.and_then(|field| entry(fields?, field));
    let within = field.map(|(_, value)| value);
    let whole = || [fields, named("labels").map(|(_, labels)| labels)].into_iter().flatten();
    let text = text.and_then(|text| match within {
        Some(within) => scalar(within, text),
        None => whole().find_map(|node| scalar(node, text)),
    });
    text.or(field.map(|(key, _)| key.span)).unwrap_or_else(|| section("fields"))
}

fn entry<'n>(map: &'n Node, name: &str) -> Option<(&'n Node, &'n Node)> {
    let Value::Map(entries) = &map.value else { return None };
    entries.iter().find(|(key, _)| key.scalar() == Some(name)).map(|(key, value)| (key, value))
}

/// The first scalar with this text; a map's values before its keys.
fn scalar(node: &Node, text: &str) -> Option<Span> {
    match &node.value {
        Value::Scalar { .. } => (node.scalar() == Some(text)).then_some(node.span),
        Value::List(items) => items.iter().find_map(|item| scalar(item, text)),
        Value::Map(entries) => {
            let values = entries.iter().find_map(|(_, value)| scalar(value, text));
            values.or_else(|| entries.iter().find_map(|(key, _)| scalar(key, text)))
        }
    }
}
