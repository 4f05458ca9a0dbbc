//! Errors and warnings with their places: rendered for people (with carets) and for programs (JSON).
//!
//! It does not depend on what is checked. Every stage adds to one [`Diagnostics`], so that one run reports all
//! problems.

mod codes;
mod shown;

pub use codes::Code;

use annotate_snippets::{AnnotationKind, Group, Level as Title, Renderer, Snippet};
use shown::{json_text, message};
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

/// A file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name in messages: the path as given.
    pub name: Arc<str>,
    /// Its text.
    pub text: Arc<str>,
}

impl File {
    /// A file from its name and text.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> File {
        File { name: name.into(), text: text.into() }
    }
}

/// A place in one of the files of a [`Diagnostics`], in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Index of the file.
    pub file: usize,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// From the start of this span to the end of another.
    pub fn to(self, other: Span) -> Span {
        Span { file: self.file, start: self.start, end: other.end.max(self.end) }
    }

    /// Whether this span contains the other.
    pub fn holds(self, other: Span) -> bool {
        self.file == other.file && self.start <= other.start && other.end <= self.end
    }

    fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// The level of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Nothing compiles until it is corrected.
    Error,
    /// It compiles, but probably does not do what was intended.
    Warning,
}

/// One error or warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its code.
    pub code: Code,
    /// Its level.
    pub level: Level,
    /// The message, one line.
    pub message: String,
    /// Its place.
    pub span: Span,
    /// The label of the place.
    pub label: Option<String>,
    /// Related places in the same file, with labels.
    pub context: Vec<(Span, String)>,
    /// How to correct it.
    pub help: Option<String>,
    /// The field of the schema that it is about, by name.
    pub about: Option<String>,
}

impl Diagnostic {
    /// Sets the label of the place.
    pub fn label(&mut self, text: impl Into<String>) -> &mut Diagnostic {
        self.label = Some(text.into());
        self
    }

    /// Adds a related place; one in another file is ignored.
    pub fn context(&mut self, span: Span, text: impl Into<String>) -> &mut Diagnostic {
        if span.file == self.span.file {
            self.context.push((span, text.into()));
        }
        self
    }

    /// Sets the help.
    pub fn help(&mut self, text: impl Into<String>) -> &mut Diagnostic {
        self.help = Some(text.into());
        self
    }

    /// Sets the field of the schema that the problem is about.
    pub fn about(&mut self, field: &str) -> &mut Diagnostic {
        self.about = Some(field.to_owned());
        self
    }

    /// Sets the help, if there is one.
    pub fn help_maybe(&mut self, text: Option<String>) -> &mut Diagnostic {
        self.help = text.or(self.help.take());
        self
    }
}

/// All errors and warnings of some files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    files: Vec<File>,
    list: Vec<Diagnostic>,
    /// Places whose text is never shown.
    secrets: Vec<Span>,
    /// Number of rules read.
    pub rules: usize,
    /// Number of operators and references in all conditions read.
    pub nodes: usize,
}

/// How many problems are rendered in full: each costs time in proportion to its file, and nobody reads more at once.
pub const SHOWN_MAX: usize = 100;

/// A text and where its lines start.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl Lines<'_> {
    fn of(text: &str) -> Lines<'_> {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Lines { text, starts }
    }

    /// Line and column of a byte, both from 1; columns count characters.
    fn position(&self, at: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= at);
        (line, self.text[self.starts[line - 1]..at].chars().count() + 1)
    }
}

/// Whether output is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// For a terminal.
    Colour,
    /// For pipes, files and tests.
    Plain,
}

impl Diagnostics {
    /// No problems yet; `file` of a span is an index into `files`.
    pub fn new(files: &[File]) -> Diagnostics {
        Diagnostics { files: files.to_vec(), ..Diagnostics::default() }
    }

    /// Adds an error.
    pub fn error(&mut self, code: &'static str, message: impl Into<String>, span: Span) -> &mut Diagnostic {
        self.add(Level::Error, code, message.into(), span)
    }

    /// Adds a warning.
    pub fn warning(&mut self, code: &'static str, message: impl Into<String>, span: Span) -> &mut Diagnostic {
        self.add(Level::Warning, code, message.into(), span)
    }

    fn add(&mut self, level: Level, code: &'static str, message: String, span: Span) -> &mut Diagnostic {
        self.list.push(Diagnostic {
            code: Code(code),
            level,
            message,
            span,
            label: None,
            context: Vec::new(),
            help: None,
            about: None,
        });
        self.list.last_mut().expect("one was just pushed")
    }

