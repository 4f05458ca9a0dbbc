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
/// It says how a text is encoded, and is no part of a record. Files that were joined have several.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// First bytes of files that are no text and are not read.
const UNREADABLE: [(&[u8], &str); 9] = [
    (b"\xfd7zXZ\0", "compressed with xz"),
    (b"BZh", "compressed with bzip2"),
    (b"PK\x03\x04", "a zip archive (or a workbook of Excel)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a rar archive"),
    (b"\x04\x22\x4d\x18", "compressed with lz4"),
    (b"LZIP", "compressed with lzip"),
    (b"PAR1", "a Parquet file"),
    (b"Obj\x01", "an Avro file"),
];
/// What is no text has a control character among so many first bytes.
const HEAD_BYTES: usize = 512;
/// Where a tar archive says what it is.
const TAR: (usize, &[u8]) = (257, b"ustar");

/// Opens a file for reading; its first bytes, not its name, decide whether it is decompressed.
/// Memory stays flat whatever it decompresses to.
///
/// # Errors
/// When it cannot be opened, its first bytes cannot be read, or it is compressed or packed in another way.
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
    match unreadable(text.fill_buf()?) {
        Some(what) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "the file is {what}: files are read as plain text, gzip or zstd; unpack it, or compress it with one of \
                 these"
            ),
        )),
        None => Ok(text),
    }
}

/// What a file is that begins like this, if it is no text.
fn unreadable(begin: &[u8]) -> Option<&'static str> {
    let (at, mark) = TAR;
    let is_tar = begin.get(at..).is_some_and(|rest| rest.starts_with(mark));
    // The names of a CSV file's columns may begin in the same way.
    let is_text =
        !begin.iter().take(HEAD_BYTES).any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace());
    let known = UNREADABLE.iter().find(|(magic, _)| begin.starts_with(magic) && !is_text);
    known.map(|(_, what)| *what).or(is_tar.then_some("a tar archive"))
}

fn buffered(stream: impl Read + Send + 'static) -> Box<dyn BufRead + Send> {
    Box::new(BufReader::with_capacity(BUFFER_BYTES, stream))
}
