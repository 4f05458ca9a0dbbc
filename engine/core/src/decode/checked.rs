//! Checks a mapping against the schema and finds all its errors. It does not depend on which fields a ruleset reads.

use super::capture::{Raw, SourceId};
use super::convert::{CodeTable, Conversion};
use super::mapping::{
    CurrencySource, Fallback, FieldMapping, FieldSource, Format, Mapping, Spanned, TimeFormat,
};
use super::mapping_error::{MappingError, MappingErrorKind};
use super::money::{CurrencyPlan, MoneyPlan};
use super::steps::{FieldConversion, LabelPlan, REQUIRED, Step, Substitution, ValueSource};
use super::time::TimeReader;
use crate::limits::SOURCES_MAX;
use std::collections::BTreeMap;
use tripline_rules::diagnostic::Span;
use tripline_rules::money::Currency;
use tripline_rules::schema::{
    ACCOUNT_CURRENCY, CurrencyOf, EVENT_ID, EVENT_REF, Kind, LABEL_OUTCOME, Schema, TX_CURRENCY,
};
use tripline_rules::value::Slot;

/// A mapping without errors: a plan can be made of it for any set of wanted fields.
#[derive(Clone, Debug)]
pub struct CheckedMapping {
    pub(super) format: Format,
    /// By source: its pointer or column as configured.
    pub(super) names: Vec<String>,
    /// By source: the keys of its pointer; empty when the records are CSV.
    pub(super) paths: Vec<Vec<String>>,
    /// How deep JSON records may be nested.
    pub(super) depth: usize,
    /// By source: whether it is exempt from the search for card numbers.
    pub(super) exempt: Vec<bool>,
    /// By source: the first field that reads it.
    pub(super) slots: Vec<Option<Slot>>,
    /// One step per mapped field, in the order of the mapping.
    pub(super) steps: Vec<Step>,
    pub(super) label: Option<LabelPlan>,
    /// The account's currency of every record, where the mapping alone decides it.
    pub(super) account_currency: Option<u16>,
}

impl CheckedMapping {
    /// Checks a mapping against the schema.
    ///
    /// # Errors
    /// Everything that is wrong with the mapping.
    pub fn new(mapping: &Mapping, schema: &Schema) -> Result<CheckedMapping, Vec<MappingError>> {
        let (names, paths, slots) = (Vec::new(), Vec::new(), Vec::new());
        let mut checker = Checker { mapping, schema, names, paths, slots, errors: Vec::new() };
        checker.check_fields();
        let steps: Vec<Step> = mapping.fields.iter().filter_map(|field| checker.step(field)).collect();
        let label = checker.label();
        checker.check_delimiter();
        let exempt = checker.exempt(&steps);
        let Checker { names, paths, slots, errors, .. } = checker;
        if !errors.is_empty() {
            return Err(errors);
        }
        let account_currency = constant_account_currency(&steps);
        let (format, depth) = (mapping.format, mapping.depth);
        Ok(CheckedMapping { format, names, paths, depth, exempt, slots, steps, label, account_currency })
    }

    /// The format of the records.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether the reference of an event to an earlier one is mapped.
    pub fn has_references(&self) -> bool {
        self.steps.iter().any(|step| step.slot == EVENT_REF)
    }

    /// How long after its event the label of a record becomes known, ms; `None` if records carry no labels.
    pub fn label_after_ms(&self) -> Option<i64> {
        self.label.as_ref().map(|label| label.after_ms)
    }
}

/// A mapping that is being checked. Names, paths and slots are by source.
struct Checker<'a> {
    mapping: &'a Mapping,
    schema: &'a Schema,
    names: Vec<String>,
    paths: Vec<Vec<String>>,
    slots: Vec<Option<Slot>>,
    errors: Vec<MappingError>,
}

