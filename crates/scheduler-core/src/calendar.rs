//! When a timer enters the calendar. The book holds every timer; the calendar only those of the hours at hand, so that it stays small
//! whatever waits. Who makes a timer enters it if it is near, and each hour's others are entered before the hour begins.

use chrono::{DateTime, TimeDelta};
use kernel::Timestamp;

/// Seconds of an hour.
const LENGTH: i64 = 3_600;
/// What begins this soon is entered by whoever makes it.
const NEAR: TimeDelta = TimeDelta::hours(1);
/// So long before it begins an hour is entered. Between the two no transaction lives: whoever found a timer not to be near has
/// committed it when its hour is entered.
const AHEAD: TimeDelta = TimeDelta::minutes(30);

/// An hour of the calendar, counted from 1970 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hour(i32);

impl Hour {
    /// The hour a moment falls into; the first or last there is, 245,000 years away, for what lies outside.
    #[must_use]
    pub fn of(moment: Timestamp) -> Self {
        let hours = moment.timestamp().div_euclid(LENGTH);
        Self(i32::try_from(hours).unwrap_or(if hours < 0 { i32::MIN } else { i32::MAX }))
    }

    /// The hour of that number.
    #[must_use]
    pub const fn from_number(number: i32) -> Self {
        Self(number)
    }

    /// Its number, as tables have it.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }

    /// The moment it begins.
    #[must_use]
    pub fn begin(self) -> Timestamp {
        let begin = DateTime::from_timestamp(i64::from(self.0) * LENGTH, 0);
        begin.unwrap_or(if self.0 < 0 { Timestamp::MIN_UTC } else { Timestamp::MAX_UTC })
    }
}

/// Whether a timer for `due` goes into the calendar at once when it is made or moved at `now`: its hour has begun, or begins in less
/// than an hour.
#[must_use]
pub fn is_near(due: Timestamp, now: Timestamp) -> bool {
    Hour::of(due).begin().signed_duration_since(now) < NEAR
}

/// The last hour whose timers are to be in the calendar at `now`: it begins within 30 minutes, or has begun.
#[must_use]
pub fn entered_by(now: Timestamp) -> Hour {
    Hour::of(now.checked_add_signed(AHEAD).unwrap_or(now))
}

/// The hours to enter at `now` where `last` was the last one entered; the next `last` is then [`entered_by`], also where that lies
/// before the former: after a clock was turned back the hours between are entered once more, which changes nothing for timers that
/// are there and finds those made meanwhile.
pub fn to_enter(last: Hour, now: Timestamp) -> impl Iterator<Item = Hour> {
    (last.0..=entered_by(now).0).skip(1).map(Hour)
}

#[cfg(test)]
mod tests;
