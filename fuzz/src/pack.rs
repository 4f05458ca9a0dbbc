//! Packs and their expressions: mistakes are reported, each at a place inside the text, and none stops the reader.

use std::sync::OnceLock;
use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::{Diagnostics, File, Paint};
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::Schema;
use tripline_rules::value::TextKey;

const SCHEMA: &str = include_str!("schema.yaml");

/// A whole pack.
pub fn pack(data: &[u8]) -> bool {
    std::str::from_utf8(data).is_ok_and(compile)
}

/// A condition in a pack that has a few names to use in it.
pub fn expression(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let block = text.replace('\n', "\n      ");
    compile(&format!(
        "version: 1\n\
         params: {{p: {{default: 5}}}}\n\
         lists: {{l: {{file: l.csv, column: code, of: text}}}}\n\
         terms: {{t: tx.declined}}\n\
         aggregates: {{n: {{count: events, over: 1h}}, s: {{sum: tx.amount, over: 1d}}}}\n\
         rules:\n  - id: R\n    reason: r\n    when: |\n      {block}\n"
    ))
}

fn compile(text: &str) -> bool {
    let list = |_: &str| Ok("code\nx\n".to_owned());
    let options =
        CompileOptions { key: TextKey::default(), models: &[], retention: None, lookback: 0, list: &list };
    let (ruleset, diagnostics) = Ruleset::compile(&[File::new("pack.yaml", text)], schema(), &options);
    check(text, &diagnostics);
    assert_eq!(ruleset.is_none(), diagnostics.errors() > 0, "{}", diagnostics.summary());
    ruleset.is_some()
}

fn check(text: &str, diagnostics: &Diagnostics) {
    for diagnostic in diagnostics.list() {
        for span in std::iter::once(diagnostic.span).chain(diagnostic.context.iter().map(|(span, _)| *span)) {
            assert!(span.start <= span.end && span.end <= text.len(), "{diagnostic:?}");
            let whole = text.is_char_boundary(span.start) && text.is_char_boundary(span.end);
            assert!(whole, "a place begins or ends within a character: {diagnostic:?}");
        }
    }
    // Printing takes longer than compiling: a part of the inputs does for it.
    if text.len().is_multiple_of(16) {
        assert!(diagnostics.list().is_empty() || !diagnostics.render(Paint::Plain).is_empty());
        assert!(!diagnostics.json().is_empty());
    }
}

fn schema() -> &'static Schema {
    static SCHEMA_LOADED: OnceLock<Schema> = OnceLock::new();
    SCHEMA_LOADED.get_or_init(|| {
        let (schema, _) = Schema::load(&File::new("schema.yaml", SCHEMA));
        schema.expect("the schema has no errors")
    })
}
