//! The mapping in `input:` of a configuration: where each field comes from in a record. Here its YAML nodes are read;
//! the decoder checks which parts fit together.

use std::collections::VecDeque;
use tripline_core::decode::{
    Ambiguous, AmountForm, CurrencySource, Fallback, FieldMapping, FieldSource, Format, LabelMapping,
    Mapping, MappingSpans, Sign, Spanned, TimeFormat,
};
use tripline_core::limits::{DEPTH, DEPTH_MAX};
use tripline_rules::diagnostic::{Diagnostics, nearest};
use tripline_rules::schema::{Kind, LABEL_OUTCOME, Schema, SchemaGaps};
use tripline_rules::value::Slot;
use tripline_rules::yaml::{Keys, Node, Value};

/// The fields that a mapping can name.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    /// Those that could be read.
    pub(super) schema: &'a Schema,
    /// What could not be read of the schema.
    pub(super) gaps: &'a SchemaGaps,
}

/// A mapping as far as it could be read.
pub(super) struct ReadMapping {
    pub(super) mapping: Mapping,
    /// The fields that are mapped, and whose mapping could not be read.
    pub(super) unread: Vec<Slot>,
}

/// Reads `format`, `delimiter`, `fields`, `labels` and `pan` of the input section.
pub(super) fn read(
    keys: &mut Keys<'_>,
    known: Fields<'_>,
    problems: &mut Diagnostics,
) -> Option<ReadMapping> {
    let format = format(keys, problems);
    let section = keys.span();
    let written = keys.required("fields", section, problems);
    // Whether sources are pointers or columns makes no difference to the errors found here.
    let read = written.map(|node| fields(node, format.unwrap_or(Format::Json), known, problems));
    let labels = keys.optional("labels").and_then(|node| labels(node, known.schema, problems));
    let pan_exempt = keys.optional("pan").map_or_else(Vec::new, |node| pan(node, known, problems));
    let depth = depth(keys, format, problems);
    let (fields, unread) = read?;
    let span = |name: &str| keys.key_span(name).unwrap_or(section);
    let spans = MappingSpans {
        format: span(if keys.has("delimiter") { "delimiter" } else { "format" }),
        fields: span("fields"),
        labels: span("labels"),
    };
    let mapping = Mapping { format: format?, fields, labels, pan_exempt, depth: depth?, spans };
    Some(ReadMapping { mapping, unread })
}

/// How deep JSON records may be nested.
fn depth(keys: &mut Keys<'_>, format: Option<Format>, problems: &mut Diagnostics) -> Option<usize> {
    let Some(node) = keys.optional("depth") else { return Some(DEPTH) };
    if let Some(Format::Csv { .. }) = format {
        problems
            .error("C018", "`depth` has no effect: the format is `csv`", node.span)
            .label("without effect")
            .help("remove `depth`: cells are not nested");
    }
    let most = i64::try_from(DEPTH_MAX).expect("a small number");
    usize::try_from(node.whole("`depth`", 1, most, problems)?).ok()
}

/// A text, which must not be empty, and where it is written.
fn text(node: &Node, what: &str, problems: &mut Diagnostics) -> Option<Spanned<String>> {
    let value = node.text(what, problems)?.to_owned();
    Some(Spanned { value, span: node.span })
}

fn format(keys: &mut Keys<'_>, problems: &mut Diagnostics) -> Option<Format> {
    const COMMA: u8 = b',';
    let delimiter = match keys.optional("delimiter") {
        None => COMMA,
        Some(node) => match node.text("a delimiter", problems)?.as_bytes() {
            [byte] => *byte,
            b"\\t" | b"tab" => b'\t',
            _ => {
                problems.error("C010", "a delimiter is one character, or `tab`", node.span);
                return None;
            }
        },
    };
    let format = match keys.optional("format") {
        None => Some(Format::Json),
        Some(node) => {
            node.word("the format", &[("json", Format::Json), ("csv", Format::Csv { delimiter })], problems)
        }
    };
    if let (Some(Format::Json), Some(span)) = (format, keys.key_span("delimiter")) {
        problems
            .error("C018", "`delimiter` has no effect: the format is `json`", span)
            .label("without effect")
            .help("write `format: csv`, or remove `delimiter`");
    }
    format
}

