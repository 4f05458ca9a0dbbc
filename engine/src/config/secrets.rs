//! Where a configuration holds secrets: passwords under `kafka.client`, the secret of the hashes, credentials in
//! addresses. No message and no shown line contains them, whatever else is wrong with the file.

use crate::settings::is_secret_key;
use tripline_rules::diagnostic::{Diagnostics, File, Span, nearest};
use tripline_rules::yaml::{Node, Value};

/// Marks the secrets of a configuration that is YAML. Keys may be misspelt, and at any depth.
pub(super) fn hide(root: &Node, problems: &mut Diagnostics) {
    let mut secrets = Vec::new();
    Walk { spans: &mut secrets, text: &problems.files()[root.span.file].text }.visit(root, Below::Settings);
    secrets.into_iter().for_each(|secret| problems.hide(secret));
}

/// What a node belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    /// Settings, of which some are secrets.
    Settings,
    /// `input`, whose fields have any names.
    Fields,
    /// A secret.
    Secret,
}

struct Walk<'w> {
    spans: &'w mut Vec<Span>,
    text: &'w str,
}

impl Walk<'_> {
    fn visit(&mut self, node: &Node, below: Below) {
        match &node.value {
            Value::Scalar { .. } if below == Below::Secret => self.spans.push(node.span),
            Value::Scalar { .. } => credentials(self.text, node.span, self.spans),
            Value::List(items) => items.iter().for_each(|item| self.visit(item, below)),
            Value::Map(entries) => {
                entries.iter().for_each(|(key, value)| self.entry(key, value, below));
            }
        }
    }

    fn entry(&mut self, key: &Node, value: &Node, below: Below) {
        let name = key.scalar().unwrap_or_default();
        let is_place = ["file", "env"].contains(&name) && value.scalar().is_some();
        let is_secret = match below {
            Below::Secret => !is_place,
            Below::Fields => is_secret_key(name),
            Below::Settings => is_secret_name(name),
        };
        match value.scalar() {
            Some("built_in") if name == "secret" => {}
            _ if is_secret => self.visit(value, Below::Secret),
            _ if is_place => {}
            _ if name == "input" => self.visit(value, Below::Fields),
            _ => self.visit(value, below),
        }
        // `{sasl.password:hunter2}` is a key without a value.
        if is_secret && name.contains(':') {
            self.spans.push(key.span);
        }
    }
}

/// Whether the value of a key is, or contains, secrets. A misspelt key counts.
fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let near = || nearest(&name, ["client", "secret", "password"]).is_some();
    is_secret_key(&name) || is_client_setting(&name) || name.starts_with("client") || near()
}

fn is_client_setting(name: &str) -> bool {
    ["sasl.", "ssl."].iter().any(|start| name.starts_with(start))
}

/// User and password before an `@`, as in `s3://key:secret@bucket` and `user:password@host:9092`.
fn credentials(text: &str, within: Span, spans: &mut Vec<Span>) {
    let whole = &text[within.start..within.end];
    for (at, _) in whole.match_indices('@') {
        let ends = |c: char| c.is_whitespace() || "\"',{}[]".contains(c);
        let start = whole[..at].rfind(ends).map_or(0, |before| before + 1);
        let start = whole[start..at].find("://").map_or(start, |scheme| start + scheme + 3);
        let user = &whole[start..at];
        let is_address = whole[..start].ends_with("://");
        // A JSON pointer holds `/`.
        if user.contains(':') && (is_address || !user.contains('/')) {
            spans.push(Span { start: within.start + start, end: within.start + at, ..within });
        }
    }
}

/// Marks the secrets of a file that is no YAML, so that nobody knows where its values are: what follows a key of
/// secrets, and everything below it.
pub(super) fn hide_unread(file: &File, problems: &mut Diagnostics) {
    let mut spans = Vec::new();
    let (mut at, mut below) = (0, None);
    for line in file.text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        let is_blank = line.trim().is_empty();
        let is_item = line[indent..].starts_with("- ");
        below = below.filter(|depth| is_blank || indent > *depth || (is_item && indent == *depth));
        let end = at + line.len();
        if below.is_some() {
            values(&file.text, Span { file: 0, start: at, end }, &mut spans);
        } else if let Some(value) = secret_value(line) {
            values(&file.text, Span { file: 0, start: at + value, end }, &mut spans);
            below = Some(indent);
        } else {
            credentials(&file.text, Span { file: 0, start: at, end }, &mut spans);
        }
        at = end;
    }
    spans.into_iter().for_each(|secret| problems.hide(secret));
}

/// Where the value of the first key of secrets in a line begins.
fn secret_value(line: &str) -> Option<usize> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    line.match_indices(':').map(|(colon, _)| colon).find_map(|colon| {
        let key = line[..colon].trim_end().trim_end_matches(['"', '\'']);
        let name = &key[key.trim_end_matches(is_name).len()..];
        is_secret_name(name).then_some(colon + 1)
    })
}

