//! One question to another process's HTTP: what `tripline status` needs of a client. No TLS, no redirects, no state.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long a process may take to accept and to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Bytes of an answer at most: thousands of shards.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody answers there.
    #[error("nobody answers at {place}")]
    Silent {
        /// Host and port.
        place: String,
        /// The cause.
        #[source]
        cause: io::Error,
    },
    /// Somebody answers, but not with what was asked for.
    #[error("{place} does not answer as tripline does: {answer}")]
    Other {
        /// Host and port.
        place: String,
        /// The first line of the answer.
        answer: String,
    },
}

/// The body of a GET from `host:port`.
///
/// # Errors
/// When nobody answers there, or with anything but 200.
pub fn get(place: &str, path: &str) -> Result<String, AskError> {
    let silent = |cause| AskError::Silent { place: place.to_owned(), cause };
    let answer = ask(place, path).map_err(silent)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let first = head.lines().next().unwrap_or_default();
    if first.split(' ').nth(1) != Some("200") {
        return Err(AskError::Other { place: place.to_owned(), answer: first.to_owned() });
    }
    Ok(body.to_owned())
}

fn ask(place: &str, path: &str) -> io::Result<String> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in place.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, ANSWER_WITHIN) {
            Ok(stream) => return talk(stream, place, path),
            Err(fault) => last = fault,
        }
    }
    Err(last)
}

fn talk(mut stream: TcpStream, place: &str, path: &str) -> io::Result<String> {
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    // Version 1.0: the answer comes in one piece and ends with the connection.
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {place}\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    Ok(answer)
}
