//! Outputs as lines of files: `alerts.jsonl`, `verdicts.jsonl`.

use crate::runtime::sink::{CommitError, Sink, SinkError};
use crate::runtime::source::Position;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::Duration;
use tripline_core::batch::ShardId;
use tripline_core::outputs::{Outputs, Topic};

/// Writes each topic's values, one a line, to its file. Topics without a file are counted only.
#[derive(Debug)]
pub struct FileSink {
    files: Vec<(Topic, PathBuf, BufWriter<File>)>,
    unwritten: u64,
}

impl FileSink {
    /// Creates the files, emptying those that exist.
    ///
    /// # Errors
    /// When one cannot be created.
    pub fn create(paths: &[(Topic, PathBuf)]) -> Result<FileSink, SinkError> {
        let mut files = Vec::with_capacity(paths.len());
        for (topic, path) in paths {
            let file = File::create(path).map_err(|cause| io_error(path, cause))?;
            files.push((*topic, path.clone(), BufWriter::new(file)));
        }
        Ok(FileSink { files, unwritten: 0 })
    }

    /// Outputs whose topic has no file.
    pub fn unwritten(&self) -> u64 {
        self.unwritten
    }

    /// Writes what is still in memory.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn flush(&mut self) -> Result<(), SinkError> {
        for (_, path, file) in &mut self.files {
            file.flush().map_err(|cause| io_error(path, cause))?;
        }
        Ok(())
    }
}

fn io_error(path: &std::path::Path, cause: std::io::Error) -> SinkError {
    SinkError::Io { place: path.display().to_string(), cause }
}

impl Sink for FileSink {
    fn send(&mut self, _: ShardId, out: &Outputs, from: usize) -> Result<usize, SinkError> {
        for output in &out.records[from..] {
            match self.files.iter_mut().find(|(topic, ..)| *topic == output.topic) {
                Some((_, path, file)) => {
                    let written = file.write_all(out.value(output)).and_then(|()| file.write_all(b"\n"));
                    written.map_err(|cause| io_error(path, cause))?;
                }
                None => self.unwritten += 1,
            }
        }
        Ok(out.records.len())
    }

    fn commit(&mut self, _: &[Position], _: Duration) -> Result<(), CommitError> {
        self.flush().map_err(|error| CommitError::Permanent(error.into()))
    }

    fn abort(&mut self) -> Result<bool, SinkError> {
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tripline_core::outputs::Output;

    #[test]
    fn each_output_is_a_line_of_its_topics_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.jsonl");
        let mut out = Outputs::default();
        for (topic, value) in
            [(Topic::Alerts, "{\"id\":1}"), (Topic::Late, "x"), (Topic::Alerts, "{\"id\":2}")]
        {
            let start = out.bytes.len();
            out.bytes.extend_from_slice(value.as_bytes());
            let value = start..out.bytes.len();
            out.records.push(Output { topic, cause: 0, key: 0..0, value, headers: 0..0 });
        }
        let mut sink = FileSink::create(&[(Topic::Alerts, path.clone())]).unwrap();
        assert_eq!(sink.send(ShardId::account(0), &out, 0).unwrap(), 3);
        sink.commit(&[], Duration::ZERO).unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "{\"id\":1}\n{\"id\":2}\n");
        assert_eq!(sink.unwritten(), 1);
    }
}
