//! A schema from its file: `version`, `fields`, `keep`, `entities`.
//!
//! It does not depend on where a field sits in a bank's record.

use super::{BUILT_IN_FIELDS, Codes, CurrencyOf, EVENT_ID, EVENT_TYPE, Field, Kind, Schema, SchemaGaps};
use crate::catalogue::{self, EVENT_TYPES, FIELDS};
use crate::diagnostic::{Diagnostics, File, Span, nearest};
use crate::money::Currency;
use crate::value::Slot;
use crate::yaml::{self, Keys, Node};
use std::sync::Arc;

/// Maximum number of fields, built-in ones included.
pub const FIELDS_MAX: usize = 1_024;
/// Maximum number of values of a closed set.
pub const CODES_MAX: usize = 4_096;
/// The keys of a schema file.
const KEYS: [&str; 4] = ["version", "fields", "keep", "entities"];
/// Maximum number of key spaces beside the account's.
pub const ENTITIES_MAX: usize = 16;

/// The readable part of a schema.
#[derive(Clone, Debug)]
pub struct Partial {
    /// The readable part; the whole schema when there are no errors.
    pub schema: Schema,
    /// The parts that could not be read.
    pub gaps: SchemaGaps,
    /// Errors and warnings.
    pub problems: Diagnostics,
}

impl Partial {
    /// Without a file: the built-in fields and no gaps.
    pub fn built_in() -> Partial {
        let (gaps, problems) = (SchemaGaps::default(), Diagnostics::default());
        Partial { schema: Schema::built_in(), gaps, problems }
    }
}

impl Schema {
    /// Reads a schema file. `None` exactly when it has an error.
    pub fn load(file: &File) -> (Option<Schema>, Diagnostics) {
        let Partial { schema, problems, .. } = Schema::load_partly(file);
        (Some(schema).filter(|_| problems.errors() == 0), problems)
    }

    /// Reads what can be read of a schema file, so that errors of other files are found in the same run.
    pub fn load_partly(file: &File) -> Partial {
        let mut problems = Diagnostics::new(std::slice::from_ref(file));
        let mut gaps = SchemaGaps::default();
        let schema = yaml::parse(0, &mut problems).and_then(|root| read(&root, &mut gaps, &mut problems));
        if schema.is_none() && problems.errors() == 0 {
            problems.error("S002", "the schema file is empty", Span::default());
        }
        problems.sort();
        let gaps = if schema.is_some() { gaps } else { SchemaGaps::all() };
        Partial { schema: schema.unwrap_or_else(Schema::built_in), gaps, problems }
    }

    /// The built-in fields alone.
    pub fn built_in() -> Schema {
        Schema::new(built_in(), Vec::new(), Vec::new())
    }
}

/// The built-in fields as the catalogue has them.
pub(super) fn built_in() -> Vec<Field> {
    FIELDS[..BUILT_IN_FIELDS]
        .iter()
        .map(|known| {
            let kind = match known.name {
                "event.type" => Kind::OneOf(Arc::new(Codes::new(EVENT_TYPES))),
                _ => kind_of(known.kind).expect("the catalogue's kinds are written well"),
            };
            field(known.name, kind, None)
        })
        .collect()
}

fn field(name: &str, kind: Kind, doc: Option<String>) -> Field {
    let known = catalogue::field(name);
    let doc = doc.or(known.map(|known| known.doc.to_owned())).unwrap_or_default();
    Field { name: name.to_owned(), kind, doc, iso8583: known.and_then(|known| known.iso8583) }
}

/// A kind from its text; the error is a message.
fn kind_of(written: &str) -> Result<Kind, String> {
    let written = written.trim();
    Ok(match written {
        "text" => Kind::Text,
        "number" => Kind::Number,
        "yes/no" => Kind::Bool,
        "time" => Kind::Time,
        "duration" => Kind::Duration,
        "location" => Kind::Geo,
        "currency" => currencies(),
        "money in account.currency" => Kind::Money(CurrencyOf::Account),
        _ => match (written.strip_prefix("one of "), written.strip_prefix("money in ")) {
            (Some(values), _) => one_of(values)?,
            (_, Some(code)) => Kind::Money(CurrencyOf::Fixed(
                Currency::by_code(code).ok_or_else(|| format!("`{code}` is not an ISO 4217 currency"))?,
            )),
            _ => {
                let kinds =
                    ["text", "number", "yes/no", "time", "duration", "location", "one of", "money in"];
                let near =
                    nearest(written, kinds).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
                return Err(format!("`{written}` is not a kind of field{near}"));
            }
        },
    })
}

