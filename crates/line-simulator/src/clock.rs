//! The simulated time: runs with the machine's until somebody turns or stops it.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use kernel::{Clock as _, SystemClock};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// A clock tests can turn. Clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    setting: Arc<Mutex<Setting>>,
    turned: watch::Sender<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Setting {
    /// Runs, this far ahead of the machine.
    Running(TimeDelta),
    /// Stands at this moment.
    Stopped(DateTime<Utc>),
}

/// What `GET /control/clock` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockReading {
    /// The simulated present, RFC 3339.
    pub now: DateTime<Utc>,
    /// Whether time goes on by itself.
    pub running: bool,
}

/// A turn of the clock: any of the three, applied in this order.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ClockTurn {
    /// Stop (`false`) or let run (`true`).
    pub running: Option<bool>,
    /// Go to this moment.
    pub set: Option<DateTime<Utc>>,
    /// Go on by so many milliseconds; negative goes back.
    pub advance_ms: Option<i64>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { setting: Arc::new(Mutex::new(Setting::Running(TimeDelta::zero()))), turned: watch::Sender::new(0) }
    }
}

impl Clock {
    /// The simulated present.
    pub fn now(&self) -> DateTime<Utc> {
        Self::of(*self.setting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The present, and whether it moves.
    pub fn reading(&self) -> ClockReading {
        let setting = *self.setting.lock().unwrap_or_else(PoisonError::into_inner);
        ClockReading { now: Self::of(setting), running: matches!(setting, Setting::Running(_)) }
    }

    /// Turns, stops or restarts the clock. Whoever waits for a moment looks again.
    pub fn turn(&self, turn: ClockTurn) {
        let mut setting = self.setting.lock().unwrap_or_else(PoisonError::into_inner);
        let advance = TimeDelta::milliseconds(turn.advance_ms.unwrap_or(0));
        let now = turn.set.unwrap_or_else(|| Self::of(*setting)) + advance;
        let running = turn.running.unwrap_or(matches!(*setting, Setting::Running(_)));
        *setting = if running { Setting::Running(now - SystemClock.now()) } else { Setting::Stopped(now) };
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
            let ClockReading { now, running } = self.reading();
            let Ok(left) = (moment - now).to_std() else { return };
            if left.is_zero() {
                return;
            }
            if running {
                tokio::select! {
                    () = tokio::time::sleep(left) => {}
                    _ = turned.changed() => {}
                }
            } else if turned.changed().await.is_err() {
                return;
            }
        }
    }

    fn of(setting: Setting) -> DateTime<Utc> {
        match setting {
            Setting::Running(ahead) => SystemClock.now() + ahead,
            Setting::Stopped(at) => at,
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
