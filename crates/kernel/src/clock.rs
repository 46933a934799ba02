//! Time as an argument. Nothing else in the workspace asks the machine for the time of day.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

/// A moment, in UTC. Stored and compared with microsecond resolution, as Postgres keeps it.
pub type Timestamp = DateTime<Utc>;

/// Where the present comes from.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's time of day")]
    fn now(&self) -> Timestamp {
        Utc::now()
    }
}

/// A clock that stands until it is turned. For tests and for development builds.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(start.timestamp_micros())))
    }

    /// Turns the clock to `to`, forwards or backwards.
    pub fn set(&self, to: Timestamp) {
        self.0.store(to.timestamp_micros(), Ordering::SeqCst);
    }

    /// Turns the clock by `by`, forwards or backwards.
    pub fn turn(&self, by: TimeDelta) {
        self.0.fetch_add(by.num_microseconds().unwrap_or(0), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        DateTime::from_timestamp_micros(self.0.load(Ordering::SeqCst)).unwrap_or(DateTime::UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_until_it_is_turned() {
        let clock = ManualClock::at(DateTime::UNIX_EPOCH);
        let copy = clock.clone();
        clock.turn(TimeDelta::hours(3));
        assert_eq!(copy.now(), DateTime::UNIX_EPOCH + TimeDelta::hours(3));
        copy.set(DateTime::UNIX_EPOCH);
        assert_eq!(clock.now(), DateTime::UNIX_EPOCH);
    }
}
