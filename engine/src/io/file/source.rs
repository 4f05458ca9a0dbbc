//! Records of files, in the order of the files, as one shard.

use super::{BYTE_ORDER_MARK, Lines, SortedRecords, Sorter, open};
use crate::runtime::source::{Generation, Polled, Position, Source, SourceError};
use std::collections::VecDeque;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tripline_core::batch::{Batch, ShardId};
use tripline_core::decode::Format;

/// How records lie in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// One JSON object a line.
    JsonLines,
    /// CSV whose first record names the columns.
    Csv {
        /// Between fields, usually a comma.
        delimiter: u8,
    },
}

impl FileFormat {
    /// How records of this format lie in a file.
    pub fn of(format: Format) -> FileFormat {
        match format {
            Format::Json => FileFormat::JsonLines,
            Format::Csv { delimiter } => FileFormat::Csv { delimiter },
        }
    }

    /// What a file is that begins like this, if it is not of the format as a whole, and what helps. Otherwise every
    /// line of it would be a dead letter.
    fn foreign(self, begin: &[u8]) -> Option<&'static str> {
        let is_wide = begin.starts_with(&[0xff, 0xfe]) || begin.starts_with(&[0xfe, 0xff]);
        if is_wide
            || begin.get(..64).is_some_and(|begin| begin.iter().filter(|byte| **byte == 0).count() >= 16)
        {
            return Some("the file is UTF-16: convert it with `iconv -f UTF-16 -t UTF-8`");
        }
        let text = begin.strip_prefix(BYTE_ORDER_MARK).unwrap_or(begin);
        let mut lines =
            text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
        match (self, lines.next()?) {
            (FileFormat::JsonLines, line) if line.starts_with(b"[") => Some(
                "the file is one JSON array, but one object per line is expected: convert it with `jq -c '.[]'`",
            ),
            (FileFormat::JsonLines, b"{") => Some(
                "the objects of the file are indented over several lines, but one object per line is expected: convert \
                 it with `jq -c .`",
            ),
            _ => None,
        }
    }
}

/// A batch ends behind the record with which it has so many bytes.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
const SHARD: ShardId = ShardId::account(0);

/// Records of one or more files. A record's offset is its number over all files, from 0; header lines are no records.
pub struct FileSource {
    format: FileFormat,
    waiting: VecDeque<PathBuf>,
    current: Option<(PathBuf, Lines)>,
    header: Vec<u8>,
    next: i64,
    records_max: usize,
    offered: bool,
    live: bool,
    paused: bool,
    ended: bool,
    record: Vec<u8>,
    /// Records that are read ahead.
    ahead: VecDeque<(i64, Vec<u8>)>,
    /// All records, if they are to come in the order of their times.
    sorted: Option<SortedRecords>,
}

impl FileSource {
    /// Opens the first file, so that the header is known. A poll gives at most so many records.
    ///
    /// # Errors
    /// When the first file cannot be read.
    pub fn open(
        paths: &[PathBuf],
        format: FileFormat,
        records_max: usize,
    ) -> Result<FileSource, SourceError> {
        let mut source = FileSource {
            format,
            waiting: paths.iter().cloned().collect(),
            current: None,
            header: Vec::new(),
            next: 0,
            records_max,
            offered: false,
            live: false,
            paused: false,
            ended: false,
            record: Vec::new(),
            ahead: VecDeque::new(),
            sorted: None,
        };
        source.open_next()?;
        Ok(source)
    }

    /// From the next poll on, a poll gives at most so many records.
    pub fn at_most(&mut self, records_max: usize) {
        self.records_max = records_max;
    }