fn one_of(values: &str) -> Result<Kind, String> {
    let values: Vec<&str> = values.split('|').map(str::trim).collect();
    if values.iter().any(|value| value.is_empty()) {
        return Err("a value is missing between `|`".to_owned());
    }
    if values.len() > CODES_MAX {
        return Err(format!("more than {CODES_MAX} values"));
    }
    let codes = Codes::new(values.iter().copied());
    if codes.values().len() < values.len() {
        return Err("a value is written twice".to_owned());
    }
    Ok(Kind::OneOf(Arc::new(codes)))
}

fn currencies() -> Kind {
    Kind::OneOf(Arc::new(Codes::new(Currency::all().map(Currency::code))))
}

fn read(root: &Node, gaps: &mut SchemaGaps, problems: &mut Diagnostics) -> Option<Schema> {
    let mut keys = Keys::of(root, "a schema", problems)?;
    if let Some(version) = keys.required("version", Span { end: root.span.start, ..root.span }, problems) {
        version.form("schema", problems);
    }
    let is_misspelt = |(key, _): &(Node, Node)| !KEYS.contains(&key.scalar().unwrap_or_default());
    let misspelt = keys.entries().iter().any(is_misspelt);
    gaps.all = misspelt && !keys.has("fields");
    gaps.entities = gaps.all || misspelt && !keys.has("entities");
    gaps.keep = gaps.all || misspelt && !keys.has("keep");
    let mut fields = built_in();
    if let Some(written) = keys.optional("fields") {
        // Without a readable mapping any field may be declared.
        let written = Keys::of(written, "`fields`", problems);
        gaps.all |= written.is_none();
        for (name, kind) in written.iter().flat_map(Keys::entries) {
            let before = problems.errors();
            read_field(name, kind, &mut fields, problems);
            if problems.errors() > before {
                gaps.fields.extend(name.scalar().map(str::to_owned));
            }
        }
    }
    if fields.len() > FIELDS_MAX {
        problems.error("S007", format!("a schema has at most {FIELDS_MAX} fields"), root.span);
        return None;
    }
    let before = problems.errors();
    let entities = keys.optional("entities");
    let entities = entities.map_or(Vec::new(), |node| read_entities(node, &fields, gaps, problems));
    gaps.entities |= gaps.all || problems.errors() > before;
    let before = problems.errors();
    let keep = keys.optional("keep").map_or(Vec::new(), |node| read_keep(node, &fields, gaps, problems));
    gaps.keep |= gaps.all || problems.errors() > before;
    keys.finish(problems);
    Some(Schema::new(fields, keep, entities))
}

fn read_field(name: &Node, kind: &Node, fields: &mut Vec<Field>, problems: &mut Diagnostics) {
    let Some(text) = name.scalar() else { return };
    if !is_field_name(text) {
        problems
            .error("S006", format!("`{text}` is not a field name"), name.span)
            .label("here")
            .help("write lower-case words joined by dots, the owner first, as in `merchant.mcc`");
        return;
    }
    let Some(written) = kind.text("a kind", problems) else { return };
    let kind = match kind_of(written) {
        Ok(read) => read,
        Err(message) => {
            problems.error("S008", message, kind.span).label("not a kind");
            return;
        }
    };
    let at = fields.iter().position(|field| field.name == text);
    match at {
        None => fields.push(field(text, kind, None)),
        Some(at) if at < BUILT_IN_FIELDS => built_in_field(name, kind, at, fields, problems),
        // Repeated: the YAML reader has reported it.
        Some(_) => {}
    }
}

/// A built-in field keeps its kind, except for what an installation can narrow.
fn built_in_field(name: &Node, kind: Kind, at: usize, fields: &mut [Field], problems: &mut Diagnostics) {
    let field = &mut fields[at];
    match (&field.kind, kind) {
        (Kind::OneOf(known), Kind::OneOf(own)) if at == EVENT_TYPE.index() => {
            let all = known.values().iter().chain(own.values()).cloned().collect::<Vec<_>>();
            // Codes of built-in types are the same everywhere; records have the listed types only.
            field.kind = Kind::OneOf(Arc::new(Codes::new(all).listing(own.values())));
        }
        // `tx.amount` can be in one currency; a currency can be declared as text.
        (Kind::Money(_), money @ Kind::Money(_)) => field.kind = money,
        (Kind::OneOf(_), Kind::Text) if field.name.ends_with(".currency") => {}
        (known, written) if *known == written => {}
        _ => {
            let expected = catalogue::field(&field.name).map_or("", |known| known.kind);
            problems
                .error("S008", format!("built-in field `{}` cannot have another kind", field.name), name.span)
                .label("kind differs from the built-in one")
                .help(format!("write `{expected}`, or leave the line out"));
        }
    }
}

fn is_field_name(name: &str) -> bool {
    let word = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let reserved = ["signal.", "model."].iter().any(|prefix| name.starts_with(prefix));
    name.contains('.') && name.split('.').all(word) && !reserved
}

