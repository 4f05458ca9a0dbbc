//! The likely cause of text that is not YAML: what a person has probably written, and where.
//!
//! It reads lines, not YAML. The parser says only what it expected, often a line after the cause.

use crate::diagnostic::{Diagnostics, Span};

/// What is probably wrong, with its place and its correction.
struct Cause {
    message: String,
    start: usize,
    end: usize,
    help: String,
}

impl Cause {
    fn new(message: impl Into<String>, (start, end): (usize, usize), help: impl Into<String>) -> Cause {
        Cause { message: message.into(), start, end: end.max(start), help: help.into() }
    }
}

/// Reports that `text` is not YAML from byte `at` on, as the parser found it, with the likely cause.
pub(super) fn report(text: &str, file: usize, at: usize, found: &str, diagnostics: &mut Diagnostics) {
    match cause(text, at, found) {
        Some(Cause { message, start, end, help }) => {
            diagnostics.error("Y000", message, Span { file, start, end }).label("here").help(help);
        }
        None => {
            let span = Span { file, start: at, end: at };
            diagnostics.error("Y000", format!("not valid YAML: {found}"), span);
        }
    }
}

fn cause(text: &str, at: usize, found: &str) -> Option<Cause> {
    let lines = lines_before(text, at);
    let here = *lines.first()?;
    tab(text, here, found)
        .or_else(|| quote(text, at, found))
        .or_else(|| lines.iter().find_map(|line| braces(text, *line)))
        .or_else(|| lines.iter().find_map(|line| no_space(text, *line)))
        .or_else(|| lines.iter().find_map(|line| no_colon(text, *line, found)))
        .or_else(|| lines.iter().find_map(|line| value(text, *line)))
        .or_else(|| indentation(text, here, found))
}

/// The line that holds a byte and up to three lines before it that are not empty, without comments, the nearest first.
fn lines_before(text: &str, at: usize) -> Vec<(usize, usize)> {
    let mut lines = Vec::new();
    let mut end = text[at..].find('\n').map_or(text.len(), |length| at + length);
    loop {
        let start = text[..end].rfind('\n').map_or(0, |before| before + 1);
        let line = text[start..end].trim();
        if lines.is_empty() || !(line.is_empty() || line.starts_with('#')) {
            lines.push((start, end));
        }
        if start == 0 || lines.len() == 4 {
            return lines;
        }
        end = start - 1;
    }
}

/// A line without its indentation and the `- ` of a list, and where it starts.
fn content(text: &str, (start, end): (usize, usize)) -> (usize, &str) {
    let line = &text[start..end];
    let mut rest = line.trim_start();
    while let Some(item) = rest.strip_prefix("- ") {
        rest = item.trim_start();
    }
    (end - rest.len(), rest.trim_end())
}

/// The key at the start of a text, without its colon.
fn key(text: &str) -> Option<&str> {
    let length =
        text.len() - text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "_.".contains(c)).len();
    let key = &text[..length];
    (text[length..].starts_with(':') && key.starts_with(|c: char| c.is_ascii_alphabetic())).then_some(key)
}

/// A tab that indents the line, or one of the next two where the parser says that it met a tab.
fn tab(text: &str, here: (usize, usize), found: &str) -> Option<Cause> {
    let mut line = here;
    for _ in 0..if found.contains("tab") { 3 } else { 1 } {
        if let Some(cause) = tab_in(text, line) {
            return Some(cause);
        }
        let start = line.1 + 1;
        let length = text.get(start..)?.find('\n').unwrap_or(text.len() - start);
        line = (start, start + length);
    }
    None
}

fn tab_in(text: &str, (start, end): (usize, usize)) -> Option<Cause> {
    let line = &text[start..end];
    let at = start + line[..line.len() - line.trim_start().len()].find('\t')?;
    Some(Cause::new("a tab in the indentation", (at, at + 1), "indent with spaces"))
}

/// A quote that is never closed, or text after a closed one.
fn quote(text: &str, at: usize, found: &str) -> Option<Cause> {
    let ends = ["unexpected end of stream", "unexpected document indicator", "invalid indentation"];
    let is_open = ends.iter().any(|end| found.contains(end));
    if is_open && found.contains("quoted scalar") {
        let start =
            text[..at].rfind(['"', '\'']).filter(|start| text[*start..at].contains('\n')).unwrap_or(at);
        let open = if text[at..].starts_with(['"', '\'']) { at } else { start };
        let length = text[open..].chars().next().map_or(0, char::len_utf8);
        return Some(Cause::new(
            "a quote is never closed",
            (open, open + length),
            "close the text with the same quote, on the same line",
        ));
    }
    let (start, end) = *lines_before(text, at).first()?;
    let (line_at, line) = content(text, (start, end));
    let name = key(line)?;
    let written = line[name.len() + 1..].trim_start();
    let mark = written.chars().next().filter(|mark| "\"'".contains(*mark))?;
    let close = written[1..].find(mark)? + 2;
    let after = written[close..].trim();
    if after.is_empty() || after.starts_with('#') {
        return None;
    }
    let begin = line_at + line.len() - written.len();
    let other = if mark == '"' { '\'' } else { '"' };
    Some(Cause::new(
        format!("the value of `{name}` begins with a quoted text, and YAML ends it there"),
        (begin, line_at + line.len()),
        format!("quote the whole value: `{name}: {other}{written}{other}`"),
    ))
}