    /// The bytes of the header record of CSV; empty for JSON lines.
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// Reads on, without any group: at most `records_max` records into the batch, and those behind them that are read
    /// ahead. False at the end of the last file.
    ///
    /// # Errors
    /// When a file cannot be read or decompressed, or its header is not the first file's.
    pub fn read(&mut self, into: &mut Batch) -> Result<bool, SourceError> {
        into.clear();
        into.shard = SHARD;
        while into.records.len() < self.records_max && into.bytes.len() < BATCH_BYTES {
            if let Some((offset, value)) = self.ahead.pop_front() {
                into.push(offset, None, &[], &value);
                self.record = value;
            } else if let Some(offset) = self.next_record()? {
                into.push(offset, None, &[], &self.record);
            } else {
                break;
            }
        }
        while self.ahead.len() < Batch::AHEAD_MAX {
            let Some(offset) = self.next_record()? else { break };
            self.ahead.push_back((offset, std::mem::take(&mut self.record)));
        }
        into.ahead = Some(Vec::with_capacity(self.ahead.len()));
        self.ahead.iter().for_each(|(offset, value)| into.push_ahead(*offset, value));
        Ok(!into.records.is_empty())
    }

    /// From here on the records come in the order of their times. `time`: of a record, if it is an event; another one
    /// follows the record before it.
    ///
    /// # Errors
    /// When a file or the temporary file cannot be read or written.
    pub fn sort(&mut self, mut time: impl FnMut(&[u8], i64) -> Option<i64>) -> Result<(), SourceError> {
        let failed = |cause| SourceError::Io { place: "the temporary file of `--sort`".to_owned(), cause };
        let (mut sorter, mut last) = (Sorter::new().map_err(failed)?, i64::MIN);
        loop {
            let (offset, value) = match self.ahead.pop_front() {
                Some(read) => read,
                None => match self.next_record()? {
                    Some(offset) => (offset, std::mem::take(&mut self.record)),
                    None => break,
                },
            };
            last = time(&value, offset).unwrap_or(last);
            sorter.push(last, offset, &value).map_err(failed)?;
            self.record = value;
        }
        self.sorted = Some(sorter.sorted().map_err(failed)?);
        Ok(())
    }

    /// Reads the next record's bytes into `record`; gives its number.
    fn next_record(&mut self) -> Result<Option<i64>, SourceError> {
        self.record.clear();
        if let Some(sorted) = &mut self.sorted {
            let failed =
                |cause| SourceError::Io { place: "the temporary file of `--sort`".to_owned(), cause };
            return sorted.next(&mut self.record).map_err(failed);
        }
        while let Some((path, lines)) = &mut self.current {
            if lines.next(&mut self.record).map_err(|cause| io_error(path, cause))? {
                self.next += 1;
                return Ok(Some(self.next - 1));
            }
            self.open_next()?;
        }
        Ok(None)
    }

    fn open_next(&mut self) -> Result<(), SourceError> {
        self.current = None;
        let Some(path) = self.waiting.pop_front() else { return Ok(()) };
        let mut stream = open(&path).map_err(|cause| io_error(&path, cause))?;
        let begin = stream.fill_buf().map_err(|cause| io_error(&path, cause))?;
        if let Some(reason) = self.format.foreign(begin) {
            return Err(SourceError::Stopped {
                place: path.display().to_string(),
                reason: reason.to_owned(),
            });
        }
        let lines = match self.format {
            FileFormat::JsonLines => Lines::new(stream),
            FileFormat::Csv { delimiter } => {
                let mut lines = Lines::csv(stream, delimiter);
                let mut header = Vec::new();
                lines.next(&mut header).map_err(|cause| io_error(&path, cause))?;
                if self.header.is_empty() {
                    self.header = header;
                } else if self.header != header {
                    let reason = "its columns are not those of the first file".to_owned();
                    return Err(SourceError::Stopped { place: path.display().to_string(), reason });
                }
                lines
            }
        };
        self.current = Some((path, lines));
        Ok(())
    }
}

fn io_error(path: &Path, cause: io::Error) -> SourceError {
    SourceError::Io { place: path.display().to_string(), cause }
}

impl Source for FileSource {
    fn poll(&mut self, into: &mut Batch, _wait: Duration) -> Result<Polled, SourceError> {
        into.clear();
        if !self.offered {
            self.offered = true;
            return Ok(Polled::Assigned(Generation(1), vec![SHARD]));
        }
        if self.paused || !self.live {
            return Ok(Polled::Idle);
        }
        if self.read(into)? {
            return Ok(Polled::Batch);
        }
        self.ended = true;
        Ok(Polled::End)
    }

