//! Errors of a mapping as problems of the configuration: what does not fit together, and what rules read and nothing
//! maps.

use super::mapping::Fields;
use tripline_core::decode::{Mapping, MappingError, MappingErrorKind};
use tripline_rules::diagnostic::{Diagnostics, nearest};
use tripline_rules::money::Decimal;
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::{
    ACCOUNT_CURRENCY, Kind, LABEL_OUTCOME, Schema, TX_AMOUNT, TX_CURRENCY, TX_REVERSED,
};
use tripline_rules::value::Slot;
use tripline_rules::yaml::comma_help;
use tripline_rules::zones::nearest_zone;

/// Adds the errors of a mapping to the problems. Errors that may only follow from a reported one, in the declaration of
/// a field or in its mapping, are left out.
pub(super) fn report(
    errors: &[MappingError],
    unread: &[Slot],
    known: Fields<'_>,
    problems: &mut Diagnostics,
) {
    let fields = (0u16..).map(Slot).zip(known.schema.fields());
    let undeclared = fields.filter(|(_, field)| known.gaps.field(&field.name)).map(|(slot, _)| slot);
    let explained: Vec<Slot> = undeclared.chain(unread.iter().copied()).collect();
    for error in errors.iter().filter(|error| !explained.iter().any(|slot| error.depends_on(*slot))) {
        let help = help(error, known.schema);
        problems.error("C014", error.to_string(), error.span).label("here").help_maybe(help);
    }
}

/// What is likely meant.
fn help(error: &MappingError, schema: &Schema) -> Option<String> {
    match &error.kind {
        MappingErrorKind::Zone(zone) => nearest_zone(zone).map(|near| format!("did you mean `{near}`?")),
        MappingErrorKind::Value { value, .. } => match &schema.field(error.field?).kind {
            Kind::Number | Kind::Money(_) if Decimal::has_comma(value) => comma_help(value),
            Kind::Money(_) if value.starts_with('-') && error.field == Some(TX_AMOUNT) => Some(
                "`tx.amount` is positive and its direction is `tx.direction`: write the amount without its minus, or \
                 set `sign`"
                    .to_owned(),
            ),
            Kind::Money(_) => Some(
                "an amount is written as `57.16`, with at most the decimals of its currency and without a unit"
                    .to_owned(),
            ),
            Kind::OneOf(codes) => nearest(value, codes.values().iter().map(String::as_str))
                .map(|near| format!("did you mean `{near}`?")),
            _ => None,
        },
        _ => None,
    }
}

/// Reports fields that the packs read and that no record can carry.
pub(super) fn report_unmapped(
    mapping: &Mapping,
    ruleset: &Ruleset,
    schema: &Schema,
    problems: &mut Diagnostics,
) {
    let mapped = |slot: &Slot| mapping.fields.iter().any(|field| field.slot == *slot);
    // An amount brings its currency, a reversal sets its mark, and `labels:` sets the outcome.
    let set_elsewhere = |slot: &Slot| match *slot {
        TX_CURRENCY | ACCOUNT_CURRENCY | TX_REVERSED => true,
        LABEL_OUTCOME => mapping.labels.is_some(),
        _ => false,
    };
    for slot in ruleset.read_fields().into_iter().filter(|slot| !mapped(slot) && !set_elsewhere(slot)) {
        let name = &schema.field(slot).name;
        let readers: Vec<&str> =
            ruleset.rules().iter().filter(|rule| rule.reads(slot)).map(|rule| rule.id.as_str()).collect();
        let by = match readers[..] {
            [] => "the packs".to_owned(),
            [one] => format!("rule {one}"),
            _ => format!("rules {}", readers.join(", ")),
        };
        problems
            .warning(
                "C017",
                format!("`{name}` is read by {by}, and no record can carry it"),
                mapping.spans.fields,
            )
            .label("not mapped here")
            .help(format!("map `{name}`; until then it is missing, and conditions that need it never hold"));
    }
}
