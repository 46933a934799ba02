//! Wall clocks: which moment a date and a time of day mean in a time zone, and what the clock on the wall shows at a moment.
//!
//! A wall clock is turned forwards and back (summer time; a change of the zone itself), and a whole day can be left out. One rule holds
//! for all of it: a wall-clock time means the first moment at which the wall clock shows it or has passed it. So every wall-clock
//! time has one moment, a later one never an earlier moment; what is left out falls on the first moment behind the gap, and of what comes
//! twice the first counts.

use std::fmt;

use chrono::offset::{LocalResult, Offset as _, TimeZone as _};
use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use chrono_tz::{GapInfo, Tz};
use kernel::Timestamp;

use crate::Unfit;

/// Minutes of a day without a change of the clock.
const MINUTES: u16 = 24 * 60;

/// A time zone of the IANA database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeZone(Tz);

impl TimeZone {
    /// Reads an IANA name.
    ///
    /// # Errors
    /// When the database has no such zone.
    pub fn parse(name: &str) -> Result<Self, Unfit> {
        name.parse().map(Self).map_err(|_| Unfit("is not an IANA time zone"))
    }

    /// The IANA name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// What the wall clock shows at a moment; UTC's where the calendar itself ends, 262,000 years away.
    #[must_use]
    pub fn local(self, moment: Timestamp) -> NaiveDateTime {
        let utc = moment.naive_utc();
        let offset = self.0.offset_from_utc_datetime(&utc).fix();
        utc.checked_add_offset(offset).unwrap_or(utc)
    }

    /// The first moment at which the wall clock shows `local` or has passed it; UTC's where the calendar itself ends.
    #[must_use]
    pub fn moment(self, local: NaiveDateTime) -> Timestamp {
        let shown = match self.0.from_local_datetime(&local) {
            LocalResult::Single(shown) | LocalResult::Ambiguous(shown, _) => Some(shown),
            LocalResult::None => GapInfo::new(&local, &self.0).and_then(|gap| gap.end),
        };
        shown.map_or_else(|| local.and_utc(), |shown| shown.to_utc())
    }
}

/// A time of day, to the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MinuteOfDay(u16);

impl MinuteOfDay {
    /// The time of that many minutes since midnight.
    ///
    /// # Errors
    /// When it is not from 0 to 1,439.
    pub fn parse(minutes: i32) -> Result<Self, Unfit> {
        let minutes = u16::try_from(minutes).ok().filter(|minutes| *minutes < MINUTES);
        minutes.map(Self).ok_or(Unfit("is not a minute of a day, from 0 to 1439"))
    }

    /// Reads `HH:MM`, from `00:00` to `23:59`.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn read(text: &str) -> Result<Self, Unfit> {
        let number = |digits: &str| (digits.len() == 2).then(|| digits.parse::<u16>().ok()).flatten();
        let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
        let parts = text.split_once(':').filter(|_| digits);
        let time = parts.and_then(|(hour, minute)| Some((number(hour)?, number(minute)?)));
        let time = time.filter(|(hour, minute)| *hour < 24 && *minute < 60);
        time.map(|(hour, minute)| Self(hour * 60 + minute)).ok_or(Unfit("is not a time of day as HH:MM"))
    }

    /// The full hour; the last one of the day for what is none.
    #[must_use]
    pub const fn hour(hour: u8) -> Self {
        Self(if hour < 24 { hour as u16 * 60 } else { 23 * 60 })
    }

    /// In minutes since midnight.
    #[must_use]
    pub const fn number(self) -> i16 {
        self.0.cast_signed()
    }

    /// As a time.
    #[must_use]
    pub fn time(self) -> NaiveTime {
        NaiveTime::MIN.overflowing_add_signed(TimeDelta::minutes(self.0.into())).0
    }

    /// How many minutes lie between two times of day, the short way round midnight.
    #[must_use]
    pub const fn apart(self, other: Self) -> u16 {
        let between = self.0.abs_diff(other.0);
        if between * 2 > MINUTES { MINUTES - between } else { between }
    }
}

/// As `HH:MM`.
impl fmt::Display for MinuteOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// Reads a day as `YYYY-MM-DD`.
///
/// # Errors
/// When it is anything else, or no day of the calendar.
pub fn read_day(text: &str) -> Result<NaiveDate, Unfit> {
    let digit = |at: usize, byte: u8| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    let shape = text.len() == 10 && text.bytes().enumerate().all(|(at, byte)| digit(at, byte));
    let day = shape.then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()).flatten();
    day.ok_or(Unfit("is not a day as YYYY-MM-DD"))
}

#[cfg(test)]
pub(crate) mod tests;
