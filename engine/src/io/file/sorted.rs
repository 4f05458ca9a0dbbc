//! External merge sort: records by time, in bounded memory. It does not depend on how a record says its time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;

/// Bytes of records that are sorted in memory at a time.
const RUN_BYTES: usize = 128 * 1024 * 1024;
/// Bytes that are read from a run at a time. A history of 1 TB has 8,000 runs.
const READ_BYTES: usize = 64 * 1024;
/// Bytes of a record before its value: time, number, length.
const HEAD_BYTES: usize = 8 + 8 + 4;

/// Takes records in any order.
pub struct Sorter {
    /// A file without a name, which the system removes with the process.
    file: BufWriter<File>,
    written: u64,
    runs: Vec<(u64, u64)>,
    /// Records of the next run: time, number, range of their bytes.
    records: Vec<(i64, i64, usize, usize)>,
    bytes: Vec<u8>,
    run_bytes: usize,
}

/// Records in the order of their times; those of one time in the order in which they were taken.
pub struct SortedRecords {
    runs: Vec<Run>,
    /// The next record of each run that has one: time, number, position of the run.
    next: BinaryHeap<Reverse<(i64, i64, usize)>>,
}

/// A sorted part of the file.
struct Run {
    stream: io::BufReader<Part>,
    value: Vec<u8>,
}

/// Bytes of a file between two positions.
struct Part {
    file: std::sync::Arc<File>,
    at: u64,
    end: u64,
}

impl Sorter {
    /// A sorter with a temporary file.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn new() -> io::Result<Sorter> {
        Sorter::with_runs_of(RUN_BYTES)
    }

    fn with_runs_of(run_bytes: usize) -> io::Result<Sorter> {
        let file = BufWriter::with_capacity(1 << 20, tempfile::tempfile()?);
        Ok(Sorter { file, written: 0, runs: Vec::new(), records: Vec::new(), bytes: Vec::new(), run_bytes })
    }

    /// Takes a record with its time and its number.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn push(&mut self, time: i64, number: i64, value: &[u8]) -> io::Result<()> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.records.push((time, number, start, self.bytes.len()));
        let buffered = self.bytes.len() + self.records.len() * size_of::<(i64, i64, usize, usize)>();
        if buffered >= self.run_bytes { self.end_run() } else { Ok(()) }
    }

    fn end_run(&mut self) -> io::Result<()> {
        self.records.sort_unstable();
        let start = self.written;
        for (time, number, from, to) in self.records.drain(..) {
            let length = u32::try_from(to - from).map_err(io::Error::other)?;
            self.file.write_all(&time.to_le_bytes())?;
            self.file.write_all(&number.to_le_bytes())?;
            self.file.write_all(&length.to_le_bytes())?;
            self.file.write_all(&self.bytes[from..to])?;
            self.written += (HEAD_BYTES + to - from) as u64;
        }
        self.bytes.clear();
        self.runs.push((start, self.written));
        Ok(())
    }

    /// All records taken, in order.
    ///
    /// # Errors
    /// When the temporary file cannot be written or read.
    pub fn sorted(mut self) -> io::Result<SortedRecords> {
        self.end_run()?;
        let file = std::sync::Arc::new(self.file.into_inner().map_err(io::IntoInnerError::into_error)?);
        let part = |(at, end)| Part { file: std::sync::Arc::clone(&file), at, end };
        let stream = |run| io::BufReader::with_capacity(READ_BYTES, part(run));
        let runs = self.runs.into_iter().map(|run| Run { stream: stream(run), value: Vec::new() });
        let mut sorted = SortedRecords { runs: runs.collect(), next: BinaryHeap::new() };
        for run in 0..sorted.runs.len() {
            sorted.advance(run)?;
        }
        Ok(sorted)
    }
}

impl SortedRecords {
    /// Appends the next record's value; gives its number. `None` at the end.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn next(&mut self, into: &mut Vec<u8>) -> io::Result<Option<i64>> {
        let Some(Reverse((_, number, run))) = self.next.pop() else { return Ok(None) };
        into.extend_from_slice(&self.runs[run].value);
        self.advance(run)?;
        Ok(Some(number))
    }

    /// Reads the next record of a run.
    fn advance(&mut self, at: usize) -> io::Result<()> {
        let Run { stream, value } = &mut self.runs[at];
        let mut head = [0; HEAD_BYTES];
        match stream.read(&mut head[..1])? {
            0 => return Ok(()),
            _ => stream.read_exact(&mut head[1..])?,
        }
        let [time, number] =
            [0, 8].map(|from| i64::from_le_bytes(*head[from..].first_chunk().expect("8 bytes")));
        let length = u32::from_le_bytes(*head[16..].first_chunk().expect("4 bytes"));
        value.resize(length as usize, 0);
        stream.read_exact(value)?;
        self.next.push(Reverse((time, number, at)));
        Ok(())
    }
}

impl Read for Part {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(into.len());
        let read = self.file.read_at(&mut into[..left], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_in_the_order_of_their_times_from_however_many_runs() {
        // Times that repeat, in an order that no run has.
        let records: Vec<(i64, i64, Vec<u8>)> = (0..2_000i64)
            .map(|number| {
                (number * 7_919 % 331 - 100, number, vec![b'x'; usize::try_from(number % 50).unwrap()])
            })
            .collect();
        let mut expected = records.clone();
        expected.sort_by_key(|(time, ..)| *time);
        for run_bytes in [1, 1_000, 20_000, RUN_BYTES] {
            let mut sorter = Sorter::with_runs_of(run_bytes).unwrap();
            for (time, number, value) in &records {
                sorter.push(*time, *number, value).unwrap();
            }
            let mut sorted = sorter.sorted().unwrap();
            assert_eq!(sorted.runs.len() > 10, run_bytes < 20_000);
            for (_, number, value) in &expected {
                let mut found = Vec::new();
                assert_eq!(sorted.next(&mut found).unwrap(), Some(*number));
                assert_eq!(&found, value);
            }
            assert_eq!(sorted.next(&mut Vec::new()).unwrap(), None);
        }
        assert_eq!(Sorter::new().unwrap().sorted().unwrap().next(&mut Vec::new()).unwrap(), None);
    }
}
