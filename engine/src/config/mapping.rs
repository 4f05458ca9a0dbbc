//! `input:` of a configuration: where each field sits in the bank's record. It reads YAML nodes; which parts fit together
//! is checked by the decoder, and its errors are displayed here.

use tripline_core::decode::{
    AmountForm, CurrencySource, Fallback, FieldMapping, FieldSource, Format, LabelMapping, Mapping,
    MappingError, MappingSpans, Spanned, TimeFormat,
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

/// A mapping as far as it could be read.
pub(super) struct ReadMapping {
    pub(super) mapping: Mapping,
    /// The fields whose mapping is written and could not be read.
    pub(super) unread: Vec<Slot>,
}

/// Reads `format`, `delimiter`, `fields`, `labels` and `pan` of the input section.
pub(super) fn read(keys: &mut Keys<'_>, known: Fields<'_>, errors: &mut Diagnostics) -> Option<ReadMapping> {
    let format = format(keys, errors);
    let section = keys.span();
    let written = keys.required("fields", section, errors);
    // Whether sources are pointers or columns does not matter to what is read here.
    let read = written.map(|node| fields(node, format.unwrap_or(Format::Json), known, errors));
    let labels = keys.optional("labels").and_then(|node| labels(node, known.schema, errors));
    let pan_exempt = keys.optional("pan").map_or_else(Vec::new, |node| pan(node, known, errors));
    let (fields, unread) = read?;
    let span = |name: &str| keys.key_span(name).unwrap_or(section);
    let spans = MappingSpans {
        format: span(if keys.has("delimiter") { "delimiter" } else { "format" }),
        fields: span("fields"),
        labels: span("labels"),
    };
    Some(ReadMapping { mapping: Mapping { format: format?, fields, labels, pan_exempt, spans }, unread })
}

/// Displays what is wrong with a mapping, except for what may only follow from an error that is displayed already: in
/// the declaration of a field, or in its mapping, if it could not be read.
pub(super) fn report(found: &[MappingError], unread: &[Slot], known: Fields<'_>, errors: &mut Diagnostics) {
    let fields = (0u16..).map(Slot).zip(known.schema.fields());
    let undeclared = fields.filter(|(_, field)| known.gaps.field(&field.name)).map(|(slot, _)| slot);
    let explained: Vec<Slot> = undeclared.chain(unread.iter().copied()).collect();
    for error in found.iter().filter(|error| !explained.iter().any(|slot| error.depends_on(*slot))) {
        errors.error("C014", error.to_string(), error.span).label("here");
    }
}

/// A text that may not be empty, and where it is written.
fn text(node: &Node, what: &str, errors: &mut Diagnostics) -> Option<Spanned<String>> {
    let value = node.text(what, errors)?.to_owned();
    Some(Spanned { value, span: node.span })
}

fn format(keys: &mut Keys<'_>, errors: &mut Diagnostics) -> Option<Format> {
    const COMMA: u8 = b',';
    let delimiter = match keys.optional("delimiter") {
        None => COMMA,
        Some(node) => match node.text("a delimiter", errors)?.as_bytes() {
            [byte] => *byte,
            b"\\t" | b"tab" => b'\t',
            _ => {
                errors.error("C010", "a delimiter is one character, or `tab`", node.span);
                return None;
            }
        },
    };
    let Some(node) = keys.optional("format") else { return Some(Format::Json) };
    node.word("the format", &[("json", Format::Json), ("csv", Format::Csv { delimiter })], errors)
}

fn fields(
    node: &Node,
    format: Format,
    known: Fields<'_>,
    errors: &mut Diagnostics,
) -> (Vec<FieldMapping>, Vec<Slot>) {
    let (mut read, mut unread) = (Vec::new(), Vec::new());
    let Some(keys) = Keys::of(node, "the mapping of fields", errors) else {
        let all = (0u16..).map(Slot).take(known.schema.fields().len());
        return (read, all.collect());
    };
    for (name, written) in keys.entries() {
        let Some(slot) = slot(name, known, errors) else { continue };
        match field(slot, written, format, known.schema, errors) {
            Some(field) => read.push(FieldMapping { span: name.span, ..field }),
            None => unread.push(slot),
        }
    }
    (read, unread)
}

fn slot(node: &Node, known: Fields<'_>, errors: &mut Diagnostics) -> Option<Slot> {
    let name = node.text("a field", errors)?;
    let slot = known.schema.slot(name);
    if slot.is_none() && !known.gaps.field(name) {
        let near = nearest(name, known.schema.fields().iter().map(|field| field.name.as_str()));
        errors
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
    errors: &mut Diagnostics,
) -> Option<FieldMapping> {
    if let Some(name) = node.scalar() {
        let name = Spanned { value: name.to_owned(), span: node.span };
        return Some(FieldMapping::new(slot, named(name, format)));
    }
    let name = &schema.field(slot).name;
    let mut keys = Keys::of(node, format!("the mapping of `{name}`"), errors)?;
    let source = source(&mut keys, format, errors)?;
    let mut field = FieldMapping::new(slot, source);
    if let Some(values) = keys.optional("values") {
        field.values = value_map(values, errors);
    }
    if let Some(otherwise) = keys.optional("otherwise") {
        let value = text(otherwise, "`otherwise`", errors)?;
        field.fallback = match value.as_str() {
            "reject" => Fallback::Reject,
            "missing" => Fallback::Missing,
            _ => Fallback::Constant(value),
        };
    }
    match schema.field(slot).kind {
        Kind::Time | Kind::Duration => field.time = time(&mut keys, errors)?,
        Kind::Money(_) => money(&mut keys, &mut field, errors),
        _ => {}
    }
    keys.finish(errors);
    Some(field)
}

/// The source with this name: a pointer or a column.
fn named(name: Spanned<String>, format: Format) -> FieldSource {
    match format {
        _ if *name == "$row" => FieldSource::RowNumber,
        Format::Json => FieldSource::Pointer(name),
        Format::Csv { .. } => FieldSource::Column(name),
    }
}

fn source(keys: &mut Keys<'_>, format: Format, errors: &mut Diagnostics) -> Option<FieldSource> {
    let from = keys.optional("from");
    let constant = keys.optional("const");
    let latitude = keys.optional("latitude");
    let longitude = keys.optional("longitude");
    match (from, constant, latitude, longitude) {
        (Some(from), None, None, None) => Some(named(text(from, "a place", errors)?, format)),
        (None, Some(constant), None, None) => {
            Some(FieldSource::Constant(text(constant, "a constant", errors)?))
        }
        (None, None, Some(latitude), Some(longitude)) => Some(FieldSource::Pair {
            latitude: text(latitude, "a place", errors)?,
            longitude: text(longitude, "a place", errors)?,
        }),
        _ => {
            let what = keys.what().to_owned();
            errors
                .error("C012", format!("{what} says not exactly one place"), keys.span())
                .help("one of `from: PLACE`, `const: VALUE`, or `latitude: PLACE` with `longitude: PLACE`");
            None
        }
    }
}

fn value_map(node: &Node, errors: &mut Diagnostics) -> Vec<(Spanned<String>, Spanned<String>)> {
    let Some(keys) = Keys::of(node, "a value map", errors) else { return Vec::new() };
    let pairs = keys.entries().iter();
    pairs
        .filter_map(|(raw, value)| Some((text(raw, "a raw value", errors)?, text(value, "a value", errors)?)))
        .collect()
}

fn time(keys: &mut Keys<'_>, errors: &mut Diagnostics) -> Option<TimeFormat> {
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
    match node.word("a time's format", &WORDS, errors)? {
        Written::Rfc3339 => Some(TimeFormat::Rfc3339),
        Written::Seconds => Some(TimeFormat::EpochSeconds),
        Written::Millis => Some(TimeFormat::EpochMillis),
        Written::Local => {
            let (Some(pattern), Some(zone)) = (pattern, zone) else {
                errors
                    .error("C013", "a local time needs its pattern and its zone", node.span)
                    .help("e.g. `{from: booked, format: local, pattern: \"%Y-%m-%d %H:%M:%S\", zone: Europe/Berlin}`");
                return None;
            };
            Some(TimeFormat::Local {
                pattern: text(pattern, "a pattern", errors)?,
                zone: text(zone, "a zone", errors)?,
            })
        }
    }
}

fn money(keys: &mut Keys<'_>, field: &mut FieldMapping, errors: &mut Diagnostics) {
    if let Some(unit) = keys.optional("unit") {
        let words = [
            ("major", AmountForm::Major),
            ("major_float", AmountForm::MajorFloat),
            ("minor", AmountForm::Minor),
        ];
        if let Some(form) = unit.word("the unit of money", &words, errors) {
            field.money.amount = form;
        }
    }
    let currency = keys.optional("currency").and_then(|node| text(node, "a currency", errors));
    if let Some(currency) = currency {
        let is_code = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase());
        field.money.currency =
            if is_code { CurrencySource::Constant(currency) } else { CurrencySource::From(currency) };
    }
}

fn labels(node: &Node, schema: &Schema, errors: &mut Diagnostics) -> Option<LabelMapping> {
    let mut keys = Keys::of(node, "`labels`", errors)?;
    let span = keys.span();
    let source = keys.required("when", span, errors).and_then(|node| text(node, "a place", errors));
    let equals =
        keys.required("is", span, errors).and_then(|node| node.text("a value", errors).map(str::to_owned));
    let after_ms = keys.required("after", span, errors).and_then(|node| node.duration("`after`", errors));
    let outcome = keys.optional("outcome");
    let Kind::OneOf(outcomes) = &schema.field(LABEL_OUTCOME).kind else { return None };
    let outcome = match outcome {
        None => outcomes.code("fraud"),
        Some(node) => {
            let words: Vec<(&str, u16)> =
                (0u16..).zip(outcomes.values()).map(|(code, word)| (word.as_str(), code)).collect();
            node.word("an outcome", &words, errors)
        }
    };
    keys.finish(errors);
    Some(LabelMapping { source: source?, equals: equals?, outcome: outcome?, after_ms: after_ms? })
}

fn pan(node: &Node, known: Fields<'_>, errors: &mut Diagnostics) -> Vec<Slot> {
    let Some(mut keys) = Keys::of(node, "`pan`", errors) else { return Vec::new() };
    let exempt = keys.optional("exempt");
    keys.finish(errors);
    match exempt.map(|node| &node.value) {
        Some(Value::List(items)) => items.iter().filter_map(|item| slot(item, known, errors)).collect(),
        Some(_) => exempt.and_then(|node| slot(node, known, errors)).into_iter().collect(),
        None => Vec::new(),
    }
}
