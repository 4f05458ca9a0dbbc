//! The HTTP client of `tripline status`: one GET request to another process. No TLS, no redirects, no state.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Time-out of connecting, and of the response.
const RESPONSE_WITHIN: Duration = Duration::from_secs(5);
/// Bytes of a response at most: thousands of shards.
const RESPONSE_BYTES_MAX: u64 = 16 << 20;

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
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for resolved in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&resolved, RESPONSE_WITHIN) {
            Ok(stream) => return exchange(stream, address, path),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn exchange(mut stream: TcpStream, address: &str, path: &str) -> io::Result<String> {
    stream.set_read_timeout(Some(RESPONSE_WITHIN))?;
    stream.set_write_timeout(Some(RESPONSE_WITHIN))?;
    // Version 1.0: the response is one piece and ends with the connection.
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut response = String::new();
    stream.take(RESPONSE_BYTES_MAX).read_to_string(&mut response)?;
    Ok(response)
}