    fn accept(&mut self, _: Generation, shards: &[ShardId]) -> Result<Vec<ShardId>, SourceError> {
        Ok(shards.to_vec())
    }

    fn suspend(&mut self, _: &[ShardId]) -> Result<(), SourceError> {
        let reason = "outputs were undone, and a file is not read twice".to_owned();
        Err(SourceError::Stopped { place: "the files".to_owned(), reason })
    }

    fn resume(&mut self, _: &Position) -> Result<(), SourceError> {
        self.live = true;
        Ok(())
    }

    fn release(&mut self, _: Generation, _: &[ShardId]) -> Result<(), SourceError> {
        self.live = false;
        Ok(())
    }

    fn pause(&mut self, paused: bool) -> Result<(), SourceError> {
        self.paused = paused;
        Ok(())
    }

    fn caught_up(&self, _: ShardId) -> bool {
        self.ended
    }

    fn close(&mut self) {
        self.current = None;
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn all(source: &mut FileSource) -> Vec<(i64, String)> {
        let mut found = Vec::new();
        let mut batch = Batch::new(SHARD);
        while source.read(&mut batch).unwrap() {
            for record in &batch.records {
                found.push((record.offset, String::from_utf8(batch.value(record).to_vec()).unwrap()));
            }
        }
        found
    }

    #[test]
    fn plain_gzip_and_zstd_files_read_as_one_stream() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("a.jsonl"), "{\"n\":0}\n{\"n\":1}\n").unwrap();
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(b"{\"n\":2}\n").unwrap();
        // Two members in one file, as `cat a.gz b.gz` makes them.
        let mut both = gz.finish().unwrap();
        both.extend(both.clone());
        std::fs::write(path("b"), both).unwrap();
        std::fs::write(path("c.zst"), zstd::encode_all(&b"{\"n\":3}"[..], 1).unwrap()).unwrap();
        let paths = [path("a.jsonl"), path("b"), path("c.zst")];
        let mut source = FileSource::open(&paths, FileFormat::JsonLines, 2).unwrap();
        let values = ["{\"n\":0}", "{\"n\":1}", "{\"n\":2}", "{\"n\":2}", "{\"n\":3}"];
        let expected: Vec<(i64, String)> = (0..).zip(values.map(str::to_owned)).collect();
        assert_eq!(all(&mut source), expected);
    }

    #[test]
    fn the_header_of_csv_is_no_record_and_must_be_the_same_in_all_files() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = ["a.csv", "b.csv", "c.csv"].map(|name| folder.path().join(name)).to_vec();
        std::fs::write(&paths[0], "id,amount\n1,5\n").unwrap();
        std::fs::write(&paths[1], "id,amount\n2,6\n").unwrap();
        std::fs::write(&paths[2], "amount,id\n7,3\n").unwrap();
        let csv = FileFormat::Csv { delimiter: b',' };
        let mut source = FileSource::open(&paths[..2], csv, 100).unwrap();
        assert_eq!(source.header(), b"id,amount");
        assert_eq!(all(&mut source), [(0, "1,5".to_owned()), (1, "2,6".to_owned())]);
        let mut source = FileSource::open(&paths, csv, 100).unwrap();
        let error = source.read(&mut Batch::new(SHARD)).unwrap_err();
        assert!(error.to_string().contains("its columns are not those of the first file"), "{error}");
    }

    /// A batch says nothing about the file: whatever its size, the same records are read ahead of each record.
    #[test]
    fn the_same_records_follow_each_record_whatever_the_size_of_a_batch() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let lines: String = (0..300).map(|n| format!("{{\"n\":{n}}}\n")).collect();
        std::fs::write(&path, lines).unwrap();
        for records_max in [1, 7, 64, 256, 1_000] {
            let mut source =
                FileSource::open(std::slice::from_ref(&path), FileFormat::JsonLines, records_max).unwrap();
            let (mut batch, mut seen) = (Batch::new(SHARD), 0);
            while source.read(&mut batch).unwrap() {
                seen += i64::try_from(batch.records.len()).unwrap();
                let ahead: Vec<i64> = batch.ahead.iter().flatten().map(|record| record.offset).collect();
                assert_eq!(
                    ahead,
                    (seen..300.min(seen + i64::try_from(Batch::AHEAD_MAX).unwrap())).collect::<Vec<i64>>()
                );
            }
            assert_eq!(seen, 300);
        }
    }

    #[test]
    fn sorted_records_keep_their_numbers_and_one_without_a_time_its_neighbour() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        std::fs::write(&path, "3\n1\nx\n2\n1\n").unwrap();
        let mut source = FileSource::open(&[path], FileFormat::JsonLines, 2).unwrap();
        source.sort(|value, _| std::str::from_utf8(value).unwrap().parse().ok()).unwrap();
        let expected = [(1, "1"), (2, "x"), (4, "1"), (3, "2"), (0, "3")];
        assert_eq!(all(&mut source), expected.map(|(number, value)| (number, value.to_owned())));
    }

    #[test]
    fn a_mark_is_no_part_of_a_record_and_a_foreign_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let open = |text: &[u8]| {
            let path = folder.path().join("a");
            std::fs::write(&path, text).unwrap();
            FileSource::open(&[path], FileFormat::JsonLines, 10)
        };
        let mut marked = open("\u{feff}{\"n\":0}\n".as_bytes()).unwrap();
        assert_eq!(all(&mut marked), [(0, "{\"n\":0}".to_owned())]);
        let wide: Vec<u8> = "\u{feff}{\"n\":0}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (text, said) in [
            (&b"[{\"n\":0},\n{\"n\":1}]"[..], "JSON array"),
            (b"\n  [\n", "JSON array"),
            (b"{\n  \"n\": 0\n}\n", "several lines"),
            (&wide, "UTF-16"),
        ] {
            let error = open(text).err().expect("a foreign file is refused").to_string();
            assert!(error.contains(said) && error.contains("/a"), "{error}");
        }
    }

    /// A packed or compressed file would be thousands of dead letters.
    #[test]
    fn a_file_that_is_no_text_is_refused_with_what_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut tar = vec![b'a'; 257];
        tar.extend(b"ustar\x0000");
        let gz = |bytes: &[u8]| {
            let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gz.write_all(bytes).unwrap();
            gz.finish().unwrap()
        };
        for (bytes, what) in [
            (b"\xfd7zXZ\0\0\x04".to_vec(), "xz"),
            (b"BZh91AY&SY\x01\x02".to_vec(), "bzip2"),
            (b"PK\x03\x04\x14\0".to_vec(), "zip"),
            (b"PAR1\x15\x04".to_vec(), "Parquet"),
            (tar.clone(), "tar"),
            (gz(&tar), "tar"),
            (zstd::encode_all(&b"PK\x03\x04"[..], 1).unwrap(), "zip"),
        ] {
            let path = folder.path().join("day.jsonl");
            std::fs::write(&path, bytes).unwrap();
            for format in [FileFormat::JsonLines, FileFormat::Csv { delimiter: b',' }] {
                let error = FileSource::open(std::slice::from_ref(&path), format, 10).err().expect("refused");
                let SourceError::Io { place, cause } = error else { panic!("another error") };
                let said = cause.to_string();
                assert!(place.contains("day.jsonl") && said.contains(what), "{said}");
                assert!(said.contains("gzip or zstd"), "{said}");
            }
        }
    }

    #[test]
    fn a_damaged_file_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut.zst");
        let whole = zstd::encode_all(vec![b'{'; 100_000].as_slice(), 1).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
        let source = FileSource::open(&[path], FileFormat::JsonLines, 10);
        let error = source.and_then(|mut source| source.read(&mut Batch::new(SHARD))).unwrap_err();
        assert!(error.to_string().contains("cut.zst"), "{error}");
    }
}
