//! Files as a source of records and a sink of outputs: JSON lines and CSV, plain, gzip or zstd.
//!
//! A record is the bytes it has in the file; the decoder interprets them.

mod lines;
mod sink;
mod source;

pub use lines::Lines;
pub use sink::FileSink;
pub use source::{FileFormat, FileSource};

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

const BUFFER_BYTES: usize = 256 * 1024;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Opens a file for reading; its first bytes, not its name, decide whether it is decompressed.
/// Memory stays flat whatever it decompresses to.
///
/// # Errors
/// When it cannot be opened or its first bytes cannot be read.
pub fn open(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
    let begin = file.fill_buf()?;
    if begin.starts_with(&ZSTD) {
        return Ok(buffered(zstd::stream::read::Decoder::with_buffer(file)?));
    }
    if begin.starts_with(&GZIP) {
        return Ok(buffered(flate2::bufread::MultiGzDecoder::new(file)));
    }
    Ok(Box::new(file))
}

fn buffered(stream: impl Read + Send + 'static) -> Box<dyn BufRead + Send> {
    Box::new(BufReader::with_capacity(BUFFER_BYTES, stream))
}
