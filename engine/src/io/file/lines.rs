//! Cuts a stream of bytes into records: lines, or CSV records whose quoted fields may hold line ends.

use super::BYTE_ORDER_MARK;
use std::io::{self, BufRead};

/// Bytes of a CSV record that are kept. It is more than the largest event, so that an over-long one is still seen to be
/// over-long and refused, without ever being held whole.
const RECORD_BYTES_KEPT: usize = 64 * 1024;

/// Bytes of a line that are kept: a dumped record of 1 MiB, Kafka's own default limit, whose every byte needs an
/// escape.
const LINE_BYTES_KEPT: usize = 8 * 1024 * 1024;

/// Where a CSV reader stands inside a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    RecordStart,
    FieldStart,
    Plain,
    Quoted,
    QuoteInQuoted,
}

/// Records of a stream.
pub struct Lines {
    stream: Box<dyn BufRead + Send>,
    /// The delimiter, when quotes matter.
    csv: Option<u8>,
}

impl Lines {
    /// Records that end with their line.
    pub fn new(stream: Box<dyn BufRead + Send>) -> Lines {
        Lines { stream, csv: None }
    }

    /// CSV records (RFC 4180) with this delimiter.
    pub fn csv(stream: Box<dyn BufRead + Send>, delimiter: u8) -> Lines {
        Lines { stream, csv: Some(delimiter) }
    }

    /// Appends the next record's bytes, without its line end and a byte order mark before it, skipping empty lines.
    /// False at the end.
    ///
    /// Of a line longer than `LINE_BYTES_KEPT`, of a CSV record longer than `RECORD_BYTES_KEPT`, only the beginning is
    /// given. A quote that is never closed ends with that many bytes too, at the next line end: it must not swallow the
    /// rest of the file.
    ///
    /// # Errors
    /// When the stream cannot be read or decompressed.
    pub fn next(&mut self, into: &mut Vec<u8>) -> io::Result<bool> {
        let start = into.len();
        loop {
            let ended = self.record(into, start)?;
            if into.last() == Some(&b'\r') && into.len() > start {
                into.pop();
            }
            if into[start..].starts_with(BYTE_ORDER_MARK) {
                into.drain(start..start + BYTE_ORDER_MARK.len());
            }
            if into.len() > start {
                return Ok(true);
            }
            if ended {
                return Ok(false);
            }
        }
    }

    /// Reads up to the record's line end, which is not kept. True when the stream ended.
    fn record(&mut self, into: &mut Vec<u8>, start: usize) -> io::Result<bool> {
        let mut at = At::RecordStart;
        let mut length = 0;
        let kept = if self.csv.is_some() { RECORD_BYTES_KEPT } else { LINE_BYTES_KEPT };
        loop {
            let chunk = match self.stream.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if chunk.is_empty() {
                return Ok(true);
            }
            let end = match self.csv {
                None => memchr::memchr(b'\n', chunk),
                Some(delimiter) => {
                    csv_end(chunk, delimiter, &mut at, RECORD_BYTES_KEPT.saturating_sub(length))
                }
            };
            let taken = end.unwrap_or(chunk.len());
            let room = kept.saturating_sub(into.len() - start);
            into.extend_from_slice(&chunk[..taken.min(room)]);
            length += taken;
            self.stream.consume(end.map_or(taken, |end| end + 1));
            if end.is_some() {
                return Ok(false);
            }
        }
    }
}

