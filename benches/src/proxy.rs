//! A proxy between clients and a broker. It can delay the end of a transaction (`EndTxn`, API key 26) as a network may:
//! the client times out or retries, and the first request arrives later. It can also forward nothing for a while, with
//! all connections open.

use crate::kafka::Failure;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

const END_TXN: [u8; 2] = [0, 26];
/// Larger requests are refused.
const FRAME_MAX: u32 = 128 << 20;

/// Between two checks for the end of a silence.
const SILENT_CHECK_EVERY: Duration = Duration::from_millis(10);
/// Bytes forwarded at once, at most.
const PIECE_BYTES: usize = 64 << 10;

/// What happens to the connection of a delayed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It stays open, and the client waits.
    Open,
    /// It is closed at once, and the client retries on another one.
    Cut,
}

#[derive(Default)]
struct Orders {
    /// Number of requests still to be delayed, by what happens to their connection.
    open: AtomicU32,
    cut: AtomicU32,
    held: AtomicU32,
    is_silent: AtomicBool,
}

impl Orders {
    fn await_end_of_silence(&self) {
        while self.is_silent.load(Ordering::Acquire) {
            thread::sleep(SILENT_CHECK_EVERY);
        }
    }
}

/// A listening proxy. It ends with the process.
#[derive(Clone)]
pub struct Proxy {
    port: u16,
    orders: Arc<Orders>,
}

impl Proxy {
    /// Listens on a free loopback port for the broker on another; requests are delayed by `time`.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(broker: u16, time: Duration) -> Result<Proxy, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let proxy = Proxy { port: listener.local_addr()?.port(), orders: Arc::default() };
        let orders = Arc::clone(&proxy.orders);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let orders = Arc::clone(&orders);
                thread::spawn(move || {
                    // When the broker is down, the client's connection is closed.
                    let _ = serve(&client, broker, &orders, time);
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Ok(proxy)
    }

    /// The port on which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Delays the next end of a transaction.
    pub fn hold_next(&self, how: Hold) {
        let count = match how {
            Hold::Open => &self.orders.open,
            Hold::Cut => &self.orders.cut,
        };
        count.fetch_add(1, Ordering::AcqRel);
    }

    /// Stops forwarding in both directions, or resumes it with what has arrived meanwhile.
    pub fn silence(&self, is_silent: bool) {
        self.orders.is_silent.store(is_silent, Ordering::Release);
    }

    /// Number of delayed requests that were forwarded to the broker.
    pub fn held(&self) -> u32 {
        self.orders.held.load(Ordering::Acquire)
    }
}

fn take(count: &AtomicU32) -> bool {
    count.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok()
}

/// Forwards bytes until one side closes.
fn forward(mut from: TcpStream, mut to: &TcpStream, orders: &Orders) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let bytes = from.read(&mut piece)?;
        if bytes == 0 {
            return Ok(());
        }
        orders.await_end_of_silence();
        to.write_all(&piece[..bytes])?;
    }
}

fn serve(client: &TcpStream, broker: u16, orders: &Arc<Orders>, time: Duration) -> io::Result<()> {
    let broker = TcpStream::connect(("127.0.0.1", broker))?;
    for stream in [client, &broker] {
        stream.set_nodelay(true)?;
    }
    let (answers, back, shared) = (broker.try_clone()?, client.try_clone()?, Arc::clone(orders));
    thread::spawn(move || {
        let _ = forward(answers, &back, &shared);
        let _ = back.shutdown(Shutdown::Both);
    });
    let (mut requests, mut onward) = (client, &broker);
    let mut frame = Vec::new();
    loop {
        let mut length = [0; 4];
        requests.read_exact(&mut length)?;
        let bytes = u32::from_be_bytes(length);
        if bytes > FRAME_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        frame.resize(bytes as usize, 0);
        requests.read_exact(&mut frame)?;
        if frame.starts_with(&END_TXN) {
            let is_cut = take(&orders.cut);
            if is_cut || take(&orders.open) {
                if is_cut {
                    client.shutdown(Shutdown::Both)?;
                }
                thread::sleep(time);
                onward.write_all(&[&length[..], &frame].concat())?;
                orders.held.fetch_add(1, Ordering::AcqRel);
                if is_cut {
                    // The broker's connection stays open until it has responded; the response is dropped.
                    thread::sleep(Duration::from_secs(1));
                    return Ok(());
                }
                continue;
            }
        }
        orders.await_end_of_silence();
        onward.write_all(&[&length[..], &frame].concat())?;
    }
}
