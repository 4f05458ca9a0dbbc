//! The HTTP client of `tripline status`: one GET request to another process. No TLS, no redirects, no state.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Time for connecting and the whole response.
const RESPONSE_WITHIN: Duration = Duration::from_secs(5);
/// Bytes of a response at most: thousands of shards.
const RESPONSE_BYTES_MAX: usize = 16 << 20;
/// Bytes read at once.
const PIECE_BYTES: usize = 1 << 16;

/// Why there is no valid response.
#[derive(Debug, thiserror::Error)]
pub enum StatusClientError {
    /// No process responds at the address.
    #[error("no process responds at {address}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// The cause.
        #[source]
        cause: io::Error,
    },
    /// The response is not one of Tripline's.
    #[error("{address} returned an unexpected response: {response}")]
    Unexpected {
        /// Host and port.
        address: String,
        /// The first line of the response.
        response: String,
    },
}

/// The body of a GET from `host:port`.
///
/// # Errors
/// When no process responds there, or with another status than 200.
pub fn get(address: &str, path: &str) -> Result<String, StatusClientError> {
    let unreachable = |cause| StatusClientError::Unreachable { address: address.to_owned(), cause };
    let response = request(address, path).map_err(unreachable)?;
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
    let first = head.lines().next().unwrap_or_default();
    if first.split(' ').nth(1) != Some("200") {
        return Err(StatusClientError::Unexpected {
            address: address.to_owned(),
            response: first.to_owned(),
        });
    }
    Ok(body.to_owned())
}

fn request(address: &str, path: &str) -> io::Result<String> {
    let until = Instant::now() + RESPONSE_WITHIN;
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for resolved in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&resolved, left(until)?) {
            Ok(stream) => return exchange(stream, until, (address, path)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The time that is left.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        let reason = format!("no complete response within {} s", RESPONSE_WITHIN.as_secs());
        return Err(io::Error::new(io::ErrorKind::TimedOut, reason));
    }
    Ok(left)
}

fn exchange(mut stream: TcpStream, until: Instant, (address, path): (&str, &str)) -> io::Result<String> {
    stream.set_write_timeout(Some(left(until)?))?;
    // Version 1.0: the response is one piece and ends with the connection.
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut response = Vec::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        stream.set_read_timeout(Some(left(until)?))?;
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => response.extend_from_slice(&piece[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The time-out of a read: none is left.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => drop(left(until)?),
            Err(error) => return Err(error),
        }
        if response.len() > RESPONSE_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the response is too long"));
        }
    }
    String::from_utf8(response).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_server_that_sends_byte_by_byte_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            while stream.write_all(b"H").is_ok() {
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        let began = Instant::now();
        let error = get(&address, "/status").unwrap_err();
        assert!(matches!(&error, StatusClientError::Unreachable { .. }), "{error}");
        assert!(began.elapsed() < RESPONSE_WITHIN + Duration::from_secs(3), "{:?}", began.elapsed());
    }
}
