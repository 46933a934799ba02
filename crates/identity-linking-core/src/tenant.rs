//! A tenant, and its time zone.

use chrono::NaiveDate;
use chrono_tz::Tz;
use kernel::Timestamp;

use crate::link::PlanGate;
use crate::{CallingRegion, Line, Unfit};

/// A company that uses the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its name.
    pub display_name: Line<200>,
    /// Where its wall clocks hang.
    pub time_zone: TimeZone,
    /// Nothing is sent for it; webhooks are still kept.
    pub suspended: bool,
    /// What its contract says about the LINE tab (F-35).
    pub gate: PlanGate,
}

/// A time zone of the IANA database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeZone(Tz);

impl TimeZone {
    /// Reads an IANA name; `Asia/Tokyo` where none is given.
    ///
    /// # Errors
    /// When the database has no such zone.
    pub fn parse(name: &str) -> Result<Self, Unfit> {
        if name.is_empty() {
            return Ok(Self(Tz::Asia__Tokyo));
        }
        name.parse().map(Self).map_err(|_| Unfit("is not an IANA time zone"))
    }

    /// The IANA name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The day on the zone's calendars at `now`.
    pub fn day(self, now: Timestamp) -> NaiveDate {
        now.with_timezone(&self.0).date_naive()
    }

    /// The country whose phone numbers are meant where no country code is written.
    pub fn calling_region(self) -> CallingRegion {
        CallingRegion::of_zone(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_one_of_the_iana_database_and_tokyo_where_none_is_given() {
        assert_eq!(TimeZone::parse("").map(TimeZone::name), Ok("Asia/Tokyo"));
        assert_eq!(TimeZone::parse("Asia/Bangkok").map(TimeZone::name), Ok("Asia/Bangkok"));
        assert!(TimeZone::parse("JST+9").is_err() && TimeZone::parse("../etc").is_err());
    }

    #[test]
    fn the_day_is_that_of_the_zone() {
        let late = Timestamp::from_timestamp(1_767_193_200, 0).unwrap(); // 2025-12-31T15:00:00Z
        assert_eq!(TimeZone::parse("").unwrap().day(late).to_string(), "2026-01-01");
        assert_eq!(TimeZone::parse("UTC").unwrap().day(late).to_string(), "2025-12-31");
    }
}