impl Checker<'_> {
    fn name(&self, slot: Slot) -> String {
        self.schema.field(slot).name.clone()
    }

    /// Adds an error, unless the same one has been found elsewhere.
    fn error(&mut self, kind: MappingErrorKind, span: Span, field: Option<Slot>) {
        if !self.errors.iter().any(|error| error.kind == kind) {
            self.errors.push(MappingError { kind, span, field });
        }
    }

    /// Adds an error in the mapping of a field.
    fn field_error(&mut self, kind: MappingErrorKind, span: Span, field: &FieldMapping) {
        self.error(kind, span, Some(field.slot));
    }

    fn check_fields(&mut self) {
        let fields = &self.mapping.fields;
        for (at, field) in fields.iter().enumerate() {
            let name = self.name(field.slot);
            if let Some(first) = fields[..at].iter().find(|first| first.slot == field.slot) {
                self.field_error(MappingErrorKind::Twice(name.clone()), first.span, field);
            }
            field.places().for_each(|place| self.check_place(&name, place));
            for (place, behind) in field.places().zip(&field.others) {
                if matches!(place.source, FieldSource::Constant(_) | FieldSource::RowNumber) {
                    self.field_error(MappingErrorKind::Behind(name.clone()), behind.span, field);
                }
            }
        }
        for slot in REQUIRED.into_iter().filter(|slot| !fields.iter().any(|field| field.slot == *slot)) {
            self.error(MappingErrorKind::Unmapped(self.name(slot)), self.mapping.spans.fields, Some(slot));
        }
    }

    /// Checks the values of one place of a field.
    fn check_place(&mut self, name: &str, field: &FieldMapping) {
        if field.fallback == Fallback::Missing && REQUIRED.contains(&field.slot) {
            self.field_error(MappingErrorKind::Required(name.to_owned()), field.span, field);
        }
        let mut first = BTreeMap::new();
        for (raw, _) in &field.values {
            if let Some(first) = first.get(raw.value.as_str()) {
                let kind = MappingErrorKind::Repeated { field: name.to_owned(), raw: raw.value.clone() };
                self.field_error(kind, *first, field);
            } else {
                first.insert(raw.value.as_str(), raw.span);
            }
        }
    }

    /// The number of a pointer or column. `slot`: the field that reads it, if the source is its own.
    fn source(&mut self, name: &Spanned<String>, slot: Option<Slot>) -> SourceId {
        let at = self.names.iter().position(|known| *known == name.value).unwrap_or_else(|| {
            if matches!(self.mapping.format, Format::Json) {
                let depth = self.mapping.depth;
                let path = pointer(name).filter(|keys| keys.len() <= depth);
                if path.is_none() {
                    let kind = MappingErrorKind::Pointer { pointer: name.value.clone(), depth };
                    self.error(kind, name.span, None);
                }
                self.paths.push(path.unwrap_or_default());
            }
            self.names.push(name.value.clone());
            self.slots.push(None);
            self.names.len() - 1
        });
        self.slots[at] = self.slots[at].or(slot);
        if at >= SOURCES_MAX {
            self.error(MappingErrorKind::TooMany, self.mapping.spans.fields, None);
        }
        SourceId::try_from(at.min(SOURCES_MAX)).expect("SOURCES_MAX is below 65,536")
    }

    fn value_source(&mut self, field: &FieldMapping) -> Option<ValueSource> {
        let is_geo = self.schema.field(field.slot).kind == Kind::Geo;
        let json = self.mapping.format == Format::Json;
        let fits = match &field.source {
            FieldSource::Pointer(_) => json && !is_geo,
            FieldSource::Column(_) => !json && !is_geo,
            FieldSource::Constant(_) => !is_geo,
            FieldSource::RowNumber => field.slot == EVENT_ID,
            FieldSource::Pair { .. } => is_geo,
        };
        if !fits {
            let from = match &field.source {
                FieldSource::Pointer(_) => "a pointer",
                FieldSource::Column(_) => "a column",
                FieldSource::Constant(_) => "a constant",
                FieldSource::RowNumber => "the row number",
                FieldSource::Pair { .. } => "a pair of latitude and longitude",
            };
            let kind = MappingErrorKind::Source { field: self.name(field.slot), from };
            self.field_error(kind, field.span, field);
            return None;
        }
        Some(match &field.source {
            FieldSource::Pointer(name) | FieldSource::Column(name) => {
                ValueSource::Source(self.source(name, Some(field.slot)))
            }
            FieldSource::Constant(text) => ValueSource::Constant(text.value.clone()),
            FieldSource::RowNumber => ValueSource::RowNumber,
            FieldSource::Pair { latitude, longitude } => ValueSource::Pair(
                self.source(latitude, Some(field.slot)),
                self.source(longitude, Some(field.slot)),
            ),
        })
    }

    fn step(&mut self, field: &FieldMapping) -> Option<Step> {
        // All of them first: each has its own errors.
        let others: Vec<Option<Step>> = field.others.iter().map(|other| self.step(other)).collect();
        let source = self.value_source(field)?;
        let conversion = self.conversion(field)?;
        self.check_values(field, &conversion);
        let in_table = matches!(conversion, FieldConversion::Value(Conversion::OneOf(_)));
        let values = if in_table { &[][..] } else { &field.values };
        let values: Vec<(String, String)> =
            values.iter().map(|(raw, value)| (raw.value.clone(), value.value.clone())).collect();
        let fallback = field.fallback.clone();
        let substitution = (!values.is_empty() || fallback != Fallback::Reject)
            .then(|| Box::new(Substitution { values, fallback }));
        Some(Step {
            order: 0,
            slot: field.slot,
            source,
            conversion,
            required: REQUIRED.contains(&field.slot),
            substitution,
            keep_text: false,
            others: others.into_iter().collect::<Option<_>>()?,
        })
    }

    fn conversion(&mut self, field: &FieldMapping) -> Option<FieldConversion> {
        let name = self.name(field.slot);
        let kind = self.schema.field(field.slot).kind.clone();
        let is_id = field.slot == EVENT_ID || field.slot == EVENT_REF || name.ends_with(".id");
        Some(match kind {
            Kind::Text if is_id => FieldConversion::Value(Conversion::Id),
            Kind::Text => FieldConversion::Value(Conversion::Text),
            Kind::Bool => FieldConversion::Value(Conversion::Bool),
            Kind::Number => FieldConversion::Value(Conversion::Number),
            Kind::Geo => FieldConversion::Location,
            Kind::Time => match TimeReader::new(&field.time) {
                Ok(reader) => FieldConversion::Value(Conversion::Time(reader)),
                Err(error) => {
                    self.error(error.value, error.span, None);
                    return None;
                }
            },
            Kind::Duration => match field.time {
                TimeFormat::EpochSeconds => FieldConversion::Value(Conversion::Duration { places: 3 }),
                TimeFormat::EpochMillis => FieldConversion::Value(Conversion::Duration { places: 0 }),
                _ => {
                    self.field_error(MappingErrorKind::Duration(name), field.span, field);
                    return None;
                }
            },
            Kind::OneOf(codes) => {
                let code = |(raw, value): &(Spanned<String>, Spanned<String>)| {
                    Some((raw.value.clone(), codes.code(value)?))
                };
                let mapped = field.values.iter().filter_map(code);
                let is_currency =
                    codes.values().iter().map(String::as_str).eq(Currency::all().map(Currency::code));
                let table = if is_currency {
                    CodeTable::new(mapped.chain(currency_codes()))
                } else {
                    let own = codes.listed().map(|(value, code)| (value.to_owned(), code));
                    CodeTable::new(mapped.chain(own))
                };
                FieldConversion::Value(Conversion::OneOf(table))
            }
            Kind::Money(of) => FieldConversion::Money(self.money(field, &of)?),
        })
    }

    fn money(&mut self, field: &FieldMapping, of: &CurrencyOf) -> Option<MoneyPlan> {
        let own = match of {
            CurrencyOf::Fixed(currency) => Some(currency.number()),
            CurrencyOf::Account => None,
        };
        let currency = match (&field.money.currency, own) {
            (CurrencySource::From(from), _) if self.is_account_currency(from) => CurrencyPlan::Account,
            (CurrencySource::From(from), _) => {
                let source = self.source(from, None);
                CurrencyPlan::Source(source, self.currencies(from))
            }
            (CurrencySource::Constant(code), _) => {
                let Some(number) = Currency::by_code(code).map(Currency::number) else {
                    self.error(MappingErrorKind::Currency(code.value.clone()), code.span, None);
                    return None;
                };
                if own.is_some_and(|own| own != number) {
                    let (name, currency) = (self.name(field.slot), code.value.clone());
                    let kind = MappingErrorKind::OtherCurrency { field: name, currency };
                    self.field_error(kind, code.span, field);
                }
                CurrencyPlan::Fixed(number)
            }
            (CurrencySource::OfField, Some(own)) => CurrencyPlan::Fixed(own),
            (CurrencySource::OfField, None) => {
                if !self.mapping.fields.iter().any(|other| other.slot == ACCOUNT_CURRENCY) {
                    let kind = MappingErrorKind::NoCurrency(self.name(field.slot));
                    self.field_error(kind, field.span, field);
                }
                CurrencyPlan::Account
            }
        };
        Some(MoneyPlan { form: field.money.amount, sign: field.money.sign, currency, own })
    }

    /// Whether a currency from this source is what `account.currency` is always read from.
    fn is_account_currency(&self, from: &str) -> bool {
        let mut account = self.fields_from(from).filter(|field| field.slot == ACCOUNT_CURRENCY);
        let mut mapped = self.mapping.fields.iter().filter(|field| field.slot == ACCOUNT_CURRENCY);
        account.any(|field| field.fallback == Fallback::Reject)
            && mapped.all(|field| field.others.is_empty())
            && !self.fields_from(from).any(|field| field.slot == TX_CURRENCY)
    }

    /// The currencies, and what the value maps of currency fields from the same source add.
    fn currencies(&self, from: &str) -> CodeTable {
        let same = self.fields_from(from);
        let same = same.filter(|field| field.slot == TX_CURRENCY || field.slot == ACCOUNT_CURRENCY);
        let values = same.flat_map(|field| &field.values);
        let mapped =
            values.filter_map(|(raw, value)| Some((raw.value.clone(), Currency::by_code(value)?.number())));
        CodeTable::new(mapped.chain(currency_codes()))
    }

    /// The fields that are read from one pointer or column.
    fn fields_from(&self, name: &str) -> impl Iterator<Item = &FieldMapping> {
        let is_from = move |field: &&FieldMapping| match &field.source {
            FieldSource::Pointer(from) | FieldSource::Column(from) => from.value == name,
            _ => false,
        };
        self.mapping.fields.iter().flat_map(FieldMapping::places).filter(is_from)
    }

    /// Checks that constants and values of the value map are valid for the field.
    fn check_values(&mut self, field: &FieldMapping, conversion: &FieldConversion) {
        let mut written: Vec<&Spanned<String>> = field.values.iter().map(|(_, value)| value).collect();
        if let FieldSource::Constant(text) = &field.source {
            written.push(text);
        }
        if let Fallback::Constant(text) = &field.fallback {
            written.push(text);
        }
        for text in written {
            let valid = match (conversion, &self.schema.field(field.slot).kind) {
                // A raw value of the value map is not a value of the field.
                (_, Kind::OneOf(codes)) => codes.listed().any(|(value, _)| value == text.value),
                (FieldConversion::Value(conversion), _) => {
                    conversion.read(Raw::constant(text), &mut String::new()).is_ok()
                }
                (FieldConversion::Money(money), _) => money.accepts(text, field.slot),
                (FieldConversion::Location, _) => false,
            };
            if !valid {
                let (name, value) = (self.name(field.slot), text.value.clone());
                let kind = MappingErrorKind::Value { field: name, value };
                self.field_error(kind, text.span, field);
            }
        }
    }

    fn label(&mut self) -> Option<LabelPlan> {
        let label = self.mapping.labels.as_ref()?;
        let known = match &self.schema.field(LABEL_OUTCOME).kind {
            Kind::OneOf(codes) => codes.value(label.outcome).is_some(),
            _ => false,
        };
        if !known || label.after_ms < 0 {
            self.error(MappingErrorKind::Label, self.mapping.spans.labels, None);
        }
        let source = self.source(&label.source, None);
        Some(LabelPlan::new(source, label.equals.clone(), label.outcome, label.after_ms))
    }

    /// By source: times, money and the configured fields are exempt from the search for card numbers, unless another
    /// field has the same source.
    fn exempt(&self, steps: &[Step]) -> Vec<bool> {
        let exempt = |step: &Step| {
            let kind = &self.schema.field(step.slot).kind;
            matches!(kind, Kind::Time | Kind::Money(_)) || self.mapping.pan_exempt.contains(&step.slot)
        };
        let reads = |step: &Step, source: usize| match step.source {
            ValueSource::Source(at) => usize::from(at) == source,
            ValueSource::Pair(a, b) => usize::from(a) == source || usize::from(b) == source,
            ValueSource::Constant(_) | ValueSource::RowNumber => false,
        };
        (0..self.names.len())
            .map(|source| {
                let mut readers =
                    steps.iter().flat_map(Step::places).filter(|step| reads(step, source)).peekable();
                readers.peek().is_some() && readers.all(exempt)
            })
            .collect()
    }

    fn check_delimiter(&mut self) {
        let Format::Csv { delimiter } = self.mapping.format else { return };
        let is_end = matches!(delimiter, b'"' | b'\r' | b'\n');
        if !delimiter.is_ascii() || delimiter.is_ascii_digit() || is_end {
            self.error(MappingErrorKind::Delimiter, self.mapping.spans.format, None);
        }
    }
}

