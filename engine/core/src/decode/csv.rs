//! Splits one CSV record (RFC 4180) into cells and captures those of mapped columns. It does not depend on what they
//! mean.
//!
//! The crates `csv` and `csv-core` accept any bytes, such as a quote inside a cell or a quote that is not closed. A
//! record that two readers could read differently must be rejected, so the splitter is our own. It is tested against
//! `csv`.

use super::capture::{Captures, Form, SourceId};
use super::pan;
use super::record::byte_pos;
use super::reject::{ReadError, Reason};
use memchr::{memchr, memchr3};
use std::sync::Arc;
use thiserror::Error;

/// Why a CSV header is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// Mapped columns that the header does not have.
    #[error("the header has no column {}", listed(.0))]
    Missing(Vec<String>),
    /// Mapped columns that the header has twice.
    #[error("the header has more than one column {}", listed(.0))]
    Twice(Vec<String>),
    /// Not one line of comma-separated values in UTF-8.
    #[error("the header is not one line of comma-separated values in UTF-8")]
    Malformed,
    /// Not UTF-8.
    #[error(
        "the header is not UTF-8, but probably Latin-1 (ISO 8859-1) or Windows-1252: convert the file with `iconv -f \
         WINDOWS-1252 -t UTF-8`"
    )]
    NotUtf8,
    /// The mapping is not one of CSV.
    #[error("records of this format have no header")]
    NotCsv,
}

/// How cells are separated, and the columns that a header must have.
#[derive(Clone, Debug)]
pub(super) struct CsvPlan {
    delimiter: u8,
    /// Mapped column names, by source.
    names: Vec<String>,
    /// By source: whether it is exempt from the search for card numbers.
    exempt: Vec<bool>,
}

/// Reads records of one header.
#[derive(Clone, Debug)]
pub(super) struct CsvReader {
    plan: Arc<CsvPlan>,
    /// By column of the header: the source that it is. Empty before the first header.
    columns: Vec<Option<SourceId>>,
}

/// A cell: its text's range in the record or (with doubled quotes) in the scratch text, and where the cell ends.
struct Cell {
    range: (usize, usize),
    unescaped: bool,
    end: usize,
}

impl CsvPlan {
    /// A plan of mapped columns, by source.
    pub(super) fn new(delimiter: u8, names: Vec<String>, exempt: Vec<bool>) -> CsvPlan {
        CsvPlan { delimiter, names, exempt }
    }

    /// By column of a header line: the source that it is.
    fn columns(&self, line: &[u8]) -> Result<Vec<Option<SourceId>>, HeaderError> {
        let header = self.header(line)?;
        let times = |name: &String| header.iter().filter(|column| *column == name).count();
        let with = |wanted: fn(usize) -> bool| -> Vec<String> {
            self.names.iter().filter(|name| wanted(times(name))).cloned().collect()
        };
        let (missing, twice) = (with(|times| times == 0), with(|times| times > 1));
        if !missing.is_empty() {
            return Err(HeaderError::Missing(missing));
        }
        if !twice.is_empty() {
            return Err(HeaderError::Twice(twice));
        }
        let source = |column: &String| (0u16..).zip(&self.names).find(|(_, name)| *name == column);
        Ok(header.iter().map(|column| source(column).map(|(source, _)| source)).collect())
    }

    /// The cells of a header line.
    fn header(&self, line: &[u8]) -> Result<Vec<String>, HeaderError> {
        let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        let line = std::str::from_utf8(line).map_err(|_| HeaderError::NotUtf8)?;
        let (text, mut scratch) = (without_line_end(line), String::new());
        let (mut header, mut at) = (Vec::new(), 0);
        loop {
            let cell = self.cell(text, at, &mut scratch).map_err(|_| HeaderError::Malformed)?;
            let whole = if cell.unescaped { scratch.as_str() } else { text };
            header.push(whole[cell.range.0..cell.range.1].to_owned());
            if cell.end == text.len() {
                return Ok(header);
            }
            at = cell.end + 1;
        }
    }

