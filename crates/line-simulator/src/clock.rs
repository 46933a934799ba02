//! The simulated time: runs with the machine's until somebody turns, stops or speeds it.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use kernel::{Clock as _, SystemClock};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// A clock tests can turn. Clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    setting: Arc<Mutex<Setting>>,
    turned: watch::Sender<u64>,
}

/// Fastest a clock goes.
pub const MAX_SPEED: u32 = 100_000;
/// The years a clock is set to.
const YEARS: std::ops::Range<i32> = 1970..2200;
/// How far a clock is turned at once, in milliseconds: a hundred years.
const FURTHEST_MS: u64 = 100 * 366 * 86_400_000;

#[derive(Clone, Copy, Debug)]
struct Setting {
    /// What was shown when the machine's clock was at `since`.
    shown: DateTime<Utc>,
    since: DateTime<Utc>,
    running: bool,
    /// How many times as fast as the machine's clock it runs.
    speed: u32,
}

impl Setting {
    fn now(&self) -> DateTime<Utc> {
        if !self.running {
            return self.shown;
        }
        let passed = SystemClock.now() - self.since;
        let gone = passed.checked_mul(i32::try_from(self.speed).unwrap_or(i32::MAX));
        gone.and_then(|gone| self.shown.checked_add_signed(gone)).unwrap_or(self.shown)
    }
}

/// What `GET /control/clock` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockReading {
    /// The simulated present, RFC 3339.
    pub now: DateTime<Utc>,
    /// Whether time goes on by itself.
    pub running: bool,
    /// How many times as fast as the machine's clock it runs.
    pub speed: u32,
}

/// A turn of the clock: any of these, applied in this order.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClockTurn {
    /// Stop (`false`) or let run (`true`).
    pub running: Option<bool>,
    /// Run so many times as fast as the machine's clock, 1 to [`MAX_SPEED`].
    pub speed: Option<u32>,
    /// Go to this moment.
    pub set: Option<DateTime<Utc>>,
    /// Go on by so many milliseconds; negative goes back.
    pub advance_ms: Option<i64>,
}

impl ClockTurn {
    /// What is wrong with it, by field.
    ///
    /// # Errors
    /// The field, and what it must be.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.speed.is_some_and(|speed| !(1..=MAX_SPEED).contains(&speed)) {
            return Err("speed: 1 to 100000");
        }
        if self.set.is_some_and(|moment| !YEARS.contains(&moment.year())) {
            return Err("set: a moment of the years 1970 to 2199");
        }
        if self.advance_ms.is_some_and(|by| by.unsigned_abs() > FURTHEST_MS) {
            return Err("advance_ms: a hundred years at most, forward or back");
        }
        Ok(())
    }
}

impl Default for Clock {
    fn default() -> Self {
        let now = SystemClock.now();
        let setting = Setting { shown: now, since: now, running: true, speed: 1 };
        Self { setting: Arc::new(Mutex::new(setting)), turned: watch::Sender::new(0) }
    }
}

impl Clock {
    /// The simulated present.
    pub fn now(&self) -> DateTime<Utc> {
        self.setting.lock().unwrap_or_else(PoisonError::into_inner).now()
    }

    /// The present, and whether it moves.
    pub fn reading(&self) -> ClockReading {
        let setting = *self.setting.lock().unwrap_or_else(PoisonError::into_inner);
        ClockReading { now: setting.now(), running: setting.running, speed: setting.speed }
    }

    /// Turns, stops or restarts the clock. Whoever waits for a moment looks again.
    pub fn turn(&self, turn: ClockTurn) {
        let mut setting = self.setting.lock().unwrap_or_else(PoisonError::into_inner);
        let base = turn.set.unwrap_or_else(|| setting.now());
        // A turn to where no calendar reaches is none.
        let advance = TimeDelta::try_milliseconds(turn.advance_ms.unwrap_or(0)).unwrap_or_default();
        *setting = Setting {
            shown: base.checked_add_signed(advance).unwrap_or(base),
            since: SystemClock.now(),
            running: turn.running.unwrap_or(setting.running),
            speed: turn.speed.unwrap_or(setting.speed).clamp(1, MAX_SPEED),
        };
        drop(setting);
        self.turned.send_modify(|turns| *turns += 1);
    }

    /// Turns the clock forward.
    pub fn advance(&self, by: TimeDelta) {
        self.turn(ClockTurn { advance_ms: Some(by.num_milliseconds()), ..ClockTurn::default() });
    }

    /// Stops the clock where it is; it then moves only when turned.
    pub fn stop(&self) {
        self.turn(ClockTurn { running: Some(false), ..ClockTurn::default() });
    }

    /// Waits until the simulated present reaches `moment`, whether by itself or by being turned.
    pub async fn sleep_until(&self, moment: DateTime<Utc>) {
        let mut turned = self.turned.subscribe();
        loop {
            turned.mark_unchanged();
            let ClockReading { now, running, speed } = self.reading();
            let Ok(left) = (moment - now).to_std() else { return };
            if left.is_zero() {
                return;
            }
            if running {
                tokio::select! {
                    () = tokio::time::sleep(left / speed) => {}
                    _ = turned.changed() => {}
                }
            } else if turned.changed().await.is_err() {
                return;
            }
        }
    }
}

impl kernel::Clock for Clock {
    fn now(&self) -> kernel::Timestamp {
        Clock::now(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stopped_clock_moves_only_when_turned_and_wakes_sleepers() {
        let clock = Clock::default();
        clock.stop();
        let start = clock.now();
        assert_eq!(clock.now(), start);
        let sleeper = clock.clone();
        let slept = tokio::spawn(async move { sleeper.sleep_until(start + TimeDelta::hours(5)).await });
        clock.advance(TimeDelta::hours(5));
        assert_eq!(clock.now(), start + TimeDelta::hours(5));
        tokio::time::timeout(std::time::Duration::from_secs(5), slept).await.unwrap().unwrap();
    }
}