fn fields(
    node: &Node,
    format: Format,
    known: Fields<'_>,
    problems: &mut Diagnostics,
) -> (Vec<FieldMapping>, Vec<Slot>) {
    let (mut read, mut unread) = (Vec::new(), Vec::new());
    let Some(keys) = Keys::of(node, "the mapping of fields", problems) else {
        let all = (0u16..).map(Slot).take(known.schema.fields().len());
        return (read, all.collect());
    };
    for (name, written) in keys.entries() {
        let Some(slot) = slot(name, known, problems) else { continue };
        match places(slot, written, format, known.schema, problems) {
            Some(field) => read.push(FieldMapping { span: name.span, ..field }),
            None => unread.push(slot),
        }
    }
    (read, unread)
}

fn slot(node: &Node, known: Fields<'_>, problems: &mut Diagnostics) -> Option<Slot> {
    let name = node.text("a field", problems)?;
    let slot = known.schema.slot(name);
    if slot.is_none() && !known.gaps.field(name) {
        let near = nearest(name, known.schema.fields().iter().map(|field| field.name.as_str()));
        problems
            .error("C011", format!("the schema has no field `{name}`"), node.span)
            .label("unknown field")
            .help_maybe(near.map(|near| format!("did you mean `{near}`?")));
    }
    slot
}

/// The mapping of a field: one place, or a list of which the first one with a value counts.
fn places(
    slot: Slot,
    node: &Node,
    format: Format,
    schema: &Schema,
    problems: &mut Diagnostics,
) -> Option<FieldMapping> {
    let Value::List(items) = &node.value else { return field(slot, node, format, schema, problems) };
    let read = items.iter().map(|item| {
        let place = field(slot, item, format, schema, problems);
        place.map(|place| FieldMapping { span: item.span, ..place })
    });
    let mut read: VecDeque<Option<FieldMapping>> = read.collect();
    let Some(first) = read.pop_front() else {
        let name = &schema.field(slot).name;
        problems.error("C012", format!("the mapping of `{name}` has no place"), node.span).label("empty");
        return None;
    };
    Some(FieldMapping { others: read.into_iter().collect::<Option<_>>()?, ..first? })
}

/// The mapping of one place.
fn field(
    slot: Slot,
    node: &Node,
    format: Format,
    schema: &Schema,
    problems: &mut Diagnostics,
) -> Option<FieldMapping> {
    if let Some(name) = node.scalar() {
        let name = Spanned { value: name.to_owned(), span: node.span };
        warn_of_entries(&name, format, problems);
        return Some(FieldMapping::new(slot, named(name, format)));
    }
    let name = &schema.field(slot).name;
    let mut keys = Keys::of(node, format!("the mapping of `{name}`"), problems)?;
    let source = source(&mut keys, format, problems)?;
    without_effect(&keys, &source, problems);
    let mut field = FieldMapping::new(slot, source);
    if let Some(values) = keys.optional("values") {
        field.values = value_map(values, problems);
    }
    if let Some(otherwise) = keys.optional("otherwise") {
        let value = text(otherwise, "`otherwise`", problems)?;
        field.fallback = match value.as_str() {
            "reject" => Fallback::Reject,
            "missing" => Fallback::Missing,
            _ => Fallback::Constant(value),
        };
    }
    match schema.field(slot).kind {
        Kind::Time | Kind::Duration => field.time = time(&mut keys, problems)?,
        Kind::Money(_) => money(&mut keys, &mut field, problems),
        _ => {}
    }
    keys.finish(problems);
    Some(field)
}