fn slot_of(name: &str, fields: &[Field]) -> Option<Slot> {
    let at = fields.iter().position(|field| field.name == name)?;
    u16::try_from(at).ok().map(Slot)
}

fn read_keep(node: &Node, fields: &[Field], gaps: &SchemaGaps, problems: &mut Diagnostics) -> Vec<Slot> {
    let mut keep = Vec::new();
    for item in node.items("`keep`", problems) {
        let Some(name) = item.text("a kept field", problems) else { continue };
        match slot_of(name, fields) {
            None if gaps.field(name) => {}
            None => {
                let help = nearest(name, fields.iter().map(|field| field.name.as_str()))
                    .map(|near| format!("did you mean `{near}`?"));
                problems
                    .error("E201", format!("nothing is named `{name}`"), item.span)
                    .label("not a field of this schema")
                    .help_maybe(help);
            }
            Some(EVENT_ID) => {
                problems
                    .error("S009", "`event.id` cannot be listed under `keep:`", item.span)
                    .label("here")
                    .help("every row already holds the hash of the id");
            }
            Some(slot) if keep.contains(&slot) => {
                problems
                    .error("Y003", format!("`{name}` is written twice"), item.span)
                    .label("repeated here");
            }
            Some(slot) => keep.push(slot),
        }
    }
    keep
}

fn read_entities(
    node: &Node,
    fields: &[Field],
    gaps: &mut SchemaGaps,
    problems: &mut Diagnostics,
) -> Vec<String> {
    let mut entities: Vec<String> = Vec::new();
    let items = node.items("`entities`", problems);
    if items.len() > ENTITIES_MAX {
        problems.error("S007", format!("a schema has at most {ENTITIES_MAX} entities"), node.span);
    }
    for item in items {
        let Some(name) = item.text("an entity", problems) else { continue };
        let key = slot_of(&format!("{name}.id"), fields).map(|slot| &fields[slot.index()].kind);
        if ["account", "card"].contains(&name) {
            problems
                .error("S009", format!("`{name}` belongs to the account's key space"), item.span)
                .label("remove this entry");
        } else if key.is_none() && gaps.field(&format!("{name}.id")) {
            gaps.entities = true;
        } else if key != Some(&Kind::Text) {
            problems
                .error("S009", format!("entity `{name}` needs a text field `{name}.id`"), item.span)
                .label("no such field");
        } else if entities.iter().any(|held| held == name) {
            problems.error("Y003", format!("`{name}` is written twice"), item.span).label("repeated here");
        } else {
            entities.push(name.to_owned());
        }
    }
    entities
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Paint;
    use crate::schema::{ACCOUNT_CURRENCY, TX_AMOUNT};

    fn load(text: &str) -> (Option<Schema>, String) {
        let (schema, problems) = Schema::load(&File::new("schema.yaml", text));
        (schema, problems.render(Paint::Plain))
    }

    #[test]
    fn built_in_fields_are_there_unasked_and_may_be_narrowed() {
        let (schema, problems) = load(
            "version: 1\nfields:\n  tx.amount: money in EUR\n  account.currency: text\n  event.type: one of purchase|parking\n  \
             terminal.id: text\nkeep: [tx.amount, event.type]\nentities: [terminal]\n",
        );
        let schema = schema.expect(&problems);
        assert_eq!(
            schema.field(TX_AMOUNT).kind,
            Kind::Money(CurrencyOf::Fixed(Currency::by_code("EUR").unwrap()))
        );
        assert!(matches!(schema.field(ACCOUNT_CURRENCY).kind, Kind::OneOf(_)));
        assert_eq!(schema.event_types().code("label"), Some(17));
        assert_eq!(schema.event_types().code("parking"), Some(18));
        assert_eq!((schema.keep(), schema.entities()), (&[TX_AMOUNT][..], &["terminal".to_owned()][..]));
    }

    #[test]
    fn all_errors_of_a_schema_are_reported_at_once() {
        let (schema, problems) = load(
            "version: 2\nfields: {tx.geo: locaton, tx.declined: text, Bad: text, x.y: money in EUX}\n\
             keep: [event.id, tx.amout]\nentities: [card, ip]\nfeilds: {}\n",
        );
        assert_eq!(schema, None);
        for part in [
            "S004",
            "did you mean `location`?",
            "`tx.declined` cannot have another kind",
            "`Bad` is not a field",
            "`EUX` is not an ISO",
            "`event.id` cannot be listed under `keep:`",
            "`tx.amout`",
            "`card` belongs",
            "`ip.id`",
            "did you mean `fields`?",
        ] {
            assert!(problems.contains(part), "{part}\n{problems}");
        }
    }
}
