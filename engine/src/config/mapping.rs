//! `input:` of a configuration: where each field sits in the bank's record. It reads YAML nodes; the decoder's own
//! checks follow when the decoder is built.

use tripline_core::decode::{
    AmountForm, CurrencySource, Fallback, FieldMapping, FieldSource, Format, LabelMapping, Mapping,
    TimeFormat,
};
use tripline_rules::diagnostic::{Diagnostics, nearest};
use tripline_rules::schema::{Kind, LABEL_OUTCOME, Schema, SchemaGaps};
use tripline_rules::value::Slot;
use tripline_rules::yaml::{Keys, Node, Value};

/// The fields that can be mapped.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    /// Those that could be read.
    pub(super) schema: &'a Schema,
    /// What is not known of the others.
    pub(super) gaps: &'a SchemaGaps,
}

/// Reads `format`, `delimiter`, `fields`, `labels` and `pan` of the input section. Also gives the fields whose mapping
/// cannot be read: they are written all the same.
pub(super) fn read(
    keys: &mut Keys<'_>,
    known: Fields<'_>,
    faults: &mut Diagnostics,
) -> Option<(Mapping, Vec<String>)> {
    let format = format(keys, faults);
    let section = keys.span();
    let written = keys.required("fields", section, faults);
    // Whether places are pointers or columns does not matter to what is read here.
    let read = written.map(|node| fields(node, format.unwrap_or(Format::Json), known, faults));
    let labels = keys.optional("labels").and_then(|node| labels(node, known.schema, faults));
    let pan_exempt = keys.optional("pan").map_or_else(Vec::new, |node| pan(node, known, faults));
    let (fields, faulty) = read?;
    Some((Mapping { format: format?, fields, labels, pan_exempt }, faulty))
}

fn format(keys: &mut Keys<'_>, faults: &mut Diagnostics) -> Option<Format> {
    const COMMA: u8 = b',';
    let delimiter = match keys.optional("delimiter") {
        None => COMMA,
        Some(node) => match node.text("a delimiter", faults)?.as_bytes() {
            [byte] => *byte,
            b"\\t" | b"tab" => b'\t',
            _ => {
                faults.error("C010", "a delimiter is one character, or `tab`", node.span);
                return None;
            }
        },
    };
    let Some(node) = keys.optional("format") else { return Some(Format::Json) };
    node.word("the format", &[("json", Format::Json), ("csv", Format::Csv { delimiter })], faults)
}

fn fields(
    node: &Node,
    format: Format,
    known: Fields<'_>,
    faults: &mut Diagnostics,
) -> (Vec<FieldMapping>, Vec<String>) {
    let (mut read, mut faulty) = (Vec::new(), Vec::new());
    let Some(keys) = Keys::of(node, "the mapping of fields", faults) else {
        let all = known.schema.fields().iter().map(|field| field.name.clone());
        return (read, all.collect());
    };
    for (name, written) in keys.entries() {
        let Some(slot) = slot(name, known, faults) else { continue };
        match field(slot, written, format, known.schema, faults) {
            Some(field) => read.push(field),
            None => faulty.push(known.schema.field(slot).name.clone()),
        }
    }
    (read, faulty)
}

fn slot(node: &Node, known: Fields<'_>, faults: &mut Diagnostics) -> Option<Slot> {
    let name = node.text("a field", faults)?;
    let slot = known.schema.slot(name);
    if slot.is_none() && !known.gaps.field(name) {
        let near = nearest(name, known.schema.fields().iter().map(|field| field.name.as_str()));
        faults
            .error("C011", format!("the schema has no field `{name}`"), node.span)
            .label("unknown field")
            .help_maybe(near.map(|near| format!("did you mean `{near}`?")));
    }
    slot
}

fn field(
    slot: Slot,
    node: &Node,
    format: Format,
    schema: &Schema,
    faults: &mut Diagnostics,
) -> Option<FieldMapping> {
    if let Some(place) = node.scalar() {
        return Some(FieldMapping::new(slot, place_of(place, format)));
    }
    let name = &schema.field(slot).name;
    let mut keys = Keys::of(node, format!("the mapping of `{name}`"), faults)?;
    let source = source(&mut keys, format, faults)?;
    let mut field = FieldMapping::new(slot, source);
    if let Some(values) = keys.optional("values") {
        field.values = value_map(values, faults);
    }
    if let Some(otherwise) = keys.optional("otherwise") {
        field.fallback = match otherwise.text("`otherwise`", faults)? {
            "reject" => Fallback::Reject,
            "missing" => Fallback::Missing,
            value => Fallback::Constant(value.to_owned()),
        };
    }
    match schema.field(slot).kind {
        Kind::Time | Kind::Duration => field.time = time(&mut keys, faults)?,
        Kind::Money(_) => money(&mut keys, &mut field, faults),
        _ => {}
    }
    keys.finish(faults);
    Some(field)
}

fn place_of(place: &str, format: Format) -> FieldSource {
    match format {
        _ if place == "$row" => FieldSource::RowNumber,
        Format::Json => FieldSource::Pointer(place.to_owned()),
        Format::Csv { .. } => FieldSource::Column(place.to_owned()),
    }
}