    /// Adds the problems of other files.
    pub fn extend(&mut self, other: Diagnostics) {
        let base = self.files.len();
        self.rules += other.rules;
        self.nodes += other.nodes;
        self.files.extend(other.files);
        self.secrets.extend(other.secrets.into_iter().map(|span| Span { file: span.file + base, ..span }));
        self.list.extend(other.list.into_iter().map(|mut problem| {
            problem.span.file += base;
            problem.context.iter_mut().for_each(|(span, _)| span.file += base);
            problem
        }));
    }

    /// Keeps the problems for which `keep` is true.
    pub fn retain(&mut self, keep: impl FnMut(&Diagnostic) -> bool) {
        self.list.retain(keep);
    }

    /// Marks a place that holds a secret: no line that is shown with a problem contains its text.
    pub fn hide(&mut self, secret: Span) {
        self.secrets.push(secret);
    }

    /// Forgets those problems from position `from` on that repeat an earlier one.
    pub(crate) fn forget_repeated(&mut self, from: usize) {
        let later = self.list.split_off(from);
        for problem in later {
            if !self.list[..from].contains(&problem) {
                self.list.push(problem);
            }
        }
    }

    /// All problems, in the order of [`Diagnostics::sort`] once sorted.
    pub fn list(&self) -> &[Diagnostic] {
        &self.list
    }

    /// The files that spans refer to.
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// Sorts by file and place; problems at one place keep the order in which they were added.
    pub fn sort(&mut self) {
        self.list.sort_by_key(|problem| (problem.span.file, problem.span.start));
    }

    /// Number of errors.
    pub fn errors(&self) -> usize {
        self.count(Level::Error)
    }

    /// Number of warnings.
    pub fn warnings(&self) -> usize {
        self.count(Level::Warning)
    }

    fn count(&self, level: Level) -> usize {
        self.list.iter().filter(|problem| problem.level == level).count()
    }

    /// Whether a span contains a problem.
    pub fn any_inside(&self, span: Span) -> bool {
        self.list.iter().any(|problem| span.holds(problem.span))
    }

    /// Whether a span contains an error.
    pub fn any_error_inside(&self, span: Span) -> bool {
        self.list.iter().any(|problem| problem.level == Level::Error && span.holds(problem.span))
    }

    /// Line and column of a span, both from 1; columns count characters.
    pub fn position(&self, span: Span) -> (usize, usize) {
        Lines::of(&self.files[span.file].text).position(span.start)
    }

    /// Renders the first [`SHOWN_MAX`] problems, each followed by an empty line, and counts the rest.
    pub fn render(&self, paint: Paint) -> String {
        let renderer = match paint {
            Paint::Colour => Renderer::styled(),
            Paint::Plain => Renderer::plain(),
        };
        let mut out = String::new();
        let sources: Vec<String> = (0..self.files.len()).map(|file| self.source(file)).collect();
        for problem in self.list.iter().take(SHOWN_MAX) {
            out.push_str(&renderer.render(&[self.group(problem, &sources)]));
            out.push_str("\n\n");
        }
        if let Some(more) = self.list.len().checked_sub(SHOWN_MAX).filter(|more| *more > 0) {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{more} more are not shown; `--json` lists all of them\n");
        }
        out
    }

    /// The text of a file as it is shown.
    fn source(&self, file: usize) -> String {
        shown::source(&self.files[file].text, self.secrets_of(file))
    }

    fn secrets_of(&self, file: usize) -> impl Iterator<Item = Range<usize>> {
        self.secrets.iter().filter(move |secret| secret.file == file).map(|secret| secret.range())
    }

    /// The secrets that the texts of a problem may quote.
    fn quotable(&self, problem: &Diagnostic) -> Vec<&str> {
        let Span { file, .. } = problem.span;
        shown::quotable(&self.files[file].text, problem.span.range(), self.secrets_of(file))
    }