/// All currencies by their codes, which many feeds write small.
fn currency_codes() -> impl Iterator<Item = (String, u16)> {
    Currency::all().flat_map(|currency| {
        let (code, number) = (currency.code(), currency.number());
        [(code.to_owned(), number), (code.to_ascii_lowercase(), number)]
    })
}

/// The account's currency where no record states it and every amount in it has the same constant currency.
fn constant_account_currency(steps: &[Step]) -> Option<u16> {
    if steps.iter().any(|step| step.slot == ACCOUNT_CURRENCY) {
        return None;
    }
    let mut currencies = steps.iter().flat_map(Step::places).filter_map(|step| match &step.conversion {
        FieldConversion::Money(MoneyPlan { own: None, currency, .. }) => Some(currency),
        _ => None,
    });
    let CurrencyPlan::Fixed(first) = currencies.next()? else { return None };
    currencies.all(|other| matches!(other, CurrencyPlan::Fixed(other) if other == first)).then_some(*first)
}

/// The keys of a JSON pointer (RFC 6901).
fn pointer(text: &str) -> Option<Vec<String>> {
    text.strip_prefix('/')?.split('/').map(unescaped).collect()
}

fn unescaped(key: &str) -> Option<String> {
    let valid = key.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    valid.then(|| key.replace("~1", "/").replace("~0", "~"))
}