/// Place of the line end that ends the record. After `quoted_max` bytes a quote holds no line end back any more.
fn csv_end(chunk: &[u8], delimiter: u8, at: &mut At, quoted_max: usize) -> Option<usize> {
    for (place, &byte) in chunk.iter().enumerate() {
        *at = match (*at, byte) {
            // A quote behind a byte order mark opens the first cell.
            (At::RecordStart, byte) if BYTE_ORDER_MARK.contains(&byte) => At::RecordStart,
            (At::Quoted, b'\n') if place >= quoted_max => return Some(place),
            (At::Quoted, b'"') => At::QuoteInQuoted,
            (At::Quoted, _) => At::Quoted,
            (_, b'\n') => return Some(place),
            (_, byte) if byte == delimiter => At::FieldStart,
            (At::RecordStart | At::FieldStart | At::QuoteInQuoted, b'"') => At::Quoted,
            _ => At::Plain,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufReader, Cursor};

    /// Through a buffer of a few bytes, so that every cut of a chunk occurs.
    fn stream(text: &str, buffer: usize) -> Box<dyn BufRead + Send> {
        Box::new(BufReader::with_capacity(buffer, Cursor::new(text.as_bytes().to_vec())))
    }

    fn records(mut lines: Lines) -> Vec<String> {
        let mut found = Vec::new();
        let mut record = Vec::new();
        while lines.next(&mut record).unwrap() {
            found.push(String::from_utf8(std::mem::take(&mut record)).unwrap());
        }
        found
    }

    #[test]
    fn lines_end_with_either_line_end_and_empty_ones_are_no_records() {
        for buffer in [1, 3, 64] {
            let text = "{\"a\":1}\r\n\n\r\n{\"b\":\"x\"}\n{\"last\":0}";
            assert_eq!(
                records(Lines::new(stream(text, buffer))),
                ["{\"a\":1}", "{\"b\":\"x\"}", "{\"last\":0}"]
            );
        }
    }

    /// Files that begin with a mark and were joined: `cat a.csv b.csv`.
    #[test]
    fn a_byte_order_mark_before_any_record_is_no_part_of_it() {
        for buffer in [1, 2, 3, 64] {
            let text = "\u{feff}{\"a\":1}\n\u{feff}{\"b\":2}\n\u{feff}\n{\"c\":\"\u{feff}\"}\n\u{feff}";
            let found = records(Lines::new(stream(text, buffer)));
            assert_eq!(found, ["{\"a\":1}", "{\"b\":2}", "{\"c\":\"\u{feff}\"}"]);
            let text = "\u{feff}\"id\",n\n\u{feff}\"two\nlines\",1\n\u{feff}x,\u{feff}2\n";
            let found = records(Lines::csv(stream(text, buffer), b','));
            assert_eq!(found, ["\"id\",n", "\"two\nlines\",1", "x,\u{feff}2"]);
        }
    }

    #[test]
    fn csv_records_are_those_the_csv_crate_finds() {
        let text = "id,text\n1,\"two\nlines\"\n2,\"a \"\"quoted\"\" word\"\n3,5\" pipe\n4,\"x\"\r\n5,\n";
        let mut oracle =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        let expected: Vec<csv::StringRecord> = oracle.records().map(Result::unwrap).collect();
        for buffer in [1, 2, 7, 64] {
            let found = records(Lines::csv(stream(text, buffer), b','));
            let parsed: Vec<csv::StringRecord> = found
                .iter()
                .map(|record| {
                    let mut one = csv::ReaderBuilder::new().has_headers(false).from_reader(record.as_bytes());
                    one.records().next().unwrap().unwrap()
                })
                .collect();
            assert_eq!(parsed, expected);
        }
    }

    #[test]
    fn an_over_long_line_is_cut_and_the_next_one_is_whole() {
        let text = format!("{}\nnext\n", "x".repeat(LINE_BYTES_KEPT + 5));
        let found = records(Lines::new(stream(&text, 4_096)));
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].len(), LINE_BYTES_KEPT);
        assert_eq!(found[1], "next");
    }

    #[test]
    fn an_open_quote_does_not_swallow_the_file() {
        let line = format!("{}\n", "y".repeat(999));
        let text = format!("1,\"never closed {}2,good\n", line.repeat(100));
        let found = records(Lines::csv(stream(&text, 512), b','));
        assert_eq!(found.last().unwrap(), "2,good");
        assert_eq!(found[0].len(), RECORD_BYTES_KEPT);
    }
}
