//! The values of `kafka.client`: written as they are, or read from a file or an environment variable. No message and no
//! log line contains one.

use super::files::Files;
use crate::settings::is_secret_key;
use std::path::Path;
use tripline_rules::diagnostic::Diagnostics;
use tripline_rules::yaml::{Keys, Node, Value};

/// Where secrets are read from.
#[derive(Clone, Copy)]
pub(super) struct SecretFiles<'f> {
    /// The folder of the configuration.
    pub(super) folder: &'f Path,
    /// The files.
    pub(super) files: &'f Files<'f>,
}

/// The value of a setting: a text, `{file: path}` or `{env: NAME}`. A line end behind the text of a file is left out.
pub(super) fn value(
    name: &str,
    node: &Node,
    from: SecretFiles<'_>,
    problems: &mut Diagnostics,
) -> Option<String> {
    if !matches!(node.value, Value::Map(_)) {
        let value = node.text("a client setting", problems)?.to_owned();
        if is_secret_key(name) {
            problems
                .warning("C035", format!("`{name}` is a secret in the configuration itself"), node.span)
                .help("read it from a file or an environment variable: `{file: path}` or `{env: NAME}`");
        }
        return Some(value);
    }
    let mut keys = Keys::of(node, format!("`{name}`"), problems)?;
    let (file, env) = (keys.optional("file"), keys.optional("env"));
    keys.finish(problems);
    let (place, read) = match (file, env) {
        (Some(node), None) => {
            let path = node.text("a file", problems)?;
            let text = (from.files)(&from.folder.join(path))
                .map_err(|cause| cause.to_string())
                .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned()));
            (node, text.map_err(|cause| format!("the file of `{name}` cannot be read: {cause}")))
        }
        (None, Some(node)) => {
            let variable = node.text("an environment variable", problems)?;
            let text = std::env::var(variable);
            (node, text.map_err(|_| format!("the environment variable of `{name}` is not set, or not UTF-8")))
        }
        _ => {
            problems
                .error(
                    "C036",
                    format!("`{name}` must be a text, `{{file: path}}` or `{{env: NAME}}`"),
                    node.span,
                )
                .label("one of the two");
            return None;
        }
    };
    match read {
        Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
        Err(message) => {
            problems.error("C037", message, place.span);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::load_from;
    use std::io;
    use std::path::Path;
    use tripline_rules::diagnostic::Paint;

    /// The problems of a configuration, as text and JSON, and the values of its client.
    fn read(client: &str) -> (String, Vec<(String, String)>) {
        let base = include_str!("../../../deploy/examples/demo/tripline.yaml");
        let text = format!("{base}\nkafka:\n  brokers: 127.0.0.1:9092\n{client}");
        let files = |path: &Path| match path.to_str() {
            Some("tripline.yaml") => Ok(text.clone().into_bytes()),
            Some("secrets/kafka") => Ok(b"hunter2 \r\n".to_vec()),
            _ => std::fs::read(Path::new("../deploy/examples/demo").join(path)),
        };
        let loaded = load_from(Path::new("tripline.yaml"), &|path| {
            files(path).map_err(|_: io::Error| io::ErrorKind::NotFound.into())
        });
        let loaded = loaded.unwrap();
        let values = loaded.config.map_or(Vec::new(), |config| {
            config.kafka.client.values().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        });
        (loaded.problems.render(Paint::Plain) + &loaded.problems.json(), values)
    }

    #[test]
    fn a_password_comes_from_a_file_or_the_environment() {
        let (problems, values) =
            read("  client: {sasl.password: {file: secrets/kafka}, sasl.username: {env: PATH}}");
        let path = std::env::var("PATH").unwrap();
        let expected = [("sasl.password", "hunter2 "), ("sasl.username", &path)];
        assert_eq!(values, expected.map(|(name, value)| (name.to_owned(), value.to_owned())), "{problems}");
        for (client, said) in [
            ("  client: {sasl.password: {file: secrets/none}}", "C037"),
            ("  client: {sasl.password: {env: TRIPLINE_HAS_NO_SUCH_VARIABLE}}", "is not set"),
            ("  client: {sasl.password: {}}", "C036"),
            ("  client: {sasl.password: {file: a, env: B}}", "C036"),
        ] {
            let (problems, values) = read(client);
            assert!(problems.contains(said) && values.is_empty(), "{client}: {problems}");
        }
        assert!(read("  client: {sasl.password: hunter2}").0.contains("C035"));
    }

    #[test]
    fn no_value_is_shown_with_any_problem() {
        for client in [
            "  client: {group.id: hunter2, sasl.passwrod: hunter3}",
            "  client: {sasl.password: hunter2, sasl.password: hunter3}",
            "  client: {sasl.password: [hunter2]}",
            "  client: {sasl.password: hunter2",
            "  client:\n    sasl.password: hunter2\n    ssl.key.password: \"hunter3\n  group: x",
            "  client: {sasl.password: hunter2}\n  grouq: x",
            "  client: {sasl.password: hunter2}, group: x",
        ] {
            let (problems, _) = read(client);
            assert!(
                !problems.contains("hunter") && problems.contains("tripline.yaml"),
                "{client}: {problems}"
            );
        }
    }
}