fn source(keys: &mut Keys<'_>, format: Format, faults: &mut Diagnostics) -> Option<FieldSource> {
    let from = keys.optional("from");
    let constant = keys.optional("const");
    let latitude = keys.optional("latitude");
    let longitude = keys.optional("longitude");
    match (from, constant, latitude, longitude) {
        (Some(from), None, None, None) => Some(place_of(from.text("a place", faults)?, format)),
        (None, Some(constant), None, None) => {
            Some(FieldSource::Constant(constant.text("a constant", faults)?.to_owned()))
        }
        (None, None, Some(latitude), Some(longitude)) => Some(FieldSource::Pair {
            latitude: latitude.text("a place", faults)?.to_owned(),
            longitude: longitude.text("a place", faults)?.to_owned(),
        }),
        _ => {
            let what = keys.what().to_owned();
            faults
                .error("C012", format!("{what} says not exactly one place"), keys.span())
                .help("one of `from: PLACE`, `const: VALUE`, or `latitude: PLACE` with `longitude: PLACE`");
            None
        }
    }
}

fn value_map(node: &Node, faults: &mut Diagnostics) -> Vec<(String, String)> {
    let Some(keys) = Keys::of(node, "a value map", faults) else { return Vec::new() };
    let pairs = keys.entries().iter();
    pairs
        .filter_map(|(raw, value)| {
            Some((raw.text("a raw value", faults)?.to_owned(), value.text("a value", faults)?.to_owned()))
        })
        .collect()
}

fn time(keys: &mut Keys<'_>, faults: &mut Diagnostics) -> Option<TimeFormat> {
    #[derive(Clone, Copy)]
    enum Written {
        Rfc3339,
        Seconds,
        Millis,
        Local,
    }
    const WORDS: [(&str, Written); 4] = [
        ("rfc3339", Written::Rfc3339),
        ("epoch_s", Written::Seconds),
        ("epoch_ms", Written::Millis),
        ("local", Written::Local),
    ];
    let pattern = keys.optional("pattern");
    let zone = keys.optional("zone");
    let Some(node) = keys.optional("format") else { return Some(TimeFormat::Rfc3339) };
    match node.word("a time's format", &WORDS, faults)? {
        Written::Rfc3339 => Some(TimeFormat::Rfc3339),
        Written::Seconds => Some(TimeFormat::EpochSeconds),
        Written::Millis => Some(TimeFormat::EpochMillis),
        Written::Local => {
            let (Some(pattern), Some(zone)) = (pattern, zone) else {
                faults
                    .error("C013", "a local time needs its pattern and its zone", node.span)
                    .help("e.g. `{from: booked, format: local, pattern: \"%Y-%m-%d %H:%M:%S\", zone: Europe/Berlin}`");
                return None;
            };
            Some(TimeFormat::Local {
                pattern: pattern.text("a pattern", faults)?.to_owned(),
                zone: zone.text("a zone", faults)?.to_owned(),
            })
        }
    }
}

fn money(keys: &mut Keys<'_>, field: &mut FieldMapping, faults: &mut Diagnostics) {
    if let Some(unit) = keys.optional("unit") {
        let words = [
            ("major", AmountForm::Major),
            ("major_float", AmountForm::MajorFloat),
            ("minor", AmountForm::Minor),
        ];
        if let Some(form) = unit.word("the unit of money", &words, faults) {
            field.money.amount = form;
        }
    }
    let currency = keys.optional("currency").and_then(|node| node.text("a currency", faults));
    if let Some(currency) = currency {
        let is_code = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase());
        field.money.currency = if is_code {
            CurrencySource::Constant(currency.to_owned())
        } else {
            CurrencySource::From(currency.to_owned())
        };
    }
}

fn labels(node: &Node, schema: &Schema, faults: &mut Diagnostics) -> Option<LabelMapping> {
    let mut keys = Keys::of(node, "`labels`", faults)?;
    let span = keys.span();
    let source =
        keys.required("when", span, faults).and_then(|node| node.text("a place", faults).map(str::to_owned));
    let equals =
        keys.required("is", span, faults).and_then(|node| node.text("a value", faults).map(str::to_owned));
    let after_ms = keys.required("after", span, faults).and_then(|node| node.duration("`after`", faults));
    let outcome = keys.optional("outcome");
    let Kind::OneOf(outcomes) = &schema.field(LABEL_OUTCOME).kind else { return None };
    let outcome = match outcome {
        None => outcomes.code("fraud"),
        Some(node) => {
            let words: Vec<(&str, u16)> =
                (0u16..).zip(outcomes.values()).map(|(code, word)| (word.as_str(), code)).collect();
            node.word("an outcome", &words, faults)
        }
    };
    keys.finish(faults);
    Some(LabelMapping { source: source?, equals: equals?, outcome: outcome?, after_ms: after_ms? })
}

fn pan(node: &Node, known: Fields<'_>, faults: &mut Diagnostics) -> Vec<Slot> {
    let Some(mut keys) = Keys::of(node, "`pan`", faults) else { return Vec::new() };
    let exempt = keys.optional("exempt");
    keys.finish(faults);
    match exempt.map(|node| &node.value) {
        Some(Value::List(items)) => items.iter().filter_map(|item| slot(item, known, faults)).collect(),
        Some(_) => exempt.and_then(|node| slot(node, known, faults)).into_iter().collect(),
        None => Vec::new(),
    }
}
