//! The clock of a worker: the host's, or one that a simulation moves by hand. It does not depend on the log's time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tripline_core::batch::Timestamp;
use tripline_core::limits::FUTURE_MS_MAX;

/// How far a producer's clock may be ahead of this host's, ms.
const AHEAD_MS_MAX: i64 = FUTURE_MS_MAX;

/// A producer's time of a record, which was sent before it was read: one that is far ahead of this host's clock is
/// replaced by now. Otherwise one wrong clock would be the present time of a whole shard.
pub fn not_ahead(stamp: Timestamp) -> Timestamp {
    // The host's clock is read only when the stamps have passed what is known of it.
    static KNOWN: AtomicI64 = AtomicI64::new(i64::MIN);
    let most = |now: i64| now.saturating_add(AHEAD_MS_MAX);
    if stamp.0 <= most(KNOWN.load(Ordering::Relaxed)) {
        return stamp;
    }
    let now = Clock::default().wall();
    KNOWN.store(now.0, Ordering::Relaxed);
    if stamp.0 > most(now.0) { now } else { stamp }
}

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
    fn a_stamp_far_ahead_of_the_host_is_now_and_every_other_one_stays() {
        let now = Clock::default().wall();
        for shift in [0, -1, 60_000, -400 * 86_400_000, i64::MIN / 2] {
            let stamp = Timestamp(now.0 + shift);
            assert_eq!(not_ahead(stamp), stamp, "{shift}");
        }
        for stamp in [Timestamp(now.0 + 86_400_000), Timestamp(i64::MAX)] {
            let found = not_ahead(stamp);
            assert!(found >= now && found.0 - now.0 < 60_000, "{found}");
        }
    }

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