/// Marks what is between the names of settings in a part of a line.
fn values(text: &str, within: Span, spans: &mut Vec<Span>) {
    let part = &text[within.start..within.end];
    let mut hidden = 0;
    let mut hide = |start: usize, end: usize| {
        if !part[start..end].trim().is_empty() {
            spans.push(Span { start: within.start + start, end: within.start + end, ..within });
        }
    };
    for (colon, _) in part.match_indices(':') {
        let key = part[hidden..colon].trim_end_matches(['"', '\'']);
        let length = key.len() - key.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '.').len();
        let name = &key[key.len() - length..];
        if is_client_setting(name) || is_secret_key(name) {
            let start = hidden + key.len() - length;
            hide(hidden, start);
            hidden = colon;
        }
    }
    hide(hidden, part.len());
}

#[cfg(test)]
mod tests {
    use crate::config::load_from;
    use std::io;
    use std::path::Path;
    use tripline_rules::diagnostic::Paint;

    /// All problems of a configuration, as text and JSON.
    fn problems(more: &str) -> String {
        let base = include_str!("../../../deploy/examples/demo/tripline.yaml");
        let text = format!("{base}\n{more}\n");
        let loaded = load_from(Path::new("tripline.yaml"), &|path| match path.to_str() {
            Some("tripline.yaml") => Ok(text.clone().into_bytes()),
            _ => std::fs::read(Path::new("../deploy/examples/demo").join(path))
                .map_err(|_| io::ErrorKind::NotFound.into()),
        });
        let mut loaded = loaded.unwrap();
        if let Some((store, span)) = &loaded.places.store {
            loaded.problems.error("C039", format!("the snapshot store {store} cannot be used"), *span);
        }
        let problems = loaded.problems;
        problems.render(Paint::Plain) + &problems.json()
    }

    #[test]
    fn no_secret_is_shown_whatever_is_wrong() {
        let client = |value: &str| format!("kafka:\n  brokers: 127.0.0.1:1\n{value}");
        for more in [
            client("  client:\n    sasl.password: @hunter2-aaa"),
            client("  client: {sasl.password: hunter2-bbb sasl.username: x}"),
            client("  client:\n    sasl.password:hunter2-ccc\n    sasl.username: x"),
            client("  client: sasl.password: hunter2-ddd"),
            client("  client:\n    sasl.password: hunter2: eee"),
            client("  client:\n    sasl.password: \"hunter2\"fff"),
            client("  clients: {sasl.password: hunter2-ggg}"),
            "kafak: {brokers: x, client: {sasl.password: hunter2-hhh}}".to_owned(),
            "kafka: [{brokers: x, client: {sasl.password: hunter2-iii}}]".to_owned(),
            "kafka: {brokers: x, client: {acks: all}}\nkafka: {brokers: x, client: {sasl.password: hunter2-jjj}}"
                .to_owned(),
            client("  \"client\": {\"sasl.password\": \"hunter2-kkk\""),
            "client: {sasl.password: hunter2-lll}".to_owned(),
            client("  client:\n    sasl.password: {file: x, env: Y, value: hunter2-mmm}"),
            client("  client:\n    sasl.password: {valeu: hunter2-nnn}"),
            client("  client:\n\tsasl.password: hunter2-ooo"),
            client("  client:\n  - sasl.password: hunter2-ppp"),
            "secret: hunter2-qqq-the-secret-itself".to_owned(),
            "secret: {value: hunter2-rrr}".to_owned(),
            "kafka: {brokers: \"user:hunter2-sss@host:9092\"}".to_owned(),
            "snapshots: {store: \"s3://AKIA:hunter2-sss@bucket/x\", evry: 1m}".to_owned(),
            "secrt: {file: \"a\", value: hunter2-ttt".to_owned(),
            client("  client: {sasl.password:hunter2-uuu}"),
            client("  client: {sasl.passwrod: hunter2: vvv}"),
        ] {
            let shown = problems(&more);
            assert!(!shown.contains("hunter2"), "{more}: {shown}");
            assert!(shown.contains("tripline.yaml"), "{more}: {shown}");
        }
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        for (more, said) in [
            ("secret: {file: gone.key}", "gone.key"),
            ("secret: built_im", "built_in"),
            ("kafka: {brokers: x, groop: payments}", "groop: payments"),
            ("kafka: {brokers: x, client: {sasl.password: {env: TRIPLINE_NONE}}}", "TRIPLINE_NONE"),
            ("kafka:\n  client:\n    sasl.password: @x", "the value of `sasl.password` begins with `@`"),
            ("owner: team@bank.example", "team@bank.example"),
        ] {
            let shown = problems(more);
            assert!(shown.contains(said), "{more}: {shown}");
        }
    }
}