    /// The cell that begins at `at`.
    fn cell(&self, text: &str, at: usize, scratch: &mut String) -> Result<Cell, ReadError> {
        let bytes = text.as_bytes();
        if bytes.get(at) == Some(&b'"') {
            return self.quoted_cell(text, at, scratch);
        }
        let length = memchr(self.delimiter, &bytes[at..]).unwrap_or(bytes.len() - at);
        match memchr3(b'"', b'\r', b'\n', &bytes[at..at + length]) {
            Some(offset) => Err(ReadError::new(Reason::BadCsv, at + offset)),
            None => Ok(Cell { range: (at, at + length), unescaped: false, end: at + length }),
        }
    }

    fn quoted_cell(&self, text: &str, open: usize, scratch: &mut String) -> Result<Cell, ReadError> {
        let bytes = text.as_bytes();
        let from = scratch.len();
        let mut start = open + 1;
        loop {
            let quote = memchr(b'"', &bytes[start..]).ok_or(ReadError::new(Reason::BadCsv, open))? + start;
            match bytes.get(quote + 1) {
                Some(b'"') => {
                    scratch.push_str(&text[start..=quote]);
                    start = quote + 2;
                }
                Some(byte) if *byte != self.delimiter => {
                    return Err(ReadError::new(Reason::BadCsv, quote + 1));
                }
                _ if scratch.len() == from => {
                    return Ok(Cell { range: (start, quote), unescaped: false, end: quote + 1 });
                }
                _ => {
                    scratch.push_str(&text[start..quote]);
                    return Ok(Cell { range: (from, scratch.len()), unescaped: true, end: quote + 1 });
                }
            }
        }
    }
}

impl CsvReader {
    /// A reader before its first header.
    pub(super) fn new(plan: &Arc<CsvPlan>) -> CsvReader {
        CsvReader { plan: Arc::clone(plan), columns: Vec::new() }
    }

    /// Reads the names of the columns from a header line.
    pub(super) fn set_header(&mut self, line: &[u8]) -> Result<(), HeaderError> {
        self.columns = self.plan.columns(line)?;
        Ok(())
    }

    /// Checks a record and captures the mapped cells. Before the first header no record has the right number of cells.
    pub(super) fn read(&self, record: &[u8], into: &mut Captures) -> Result<(), ReadError> {
        let text = std::str::from_utf8(record)
            .map_err(|error| ReadError::new(Reason::NotUtf8, error.valid_up_to()))?;
        let text = without_line_end(text);
        let (plan, mut at) = (&*self.plan, 0);
        for (column, source) in self.columns.iter().enumerate() {
            let cell = plan.cell(text, at, &mut into.scratch)?;
            let whole = if cell.unescaped { into.scratch.as_str() } else { text };
            let value = &whole[cell.range.0..cell.range.1];
            let exempt = source.is_some_and(|source| plan.exempt[usize::from(source)]);
            if !exempt && pan::in_cell(value.as_bytes()) {
                return Err(ReadError { reason: Reason::CardNumber, at, source: *source });
            }
            if let Some(source) = source {
                let form = match (value.is_empty(), cell.unescaped) {
                    (true, _) => Form::Missing,
                    (false, true) => Form::Unescaped,
                    (false, false) => Form::Text,
                };
                let range = (byte_pos(cell.range.0), byte_pos(cell.range.1));
                into.put(*source, form, range, byte_pos(at));
            }
            let last = column + 1 == self.columns.len();
            if last != (cell.end == text.len()) {
                return Err(ReadError::new(Reason::WrongCellCount, cell.end));
            }
            at = cell.end + 1;
        }
        if self.columns.is_empty() { Err(ReadError::new(Reason::WrongCellCount, 0)) } else { Ok(()) }
    }
}

fn without_line_end(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
