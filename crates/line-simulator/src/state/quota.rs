//! The month's messages: counted by recipient, and held back by reservations of running bulk sends.
//!
//! <https://developers.line.biz/en/docs/messaging-api/pricing/>

use chrono::{DateTime, Datelike as _, FixedOffset, Utc};

/// A channel's monthly allowance and what of it is gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quota {
    /// Messages of the month; `None` is a plan without a limit.
    pub(crate) limit: Option<u64>,
    /// Set aside by running narrowcasts or broadcasts.
    pub(crate) reserved: u64,
    used: u64,
    month: (i32, u32),
}

impl Quota {
    /// A fresh allowance; `None` is a plan without a limit.
    pub(crate) fn of(limit: Option<u64>) -> Self {
        Self { limit, ..Self::default() }
    }

    /// How many were counted this month.
    pub(crate) fn used(&self, now: DateTime<Utc>) -> u64 {
        if self.month == month_of(now) { self.used } else { 0 }
    }

    /// Whether `recipients` more fit under the limit now.
    pub(crate) fn allows(&self, now: DateTime<Utc>, recipients: u64) -> bool {
        self.limit.is_none_or(|limit| self.used(now) + self.reserved + recipients <= limit)
    }

    pub(crate) fn count(&mut self, now: DateTime<Utc>, recipients: u64) {
        self.used = self.used(now) + recipients;
        self.month = month_of(now);
    }
}

/// LINE's statistics days are UTC+9; the month boundary is presumed to be the same.
pub(crate) fn japan(now: DateTime<Utc>) -> DateTime<FixedOffset> {
    const NINE_HOURS: i32 = 9 * 3_600;
    match FixedOffset::east_opt(NINE_HOURS) {
        Some(offset) => now.with_timezone(&offset),
        None => now.fixed_offset(),
    }
}

/// The month a moment belongs to, as (year, month).
pub(crate) fn month_of(now: DateTime<Utc>) -> (i32, u32) {
    let local = japan(now);
    (local.year(), local.month())
}

/// The day a moment belongs to, written `yyyyMMdd` as LINE's statistics do.
pub(crate) fn day_of(now: DateTime<Utc>) -> String {
    japan(now).format("%Y%m%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn the_month_turns_at_midnight_in_japan() {
        let mut quota = Quota { limit: Some(2), ..Quota::default() };
        quota.count(utc("2026-08-31T14:59:59Z"), 2);
        assert!(!quota.allows(utc("2026-08-31T14:59:59Z"), 1));
        assert!(quota.allows(utc("2026-08-31T15:00:00Z"), 2));
    }

    #[test]
    fn a_reservation_blocks_although_messages_remain() {
        let mut quota = Quota { limit: Some(10), reserved: 10, ..Quota::default() };
        let now = utc("2026-08-01T00:00:00Z");
        assert!(!quota.allows(now, 1));
        quota.reserved = 0;
        assert!(quota.allows(now, 10));
    }
}