    fn group<'a>(&'a self, problem: &'a Diagnostic, sources: &'a [String]) -> Group<'a> {
        let (file, secrets) = (&self.files[problem.span.file], self.quotable(problem));
        let title = match problem.level {
            Level::Error => Title::ERROR,
            Level::Warning => Title::WARNING,
        };
        let mut primary = AnnotationKind::Primary.span(problem.span.range());
        if let Some(label) = &problem.label {
            primary = primary.label(message(label, &secrets));
        }
        let context = problem
            .context
            .iter()
            .map(|(span, text)| AnnotationKind::Context.span(span.range()).label(message(text, &secrets)));
        let source = sources[problem.span.file].as_str();
        let snippet = Snippet::source(source).path(&*file.name).annotation(primary).annotations(context);
        let group =
            title.primary_title(message(&problem.message, &secrets)).id(problem.code.0).element(snippet);
        match &problem.help {
            Some(help) => group.element(Title::HELP.message(message(help, &secrets))),
            None => group,
        }
    }

    /// A one-line summary. The caller can append the time taken.
    pub fn summary(&self) -> String {
        let files = match &self.files[..] {
            [only] => only.name.to_string(),
            many => counted(many.len(), "file"),
        };
        let (rules, nodes) = (counted(self.rules, "rule"), counted(self.nodes, "expression node"));
        let (errors, warnings) = (counted(self.errors(), "error"), counted(self.warnings(), "warning"));
        format!("{files}: {rules}, {nodes}, {errors}, {warnings}")
    }

    /// All problems as one JSON array; `line` and `column` count from 1, columns in characters.
    pub fn json(&self) -> String {
        let mut out = String::from("[");
        let lines: Vec<Lines<'_>> = self.files.iter().map(|file| Lines::of(&file.text)).collect();
        for (at, problem) in self.list.iter().enumerate() {
            let secrets = self.quotable(problem);
            let level = match problem.level {
                Level::Error => "error",
                Level::Warning => "warning",
            };
            let comma = if at == 0 { "" } else { "," };
            // Writing to a String cannot fail.
            let _ =
                write!(out, "{comma}{{\"code\":\"{}\",\"severity\":\"{level}\",\"message\":", problem.code.0);
            json_text(&mut out, &message(&problem.message, &secrets));
            self.json_place(&lines, problem.span, &mut out);
            for (name, text) in [("label", &problem.label), ("help", &problem.help)] {
                if let Some(text) = text {
                    let _ = write!(out, ",\"{name}\":");
                    json_text(&mut out, &message(text, &secrets));
                }
            }
            for (at, (span, text)) in problem.context.iter().enumerate() {
                out.push_str(if at == 0 { ",\"related\":[{\"message\":" } else { ",{\"message\":" });
                json_text(&mut out, &message(text, &secrets));
                self.json_place(&lines, *span, &mut out);
                out.push_str(if at + 1 == problem.context.len() { "}]" } else { "}" });
            }
            out.push('}');
        }
        out.push(']');
        out
    }

    /// File, line and column of a span.
    fn json_place(&self, lines: &[Lines<'_>], span: Span, out: &mut String) {
        out.push_str(",\"file\":");
        json_text(out, &self.files[span.file].name);
        let ((line, column), (end_line, end_column)) =
            (lines[span.file].position(span.start), lines[span.file].position(span.end));
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            ",\"line\":{line},\"column\":{column},\"end_line\":{end_line},\"end_column\":{end_column}"
        );
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The known name that is closest to a misspelt one, if any is close.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (wrong.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .filter(|(distance, name)| *distance <= most && *distance < name.chars().count())
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_count_from_one() {
        let mut problems = Diagnostics::new(&[File::new("a.yaml", "x: 1\ntitle: Zürich é oops\n")]);
        let start = "x: 1\ntitle: Zürich é ".len();
        problems.error("E201", "no \"such\" name", Span { file: 0, start, end: start + 4 }).label("here");
        assert_eq!(problems.position(problems.list()[0].span), (2, 17));
        assert!(
            problems.render(Paint::Plain).contains("--> a.yaml:2:17"),
            "{}",
            problems.render(Paint::Plain)
        );
        assert!(
            problems.json().contains(r#""message":"no \"such\" name","file":"a.yaml","line":2,"column":17"#)
        );
    }

    #[test]
    fn a_file_full_of_errors_is_rendered_in_bounded_time_and_listed_as_a_whole() {
        let text = "key: 1\n".repeat(20_000);
        let mut problems = Diagnostics::new(&[File::new("a.yaml", text)]);
        for line in 1..20_000 {
            let span = |line: usize| Span { file: 0, start: line * 7, end: line * 7 + 3 };
            problems.error("Y003", "`key` is written twice", span(line)).context(span(0), "first here");
        }
        let shown = problems.render(Paint::Plain);
        assert_eq!(shown.matches("error[Y003]").count(), SHOWN_MAX);
        assert!(shown.ends_with("19899 more are not shown; `--json` lists all of them\n\n"), "{shown}");
        let json = problems.json();
        assert_eq!(json.matches("Y003").count(), 19_999);
        assert!(json.contains(r#""line":20000,"column":1,"end_line":20000,"end_column":4"#));
    }

    #[test]
    fn suggestions_are_near_or_absent() {
        assert_eq!(nearest("severty", ["title", "severity"]), Some("severity"));
        assert_eq!(nearest("on", ["id", "by"]), None);
        assert_eq!(nearest("ovr", ["over", "by"]), Some("over"));
    }
}
