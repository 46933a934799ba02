//! A tenant, and its time zone.

use chrono::{NaiveDate, NaiveTime, TimeDelta, TimeZone as _};
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

    /// When `day` begins there: the first moment at which the zone's calendars show it, or a later day where they leave it out. None at
    /// the end of all calendars.
    pub fn beginning(self, day: NaiveDate) -> Option<Timestamp> {
        // Where clocks are put forward at midnight the day begins later, and a day that was left out not at all.
        let quarters = (0..=2 * 24 * 4).map(|quarter| TimeDelta::minutes(15 * quarter));
        let mut moments = quarters.filter_map(|after| day.and_time(NaiveTime::MIN).checked_add_signed(after));
        let found = moments.find_map(|local| self.0.from_local_datetime(&local).earliest())?;
        Some(found.with_timezone(&chrono::Utc))
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
    fn a_day_begins_when_the_zones_calendars_show_it() {
        let day = |year, month, day| NaiveDate::from_ymd_opt(year, month, day).unwrap();
        for (zone, day, begins) in [
            ("Asia/Tokyo", day(2025, 1, 10), "2025-01-09T15:00:00+00:00"),
            // Where midnight is left out, comes twice, and where the whole day is left out.
            ("America/Sao_Paulo", day(2018, 11, 4), "2018-11-04T03:00:00+00:00"),
            ("America/Havana", day(2025, 11, 2), "2025-11-02T04:00:00+00:00"),
            ("Pacific/Apia", day(2011, 12, 30), "2011-12-30T10:00:00+00:00"),
        ] {
            let zone = TimeZone::parse(zone).unwrap();
            let begun = zone.beginning(day).unwrap();
            assert_eq!(begun.to_rfc3339(), begins, "{}", zone.name());
            assert!(zone.day(begun) >= day && zone.day(begun - TimeDelta::seconds(1)) < day, "{}", zone.name());
        }
    }

    #[test]
    fn the_day_is_that_of_the_zone() {
        let late = Timestamp::from_timestamp(1_767_193_200, 0).unwrap(); // 2025-12-31T15:00:00Z
        assert_eq!(TimeZone::parse("").unwrap().day(late).to_string(), "2026-01-01");
        assert_eq!(TimeZone::parse("UTC").unwrap().day(late).to_string(), "2025-12-31");
    }
}
