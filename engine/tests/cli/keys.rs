//! Every key of a configuration, as the reference example writes it, and what it changes.
//!
//! A key of the example without an entry here fails, and so does a key that is read and does not stand in the example.

use crate::configuration::Example;
use crate::effects::EFFECTS;
use crate::tripline::root;
use std::collections::BTreeSet;
use std::fs;
use tripline_rules::diagnostic::Paint;

#[test]
fn every_key_has_an_effect() {
    for effect in EFFECTS {
        let example = Example::new();
        let before = example.load().config.map(|config| (effect.shown)(&config)).unwrap();
        example.change("tripline.yaml", effect.from, effect.to);
        let loaded = example.load();
        assert_ne!(before, effect.then, "{}: so it is without the change, too", effect.key);
        match &loaded.config {
            Some(config) => assert_eq!((effect.shown)(config), effect.then, "{}", effect.key),
            None => {
                let is_said = loaded.problems.list().iter().any(|error| error.message.contains(effect.then));
                assert!(is_said, "{}: {}", effect.key, loaded.problems.render(Paint::Plain));
            }
        }
    }
}

/// The example's keys, those that are commented out included; a field's name is `*`.
fn written_keys() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("deploy/examples/reference/tripline.yaml")).unwrap();
    let mut keys = BTreeSet::new();
    let mut section = String::new();
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim_start();
        let code = line.strip_prefix("# ").filter(|rest| is_entry(rest)).unwrap_or(line);
        let code = code.split(" #").next().unwrap_or_default();
        let Some((key, value)) = code.split_once(':').filter(|_| !code.starts_with('#')) else { continue };
        let path = match indent {
            0 => key.to_owned(),
            2 => format!("{section}.{key}"),
            _ => format!("{section}.fields.*"),
        };
        if indent == 0 {
            section = key.to_owned();
        }
        let has_own_keys = key == "client" || !value.trim_start().starts_with('{');
        let inner = value.trim().trim_start_matches('{').replace("values: {", "values: ").replace("[]", "");
        for entry in inner.split(',').filter(|_| !has_own_keys) {
            let name = entry.split(':').next().unwrap_or_default().trim();
            // Of a value map, only the name is a key; its raw values are upper case.
            if name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') && !name.is_empty() {
                keys.insert(format!("{path}.{name}"));
            }
        }
        let is_section = indent == 0 && value.trim().is_empty();
        if indent < 4 && !is_section {
            keys.insert(path);
        }
    }
    keys
}

/// `key: value` in a comment, not prose.
fn is_entry(text: &str) -> bool {
    let Some((key, _)) = text.split_once(": ") else { return false };
    key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[test]
fn every_key_of_the_reference_stands_among_the_effects() {
    let mut known: BTreeSet<String> = EFFECTS.iter().map(|effect| effect.key.to_owned()).collect();
    // These stand in a comment on `format`.
    let in_comment = ["pattern", "zone", "ambiguous"].map(|key| format!("input.fields.*.{key}"));
    assert!(in_comment.iter().all(|key| known.remove(key)));
    assert_eq!(known, written_keys());
}

#[test]
fn every_key_that_is_read_stands_in_the_reference() {
    let names: BTreeSet<String> = EFFECTS
        .iter()
        .map(|effect| effect.key.rsplit('.').next().unwrap().to_owned())
        .chain(["input", "time", "limits", "kafka", "delivery", "http", "log"].map(str::to_owned))
        .collect();
    let mut read = BTreeSet::new();
    for file in ["config.rs", "config/sections.rs", "config/mapping.rs"] {
        let source = fs::read_to_string(root().join("engine/src").join(file)).unwrap();
        for call in ["optional(\"", "required(\"", "section(keys, \""] {
            let keys = source.split(call).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
            read.extend(keys);
        }
    }
    assert_eq!(read, names);
}
