//! The input while processes start and end: a bank's events, and probes that alert at a steady rate.

use super::site::TOPIC;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tripline_benches::kafka::{Failure, Writer};
use tripline_benches::open_loop::LINGER_MS;
use tripline_benches::probe;
use tripline_benches::records::next;
use tripline_core::batch::Timestamp;
use tripline_core::simulate::{SimulatedEvent, Simulation};

/// How many probes ahead a probe is armed: more than are fired during a takeover.
const AHEAD: u32 = 2_000;

/// A bank's events at a steady rate, on a thread of its own, until this is dropped.
pub(super) struct Stream {
    now_ms: Arc<AtomicI64>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), String>>>,
}

/// Calls `each` with consecutive numbers at a steady rate until `is_over`.
fn paced(
    rate: u32,
    is_over: &AtomicBool,
    mut each: impl FnMut(u32) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let began = Instant::now();
    for number in 0.. {
        let due = Duration::from_secs_f64(f64::from(number) / f64::from(rate));
        thread::sleep(due.saturating_sub(began.elapsed()));
        if is_over.load(Ordering::Acquire) {
            break;
        }
        each(number)?;
    }
    Ok(())
}

impl Stream {
    /// Starts with the next event of the bank.
    pub(super) fn start(brokers: &str, mut feed: Simulation, rate: u32) -> Result<Stream, Failure> {
        let mut event = SimulatedEvent::default();
        next(&mut feed, &mut event);
        let now_ms = Arc::new(AtomicI64::new(event.appended_at.0));
        let is_over = Arc::<AtomicBool>::default();
        let writer = Writer::new(brokers, TOPIC, LINGER_MS)?;
        let (time, over) = (Arc::clone(&now_ms), Arc::clone(&is_over));
        let mut work = move || -> Result<(), Failure> {
            paced(rate, &over, |_| {
                writer.send(event.appended_at, event.account.as_bytes(), &event.value)?;
                time.store(event.appended_at.0, Ordering::Release);
                next(&mut feed, &mut event);
                Ok(())
            })?;
            writer.finish()
        };
        let thread = Some(thread::spawn(move || work().map_err(|error| error.to_string())));
        Ok(Stream { now_ms, is_over, thread })
    }

    /// Event time of the newest sent event.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp(self.now_ms.load(Ordering::Acquire))
    }

    /// Ends it.
    pub(super) fn stop(mut self) -> Result<(), Failure> {
        self.is_over.store(true, Ordering::Release);
        ended(&mut self.thread)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
    }
}

fn ended(thread: &mut Option<JoinHandle<Result<(), String>>>) -> Result<(), Failure> {
    let Some(thread) = thread.take() else { return Ok(()) };
    Ok(thread.join().map_err(|_| "a writer panicked")??)
}

/// Probes one after the other at a steady rate, over all partitions in turn, until this is dropped.
pub(super) struct Beats {
    fired: Arc<Mutex<Vec<(u32, Instant)>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), String>>>,
}

impl Beats {
    /// Starts with probe `first`, in the event time of `stream`.
    pub(super) fn start(brokers: &str, first: u32, rate: u32, stream: &Stream) -> Result<Beats, Failure> {
        let fired = Arc::<Mutex<Vec<(u32, Instant)>>>::default();
        let is_over = Arc::<AtomicBool>::default();
        let writer = Writer::new(brokers, TOPIC, LINGER_MS)?;
        let now_ms = Arc::clone(&stream.now_ms);
        let (sent, over) = (Arc::clone(&fired), Arc::clone(&is_over));
        let work = move || -> Result<(), Failure> {
            let now = || Timestamp(now_ms.load(Ordering::Acquire));
            probe::arm(&writer, first..first + AHEAD, now())?;
            writer.finish()?;
            paced(rate, &over, |number| {
                let number = first + number;
                sent.lock().expect("no thread panics while holding the lock").push((number, Instant::now()));
                probe::fire(&writer, number, now())?;
                probe::arm(&writer, [number + AHEAD], now())
            })?;
            writer.finish()
        };
        let thread = Some(thread::spawn(move || work().map_err(|error| error.to_string())));
        Ok(Beats { fired, is_over, thread })
    }

    /// Probes whose event was sent after this moment, in order.
    pub(super) fn fired_since(&self, then: Instant) -> Vec<u32> {
        let fired = self.fired.lock().expect("no thread panics while holding the lock");
        fired.iter().filter(|(_, at)| *at >= then).map(|(number, _)| *number).collect()
    }

    /// Ends it. Returns the ids of all events that must alert, and the number of the next free probe.
    pub(super) fn stop(mut self) -> Result<(Vec<String>, u32), Failure> {
        self.is_over.store(true, Ordering::Release);
        ended(&mut self.thread)?;
        let fired = self.fired.lock().expect("the writer has not panicked");
        let last = fired.last().map(|(number, _)| *number).ok_or("no probe was sent")?;
        Ok((fired.iter().map(|(number, _)| probe::id(*number)).collect(), last + AHEAD + 1))
    }
}

impl Drop for Beats {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
    }
}
