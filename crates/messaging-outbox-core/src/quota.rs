//! The quota month, and how long a monthly-limit refusal keeps pushes waiting (L-08, D-10).

use std::time::Duration;

use chrono::{Datelike, FixedOffset, NaiveDate, TimeDelta};
use kernel::Timestamp;

/// LINE's own zone; it does not state the month's boundary (D-10).
const UTC_PLUS_9: i32 = 9 * 3_600;

/// A calendar month in UTC+9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuotaMonth(NaiveDate);

impl QuotaMonth {
    /// The month of a moment.
    #[must_use]
    pub fn of(moment: Timestamp) -> Self {
        let date = FixedOffset::east_opt(UTC_PLUS_9)
            .map_or_else(|| moment.date_naive(), |zone| moment.with_timezone(&zone).date_naive());
        Self(date.with_day(1).unwrap_or(date))
    }

    /// Its first day, in UTC+9.
    #[must_use]
    pub const fn first_day(self) -> NaiveDate {
        self.0
    }

    /// The moment the next month begins.
    #[must_use]
    pub fn end(self) -> Timestamp {
        let next = (self.0 + TimeDelta::days(32)).with_day(1).unwrap_or(self.0);
        next.and_time(chrono::NaiveTime::MIN).and_utc() - TimeDelta::seconds(i64::from(UTC_PLUS_9))
    }
}

/// What a refusal for the monthly limit turned out to mean, once LINE's numbers were asked for. LINE uses one text for both
/// (<https://developers.line.biz/en/reference/messaging-api/#send-narrowcast-message-cautions>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaVerdict {
    /// Nothing is left: pushes wait for the next month, or for a larger plan.
    UsedUp,
    /// Something is left: another delivery has reserved it, or LINE's count lags. Pushes wait a little.
    Reserved,
}

/// How long pushes of an account wait after a refusal for the monthly limit before the next is tried. LINE says neither when a
/// reservation ends nor when a plan grows, so one push is tried again and again; its refusal is definite and costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaWaits {
    /// Nothing is left.
    pub used_up: Duration,
    /// Something is left, and reserved.
    pub reserved: Duration,
}

impl Default for QuotaWaits {
    /// Ten minutes; one minute.
    fn default() -> Self {
        Self { used_up: Duration::from_mins(10), reserved: Duration::from_mins(1) }
    }
}

impl QuotaWaits {
    /// The wait after such a refusal.
    #[must_use]
    pub const fn after(self, verdict: QuotaVerdict) -> Duration {
        match verdict {
            QuotaVerdict::UsedUp => self.used_up,
            QuotaVerdict::Reserved => self.reserved,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_month_turns_at_midnight_in_utc_plus_9() {
        let last = Timestamp::from_timestamp(1_767_193_199, 0).unwrap();
        let december = QuotaMonth::of(last);
        assert_eq!(december.first_day(), NaiveDate::from_ymd_opt(2025, 12, 1).unwrap());
        assert_eq!(december.end(), last + TimeDelta::seconds(1));
        assert_eq!(QuotaMonth::of(december.end()).first_day(), NaiveDate::from_ymd_opt(2026, 1, 1).unwrap());
    }

    #[test]
    fn a_reservation_is_asked_about_sooner_than_a_used_up_quota() {
        let waits = QuotaWaits::default();
        assert!(waits.after(QuotaVerdict::Reserved) < waits.after(QuotaVerdict::UsedUp));
    }

    proptest! {
        #[test]
        fn every_moment_lies_in_its_month(seconds in 0i64..4_000_000_000) {
            let moment = Timestamp::from_timestamp(seconds, 0).unwrap();
            let month = QuotaMonth::of(moment);
            prop_assert!(moment < month.end());
            prop_assert!(month.end() - moment <= TimeDelta::days(31));
            prop_assert!(QuotaMonth::of(month.end()) > month);
        }
    }
}
