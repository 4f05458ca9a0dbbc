//! A proxy between clients and a broker that can hold back the end of a transaction (`EndTxn`, API key 26), as a
//! network may: the client gives up or asks again, and the first question arrives when nobody expects it any more. Or
//! it says nothing at all for a while, and every connection stays.

use crate::kafka::Failure;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

const END_TXN: [u8; 2] = [0, 26];
/// No request of a client is larger.
const FRAME_MAX: u32 = 128 << 20;

/// Between two looks at whether anything may be said again.
const SILENT_LOOK_EVERY: Duration = Duration::from_millis(10);
/// Bytes that are handed on at once, at most.
const PIECE_BYTES: usize = 64 << 10;

/// What becomes of the next ends of transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// The client waits all the time.
    Open,
    /// Its connection is cut at once: it asks again on another one.
    Cut,
}

#[derive(Default)]
struct Orders {
    /// So many more are held with the connection open, and cut.
    open: AtomicU32,
    cut: AtomicU32,
    held: AtomicU32,
    is_silent: AtomicBool,
}

impl Orders {
    fn await_voice(&self) {
        while self.is_silent.load(Ordering::Acquire) {
            thread::sleep(SILENT_LOOK_EVERY);
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
    /// Listens on a free port of loopback, for a broker on another; what is held is held for `time`.
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
                    // The broker may be down: then the client's connection just ends.
                    let _ = serve(&client, broker, &orders, time);
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Ok(proxy)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Holds the next end of a transaction back.
    pub fn hold_next(&self, how: Hold) {
        let count = match how {
            Hold::Open => &self.orders.open,
            Hold::Cut => &self.orders.cut,
        };
        count.fetch_add(1, Ordering::AcqRel);
    }

    /// From now on nothing is handed on in either direction, or everything again, what came meanwhile first.
    pub fn silence(&self, is_silent: bool) {
        self.orders.is_silent.store(is_silent, Ordering::Release);
    }

    /// How many were held back and have then been handed to the broker.
    pub fn held(&self) -> u32 {
        self.orders.held.load(Ordering::Acquire)
    }
}

fn take(count: &AtomicU32) -> bool {
    count.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok()
}

/// Hands on what comes, until one side has closed.
fn hand_on(mut from: TcpStream, mut to: &TcpStream, orders: &Orders) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let bytes = from.read(&mut piece)?;
        if bytes == 0 {
            return Ok(());
        }
        orders.await_voice();
        to.write_all(&piece[..bytes])?;
    }
}

fn serve(client: &TcpStream, broker: u16, orders: &Arc<Orders>, time: Duration) -> io::Result<()> {
    let broker = TcpStream::connect(("127.0.0.1", broker))?;
    for stream in [client, &broker] {
        stream.set_nodelay(true)?;
    }
    let (answers, back, heard) = (broker.try_clone()?, client.try_clone()?, Arc::clone(orders));
    thread::spawn(move || {
        let _ = hand_on(answers, &back, &heard);
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
                    // The broker answers nobody; its connection stays until it has.
                    thread::sleep(Duration::from_secs(1));
                    return Ok(());
                }
                continue;
            }
        }
        orders.await_voice();
        onward.write_all(&[&length[..], &frame].concat())?;
    }
}
