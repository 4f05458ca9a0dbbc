//! The packs of the language's specification. They lie beside the workspace and are not part of the project, so these
//! tests are built with the feature `specification-packs` only, and fail where the packs are missing.

use std::fs;
use std::path::{Path, PathBuf};
use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::{Diagnostics, File, Paint};
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::Schema;
use tripline_rules::value::TextKey;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/rules")
}

fn read(folder: &Path, name: &str) -> File {
    File::new(name, fs::read_to_string(folder.join(name)).expect("a file of the folder"))
}

fn compile(folder: &Path, pack: File) -> (Option<Ruleset>, Diagnostics) {
    let (schema, problems) = Schema::load(&read(folder, "schema.yaml"));
    let schema = schema.unwrap_or_else(|| panic!("{}", problems.render(Paint::Plain)));
    let list = |path: &str| fs::read_to_string(folder.join(path)).map_err(|error| error.to_string());
    let options = CompileOptions {
        key: TextKey::default(),
        models: &["profile"],
        retention: None,
        lookback: 0,
        list: &list,
    };
    Ruleset::compile(&[pack], &schema, &options)
}

#[test]
fn the_broken_pack_gets_exactly_the_diagnostics_asked_for() {
    let folder = folder();
    let (ruleset, problems) = compile(&folder, read(&folder, "broken.yaml"));
    assert!(ruleset.is_none());
    let shown = format!("{}{}", problems.render(Paint::Plain), problems.summary());
    let expected = fs::read_to_string(folder.join("broken.expected.txt")).unwrap();
    // The summary's last part is how long it took.
    let expected = expected.trim_end().rsplit_once(", ").unwrap().0;
    for (at, (got, wanted)) in shown.lines().zip(expected.lines()).enumerate() {
        assert_eq!(got, wanted, "line {} of\n{shown}", at + 1);
    }
    assert_eq!(shown, expected);
}

#[test]
fn the_full_pack_is_refused_only_for_what_comes_later() {
    let folder = folder();
    let (_, problems) = compile(&folder, read(&folder, "card-core.yaml"));
    let errors: Vec<_> = problems
        .list()
        .iter()
        .filter(|problem| problem.code.0.starts_with(['E', 'S', 'Y']) && problem.code.0 != "S005")
        .collect();
    assert!(errors.is_empty(), "{}", problems.render(Paint::Plain));
    let later = |name: &str| {
        problems
            .list()
            .iter()
            .any(|problem| problem.message.starts_with(&format!("`{name}` is not supported")))
    };
    for name in ["segments", "exceptions", "expect", "sequence", "effective"] {
        assert!(later(name), "{name}");
    }
}

/// The pack without the parts that this version does not support yet.
fn reduced(text: &str) -> String {
    let mut kept = String::new();
    let mut skipping: Option<usize> = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let word = line.trim_start().trim_start_matches("- ").split(':').next().unwrap_or_default();
        if let Some(deeper) = skipping
            && (line.trim().is_empty() || indent > deeper)
        {
            continue;
        }
        skipping = None;
        let later = ["segments", "exceptions", "expect", "effective"].contains(&word);
        let sequence_rule = line.trim() == "- id: ACCT-010";
        if later || sequence_rule {
            skipping = Some(indent);
            continue;
        }
        kept.push_str(line);
        kept.push('\n');
    }
    kept
}

#[test]
fn the_rest_of_the_full_pack_compiles() {
    let folder = folder();
    let whole = read(&folder, "card-core.yaml");
    let (ruleset, problems) = compile(&folder, File::new("card-core.yaml", reduced(&whole.text)));
    let ruleset = ruleset.unwrap_or_else(|| panic!("{}", problems.render(Paint::Plain)));
    assert_eq!(ruleset.rules().len(), 9);
    assert_eq!(ruleset.programs().len(), 2);
    assert_eq!(ruleset.programs()[1].plan().aggregates.len(), 3);
    assert!(ruleset.reads_model("profile"));
}
