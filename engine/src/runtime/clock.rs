//! The clock of a worker: the host's, or one that a simulation moves by hand. It does not depend on the log's time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tripline_core::batch::Timestamp;

/// Monotonic and wall-clock time. Clones share one clock.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<Hands>>);

#[derive(Debug)]
struct Hands {
    began: Instant,
    passed_ms: AtomicU64,
    wall_ms: AtomicI64,
}

impl Clock {
    /// A clock that stands still until it is moved, at this time of day.
    pub fn by_hand(wall: Timestamp) -> Clock {
        let (passed_ms, wall_ms) = (AtomicU64::new(0), AtomicI64::new(wall.0));
        Clock(Some(Arc::new(Hands { began: Instant::now(), passed_ms, wall_ms })))
    }

    /// Lets time pass, to the millisecond; without effect on the host's clock.
    pub fn pass(&self, time: Duration) {
        let Some(hands) = &self.0 else { return };
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        hands.passed_ms.fetch_add(ms, Ordering::Relaxed);
        hands.wall_ms.fetch_add(i64::try_from(ms).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Puts the time of day, forwards or back, as an operator may; without effect on the host's clock.
    pub fn put(&self, wall: Timestamp) {
        if let Some(hands) = &self.0 {
            hands.wall_ms.store(wall.0, Ordering::Relaxed);
        }
    }

    /// Now, to measure how time passes: never goes back.
    pub fn now(&self) -> Instant {
        match &self.0 {
            None => Instant::now(),
            Some(hands) => hands.began + Duration::from_millis(hands.passed_ms.load(Ordering::Relaxed)),
        }
    }

    /// How much time has passed.
    pub fn since(&self, then: Instant) -> Duration {
        self.now().saturating_duration_since(then)
    }

    /// The time of day; it may jump either way.
    pub fn wall(&self) -> Timestamp {
        match &self.0 {
            None => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Some(hands) => Timestamp(hands.wall_ms.load(Ordering::Relaxed)),
        }
    }

    /// Waits for so long.
    pub fn sleep(&self, time: Duration) {
        match &self.0 {
            None => std::thread::sleep(time),
            Some(_) => self.pass(time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_by_hand_moves_as_it_is_set_and_waiting_moves_it() {
        let clock = Clock::by_hand(Timestamp(1_000));
        let then = clock.now();
        clock.pass(Duration::from_millis(20));
        clock.clone().sleep(Duration::from_millis(5));
        assert_eq!((clock.since(then), clock.wall()), (Duration::from_millis(25), Timestamp(1_025)));
        clock.put(Timestamp(7));
        assert_eq!((clock.since(then), clock.wall()), (Duration::from_millis(25), Timestamp(7)));
    }
}
