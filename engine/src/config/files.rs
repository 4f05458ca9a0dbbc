//! Where the files of a configuration are read from: this machine, or the binary. It does not depend on what they mean.

use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;
use tripline_rules::diagnostic::File;

/// Reads a file that a configuration names, by its path.
pub type Files<'f> = dyn Fn(&Path) -> io::Result<Vec<u8>> + 'f;

/// A file that could not be read.
#[derive(Debug, Error)]
#[error("{path}")]
pub struct ReadError {
    /// Its path.
    pub path: PathBuf,
    /// The cause.
    pub source: io::Error,
}

/// The files of this machine.
///
/// # Errors
/// When the file cannot be read.
pub fn on_disk(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path)
}

/// Reads a text file of this machine, under the name that diagnostics show.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path) -> Result<File, ReadError> {
    read_from(path, &on_disk)
}

/// [`read`] from files that need not be on disk.
///
/// # Errors
/// As [`read`].
pub fn read_from(path: &Path, files: &Files<'_>) -> Result<File, ReadError> {
    match files(path).and_then(text) {
        Ok(text) => Ok(File::new(path.to_string_lossy().into_owned(), text)),
        Err(source) => Err(ReadError { path: path.to_path_buf(), source }),
    }
}

/// The text of a file. The error says where it is not UTF-8 and shows no content: it may be any file.
fn text(bytes: Vec<u8>) -> io::Result<String> {
    let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidData, message);
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(invalid("the file is UTF-16: convert it with `iconv -f UTF-16 -t UTF-8`".to_owned()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        let byte = valid.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        invalid(format!(
            "line {line}, byte {byte} of the line: the file is not UTF-8, but probably Latin-1 or Windows-1252: save it \
             as `CSV UTF-8` (Excel) or convert it with `iconv -f WINDOWS-1252 -t UTF-8`"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_another_encoding_is_refused_with_its_place_and_without_its_content() {
        let refused = |bytes: &[u8]| {
            let error = read_from(Path::new("l.csv"), &|_| Ok(bytes.to_vec())).unwrap_err();
            error.source.to_string()
        };
        let latin_1 = refused(b"name,code\r\nhunter2,1\r\nCaf\xe9 hunter2,2\r\n");
        assert!(latin_1.starts_with("line 3, byte 4 of the line: the file is not UTF-8"), "{latin_1}");
        assert!(latin_1.contains("CSV UTF-8") && !latin_1.contains("hunter2"), "{latin_1}");
        assert!(refused(b"\xe9").starts_with("line 1, byte 1 "));
        // A character that ends with the file.
        assert!(refused(b"a\n\xc3").starts_with("line 2, byte 1 "));
        for utf_16 in [&b"\xff\xfea\0"[..], b"\xfe\xff\0a"] {
            assert!(refused(utf_16).contains("UTF-16"), "{utf_16:?}");
        }
    }
}
