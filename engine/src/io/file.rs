//! Files as a source of records and a sink of outputs: JSON lines and CSV, plain, gzip or zstd.
//!
//! A record is the bytes it has in the file; the decoder interprets them.

mod lines;
mod sink;
mod sorted;
mod source;

pub use lines::Lines;
pub use sink::FileSink;
pub use sorted::{SortedRecords, Sorter};
pub use source::{FileFormat, FileSource};

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

const BUFFER_BYTES: usize = 256 * 1024;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Opens a file for reading; its first bytes, not its name, decide whether it is decompressed.
/// Memory stays flat whatever it decompresses to.
///
/// # Errors
/// When it cannot be opened or its first bytes cannot be read.
pub fn open(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
    let begin = file.fill_buf()?;
    let mut text: Box<dyn BufRead + Send> = if begin.starts_with(&ZSTD) {
        buffered(zstd::stream::read::Decoder::with_buffer(file)?)
    } else if begin.starts_with(&GZIP) {
        buffered(flate2::bufread::MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    // It says how the text is encoded, and is no part of the first record.
    if text.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
        text.consume(BYTE_ORDER_MARK.len());
    }
    Ok(text)
}

fn buffered(stream: impl Read + Send + 'static) -> Box<dyn BufRead + Send> {
    Box::new(BufReader::with_capacity(BUFFER_BYTES, stream))
}
