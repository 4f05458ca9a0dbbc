//! Records of files, in the order of the files, as one shard.

use super::{Lines, open};
use crate::runtime::source::{Generation, Polled, Position, Source, SourceError};
use std::collections::VecDeque;
use std::io;
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
        };
        source.open_next()?;
        Ok(source)
    }

    /// The bytes of the header record of CSV; empty for JSON lines.
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// Reads on, without any group: at most `records_max` records into the batch. False at the end of the last file.
    ///
    /// # Errors
    /// When a file cannot be read or decompressed, or its header is not the first file's.
    pub fn read(&mut self, into: &mut Batch) -> Result<bool, SourceError> {
        into.clear();
        into.shard = SHARD;
        while into.records.len() < self.records_max && into.bytes.len() < BATCH_BYTES {
            let Some((path, lines)) = &mut self.current else { break };
            self.record.clear();
            if lines.next(&mut self.record).map_err(|cause| io_error(path, cause))? {
                into.push(self.next, None, &[], &self.record);
                self.next += 1;
            } else {
                self.open_next()?;
            }
        }
        Ok(!into.records.is_empty())
    }

    fn open_next(&mut self) -> Result<(), SourceError> {
        self.current = None;
        let Some(path) = self.waiting.pop_front() else { return Ok(()) };
        let stream = open(&path).map_err(|cause| io_error(&path, cause))?;
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

    #[test]
    fn a_damaged_file_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut.zst");
        let whole = zstd::encode_all(vec![b'{'; 100_000].as_slice(), 1).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
        let mut source = FileSource::open(&[path], FileFormat::JsonLines, 10).unwrap();
        let error = source.read(&mut Batch::new(SHARD)).unwrap_err();
        assert!(error.to_string().contains("cut.zst"), "{error}");
    }
}