/// Reports keys about raw values where there are none: the mapping itself gives the value, or it is a pair of numbers.
fn without_effect(keys: &Keys<'_>, source: &FieldSource, problems: &mut Diagnostics) {
    let (beside, idle, help) = match source {
        FieldSource::Pointer(_) | FieldSource::Column(_) => return,
        FieldSource::Constant(_) => {
            ("`const`", &["values", "otherwise"][..], "write the value of the field itself as `const`")
        }
        FieldSource::RowNumber => ("`$row`", &["values", "otherwise"][..], "remove it"),
        FieldSource::Pair { .. } => ("`latitude` and `longitude`", &["values"][..], "remove it"),
    };
    for key in idle {
        if let Some(span) = keys.key_span(key) {
            problems
                .error("C018", format!("`{key}` has no effect beside {beside}"), span)
                .label("without effect")
                .help(help);
        }
    }
}

/// Warns of a pointer into one entry of a list: `/entries/0/amount`. A number at its end is one value, as in a pair of
/// coordinates.
fn warn_of_entries(name: &Spanned<String>, format: Format, problems: &mut Diagnostics) {
    let mut above = name.split('/').rev().skip(1).filter(|key| !key.is_empty());
    if format == Format::Json && above.any(|key| key.bytes().all(|byte| byte.is_ascii_digit())) {
        problems
            .warning(
                "C015",
                "the mapping reads one entry of a list; the other entries are not read",
                name.span,
            )
            .label("one entry")
            .help("send one record per entry, if the others are events as well");
    }
}

/// The source with this name: a pointer or a column.
fn named(name: Spanned<String>, format: Format) -> FieldSource {
    match format {
        _ if *name == "$row" => FieldSource::RowNumber,
        Format::Json => FieldSource::Pointer(name),
        Format::Csv { .. } => FieldSource::Column(name),
    }
}

fn source(keys: &mut Keys<'_>, format: Format, problems: &mut Diagnostics) -> Option<FieldSource> {
    let from = keys.optional("from");
    let constant = keys.optional("const");
    let latitude = keys.optional("latitude");
    let longitude = keys.optional("longitude");
    match (from, constant, latitude, longitude) {
        (Some(from), None, None, None) => {
            let from = text(from, "a pointer or column", problems)?;
            warn_of_entries(&from, format, problems);
            Some(named(from, format))
        }
        (None, Some(constant), None, None) => {
            Some(FieldSource::Constant(text(constant, "a constant", problems)?))
        }
        (None, None, Some(latitude), Some(longitude)) => Some(FieldSource::Pair {
            latitude: text(latitude, "a pointer or column", problems)?,
            longitude: text(longitude, "a pointer or column", problems)?,
        }),
        _ => {
            let what = keys.what().to_owned();
            problems
                .error("C012", format!("{what} needs exactly one source"), keys.span())
                .help("write `from: SOURCE`, `const: VALUE`, or `latitude: SOURCE` with `longitude: SOURCE`");
            None
        }
    }
}

fn value_map(node: &Node, problems: &mut Diagnostics) -> Vec<(Spanned<String>, Spanned<String>)> {
    let Some(keys) = Keys::of(node, "a value map", problems) else { return Vec::new() };
    let pairs = keys.entries().iter();
    pairs
        .filter_map(|(raw, value)| {
            Some((text(raw, "a raw value", problems)?, text(value, "a value", problems)?))
        })
        .collect()
}