/// What stands in braces on one line: a comma that is missing, or a condition without quotes.
fn braces(text: &str, line: (usize, usize)) -> Option<Cause> {
    let whole = &text[line.0..line.1];
    let open = whole.find(['{', '['])?;
    if whole[..open].contains(['"', '\'', '#']) || !whole[..open].trim_end().ends_with([':', '-', '{', '[']) {
        return None;
    }
    let mut settings = Vec::new();
    let (mut quoted, mut depth, mut start) = (None, 0usize, open + 1);
    for (at, character) in whole.char_indices().skip_while(|(at, _)| *at <= open) {
        match (quoted, character) {
            (Some(mark), _) => quoted = Some(mark).filter(|mark| *mark != character),
            (None, '"' | '\'') => quoted = Some(character),
            (None, '[' | '{' | '(') => depth += 1,
            (None, ']' | '}' | ')') if depth > 0 => depth -= 1,
            (None, ',') if depth == 0 => {
                settings.push((start, at));
                start = at + 1;
            }
            (None, '}' | ']') => {
                settings.push((start, at));
                start = whole.len();
                break;
            }
            _ => {}
        }
    }
    let closed = start == whole.len();
    if !closed {
        settings.push((start, whole.len()));
    }
    if let Some(found) = settings.iter().find_map(|setting| in_setting(line.0, whole, *setting)) {
        return Some(found);
    }
    let (mark, other) = if whole[open..].starts_with('{') { ('{', '}') } else { ('[', ']') };
    (!closed).then(|| {
        let at = line.0 + open;
        Cause::new(format!("this `{mark}` is never closed"), (at, at + 1), format!("add `{other}`"))
    })
}

fn in_setting(base: usize, whole: &str, (start, end): (usize, usize)) -> Option<Cause> {
    let setting = &whole[start..end];
    let lead = setting.len() - setting.trim_start().len();
    let name = key(setting.trim_start())?;
    let value_at = start + lead + name.len() + 1;
    let raw = &whole[value_at..end];
    let value = raw.trim_start();
    let value_at = value_at + raw.len() - value.len();
    let value = value.trim_end();
    let second = value.match_indices(": ").find_map(|(at, _)| {
        let word = value[..at].trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
        (word > 0 && word < at && !value.starts_with(['"', '\'', '{', '['])).then_some((word, at))
    });
    if let Some((word, colon)) = second {
        let next = &value[word..colon];
        let at = base + value_at + word;
        return Some(Cause::new(
            format!("a comma is missing before `{next}`"),
            (at, at + next.len()),
            format!("write `{name}: {}, {next}: …`", value[..word].trim_end()),
        ));
    }
    let plain = !value.starts_with(['"', '\'', '{', '[']);
    let unquoted = plain && value.contains(['[', ']', '{', '}', '"', ',']);
    let trailing = value.starts_with(['"', '\'']) && {
        let mark = value.chars().next()?;
        value[1..].find(mark).is_some_and(|close| !value[close + 2..].trim().is_empty())
    };
    if !unquoted && !trailing {
        return None;
    }
    let quote = if value.contains('\'') { '"' } else { '\'' };
    let at = base + value_at;
    Some(Cause::new(
        format!(
            "the value of `{name}` must stand in quotes: in braces, brackets, commas and quotes end a value"
        ),
        (at, at + value.len()),
        format!("write `{name}: {quote}{value}{quote}`, or each setting on a line of its own"),
    ))
}

/// `score:70`: YAML reads one word.
fn no_space(text: &str, line: (usize, usize)) -> Option<Cause> {
    let (at, line) = content(text, line);
    let name = key(line)?;
    let value = &line[name.len() + 1..];
    if value.is_empty() || value.starts_with([' ', '\t', '/', ':']) {
        return None;
    }
    Some(Cause::new(
        format!("a space is missing after the colon of `{name}`"),
        (at, at + line.len()),
        format!("write `{name}: {value}`"),
    ))
}