fn time(keys: &mut Keys<'_>, problems: &mut Diagnostics) -> Option<TimeFormat> {
    #[derive(Clone, Copy)]
    enum Written {
        Rfc3339,
        Seconds,
        Millis,
        Micros,
        Nanos,
        Local,
    }
    const WORDS: [(&str, Written); 6] = [
        ("rfc3339", Written::Rfc3339),
        ("epoch_s", Written::Seconds),
        ("epoch_ms", Written::Millis),
        ("epoch_us", Written::Micros),
        ("epoch_ns", Written::Nanos),
        ("local", Written::Local),
    ];
    let pattern = keys.optional("pattern");
    let zone = keys.optional("zone");
    let choices =
        [("earlier", Ambiguous::Earlier), ("later", Ambiguous::Later), ("reject", Ambiguous::Reject)];
    let ambiguous = keys.optional("ambiguous");
    let ambiguous =
        ambiguous.and_then(|node| node.word("`ambiguous`", &choices, problems)).unwrap_or_default();
    let format = keys.optional("format");
    if format.is_none_or(|format| format.scalar() != Some("local")) {
        for key in ["pattern", "zone", "ambiguous"] {
            if let Some(span) = keys.key_span(key) {
                problems
                    .error("C016", format!("`{key}` has no effect without `format: local`"), span)
                    .label("without effect")
                    .help("write `format: local`; other formats hold their own offset or none");
            }
        }
    }
    let Some(node) = format else { return Some(TimeFormat::Rfc3339) };
    match node.word("a time's format", &WORDS, problems)? {
        Written::Rfc3339 => Some(TimeFormat::Rfc3339),
        Written::Seconds => Some(TimeFormat::EpochSeconds),
        Written::Millis => Some(TimeFormat::EpochMillis),
        Written::Micros => Some(TimeFormat::EpochMicros),
        Written::Nanos => Some(TimeFormat::EpochNanos),
        Written::Local => {
            let (Some(pattern), Some(zone)) = (pattern, zone) else {
                problems
                    .error("C013", "a local time needs a pattern and a zone", node.span)
                    .help("e.g. `{from: booked, format: local, pattern: \"%Y-%m-%d %H:%M:%S\", zone: Europe/Berlin}`");
                return None;
            };
            Some(TimeFormat::Local {
                pattern: text(pattern, "a pattern", problems)?,
                zone: text(zone, "a zone", problems)?,
                ambiguous,
            })
        }
    }
}

fn money(keys: &mut Keys<'_>, field: &mut FieldMapping, problems: &mut Diagnostics) {
    if let Some(unit) = keys.optional("unit") {
        let words = [
            ("major", AmountForm::Major),
            ("major_float", AmountForm::MajorFloat),
            ("minor", AmountForm::Minor),
        ];
        if let Some(form) = unit.word("the unit of money", &words, problems) {
            field.money.amount = form;
        }
    }
    if let Some(sign) = keys.optional("sign") {
        let words = [("as_written", Sign::AsWritten), ("absolute", Sign::Absolute), ("negate", Sign::Negate)];
        if let Some(sign) = sign.word("the sign of money", &words, problems) {
            field.money.sign = sign;
        }
    }
    let currency = keys.optional("currency").and_then(|node| text(node, "a currency", problems));
    if let Some(currency) = currency {
        let is_code = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase());
        field.money.currency =
            if is_code { CurrencySource::Constant(currency) } else { CurrencySource::From(currency) };
    }
}

fn labels(node: &Node, schema: &Schema, problems: &mut Diagnostics) -> Option<LabelMapping> {
    let mut keys = Keys::of(node, "`labels`", problems)?;
    let span = keys.span();
    let source =
        keys.required("when", span, problems).and_then(|node| text(node, "a pointer or column", problems));
    let equals = keys
        .required("is", span, problems)
        .and_then(|node| node.text("a value", problems).map(str::to_owned));
    let after_ms = keys.required("after", span, problems).and_then(|node| node.duration("`after`", problems));
    let outcome = keys.optional("outcome");
    let Kind::OneOf(outcomes) = &schema.field(LABEL_OUTCOME).kind else { return None };
    let outcome = match outcome {
        None => outcomes.code("fraud"),
        Some(node) => {
            let words: Vec<(&str, u16)> =
                (0u16..).zip(outcomes.values()).map(|(code, word)| (word.as_str(), code)).collect();
            node.word("an outcome", &words, problems)
        }
    };
    keys.finish(problems);
    Some(LabelMapping { source: source?, equals: equals?, outcome: outcome?, after_ms: after_ms? })
}

fn pan(node: &Node, known: Fields<'_>, problems: &mut Diagnostics) -> Vec<Slot> {
    let Some(mut keys) = Keys::of(node, "`pan`", problems) else { return Vec::new() };
    let exempt = keys.optional("exempt");
    keys.finish(problems);
    match exempt.map(|node| &node.value) {
        Some(Value::List(items)) => items.iter().filter_map(|item| slot(item, known, problems)).collect(),
        Some(_) => exempt.and_then(|node| slot(node, known, problems)).into_iter().collect(),
        None => Vec::new(),
    }
}