/// `score 70`: no colon at all.
fn no_colon(text: &str, line: (usize, usize), found: &str) -> Option<Cause> {
    let (at, line) = content(text, line);
    let word = line.split_whitespace().next()?;
    let is_word = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if !found.contains("simple key") || !is_word || line.contains(':') || at == 0 {
        return None;
    }
    let rest = line[word.len()..].trim();
    Some(Cause::new(
        format!("a colon is missing after `{word}`"),
        (at, at + word.len()),
        format!("write `{word}: {rest}`"),
    ))
}

/// A value without quotes that YAML reads as something else.
fn value(text: &str, line: (usize, usize)) -> Option<Cause> {
    let (at, line) = content(text, line);
    let name = key(line)?;
    let value = line[name.len() + 1..].trim_start();
    let start = at + line.len() - value.len();
    let quoted = if value.contains('\'') { format!("\"{value}\"") } else { format!("'{value}'") };
    let first = value.chars().next()?;
    let message = if "@`%*&!".contains(first) {
        format!("the value of `{name}` begins with `{first}`, which has a meaning in YAML")
    } else if !"\"'|>{[".contains(first) && value.contains(": ") {
        format!("the value of `{name}` contains `: `, which separates a key from its value")
    } else {
        return None;
    };
    Some(Cause::new(message, (start, at + line.len()), format!("write `{name}: {quoted}`")))
}

/// A line that belongs to no block.
fn indentation(text: &str, line: (usize, usize), found: &str) -> Option<Cause> {
    let about_blocks = ["block mapping", "block collection", "indentation", "mapping values are not allowed"];
    if !about_blocks.iter().any(|part| found.contains(part)) {
        return None;
    }
    let (at, line) = content(text, line);
    Some(Cause::new(
        "this line is not indented like the lines that it belongs to",
        (at, at + line.len()),
        "the settings of one entry start in the same column, and each entry of a list starts with `- `",
    ))
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::{Diagnostics, File};
    use crate::yaml::parse;

    /// Message and marked text of the one error of a file.
    fn found(text: &str) -> (String, String) {
        let mut problems = Diagnostics::new(&[File::new("f.yaml", text)]);
        assert_eq!(parse(0, &mut problems), None, "{text}");
        let [problem] = problems.list() else { panic!("{:?}", problems.list()) };
        (problem.message.clone(), text[problem.span.start..problem.span.end].to_owned())
    }

    #[test]
    fn an_error_names_what_was_written_and_marks_it() {
        for (text, message, marked) in [
            (
                "a:\n  - when: x\n    score:70\n    b: 1\n",
                "a space is missing after the colon of `score`",
                "score:70",
            ),
            ("a:\n  uses: {by: card over: 1h}\n", "a comma is missing before `over`", "over"),
            (
                "a:\n  uses: {over: 1h, where: mcc in [\"1\", \"2\"]}\n",
                "the value of `where` must stand in quotes",
                "mcc in [\"1\", \"2\"]",
            ),
            ("a:\n  uses: {over: 1h\nb: 1\n", "this `{` is never closed", "{"),
            ("a:\n  - when: x\n    score 70\n    b: 1\n", "a colon is missing after `score`", "score"),
            ("a:\n  - when: x\n\tb: 1\n", "a tab in the indentation", "\t"),
            ("a:\n  when: \"x\" == y\n", "the value of `when` begins with a quoted text", "\"x\" == y"),
            ("a:\n  title: one: two\n", "the value of `title` contains `: `", "one: two"),
            ("a:\n  when: @list\n", "the value of `when` begins with `@`", "@list"),
            ("a:\n  when: \"x\n  b: 1\n", "a quote is never closed", "\""),
            ("a:\n   - b: 1\n    c: 2\n", "this line is not indented", "c: 2"),
        ] {
            let (got, at) = found(text);
            assert!(got.starts_with(message), "{text}{got}");
            assert_eq!(at, marked, "{text}{got}");
        }
    }

    #[test]
    fn any_part_of_a_pack_is_refused_without_a_panic() {
        let text = "version: 1\naggregates:\n  ü: {count: events, where: 'x in [\"ö\"]', over: 1h}\nrules:\n  - id: A\n    when: \"é\"\n";
        for (at, _) in text.char_indices() {
            for wrong in ["", "{", "\"", "'", "[", "\t", ": ", "\n", "é"] {
                let text = format!("{}{wrong}{}", &text[..at], &text[at..]);
                for end in [text.len(), at + wrong.len()] {
                    let mut problems = Diagnostics::new(&[File::new("f.yaml", &text[..end])]);
                    parse(0, &mut problems);
                    problems.render(crate::diagnostic::Paint::Plain);
                }
            }
        }
    }
}
