//! The settings of a tenant's digest: when staff are told of what is unread, and who is (F-27, F-30).

use std::collections::BTreeSet;

use kernel::StaffId;

use crate::slot::{Plan, Quiet};
use crate::wall_clock::{MinuteOfDay, TimeZone};
use crate::{LateFor, Unfit};

/// Most times a day.
pub const MOST_TIMES: usize = 24;
/// Least minutes between two times, also across midnight.
pub const LEAST_APART: u16 = 30;
/// Most single days without a digest.
pub const MOST_DATES: usize = 366;
/// Most recipients that can be named.
pub const MOST_RECIPIENTS: usize = 1_000;
/// The shortest lateness: no slot is found at its very moment, nor told to everybody at once.
pub const LEAST_LATE: LateFor = LateFor::MINUTE;
/// The longest lateness; beyond it another day's digest has come.
pub const MOST_LATE: LateFor = LateFor::hours(24);

/// When a tenant's digest comes and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestSettings {
    /// The times of day in the tenant's zone: 1 to [`MOST_TIMES`].
    pub times: BTreeSet<MinuteOfDay>,
    /// The days without one; with all seven weekdays there is none at all.
    pub quiet: Quiet,
    /// Who gets it.
    pub recipients: Recipients,
    /// How late one is still sent: from [`LEAST_LATE`] to [`MOST_LATE`].
    pub late_for: LateFor,
    /// Whether those get one who have nothing unread.
    pub send_empty: bool,
}

/// Who gets a digest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Recipients {
    /// All staff who are active and can be reached.
    #[default]
    Everybody,
    /// These alone: 1 to [`MOST_RECIPIENTS`].
    These(BTreeSet<StaffId>),
}

impl Recipients {
    /// Those of a list; everybody where it is empty.
    #[must_use]
    pub fn named(staff: BTreeSet<StaffId>) -> Self {
        if staff.is_empty() { Self::Everybody } else { Self::These(staff) }
    }
}

impl Default for DigestSettings {
    /// At 8:00 and 20:00 (D-4), every day, to everybody who has something unread, up to three hours late.
    fn default() -> Self {
        Self {
            times: [MinuteOfDay::hour(8), MinuteOfDay::hour(20)].into(),
            quiet: Quiet::default(),
            recipients: Recipients::Everybody,
            late_for: LateFor::hours(3),
            send_empty: false,
        }
    }
}

/// A setting that is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {unfit}")]
pub struct Unsettable {
    /// The field, by its name in the proto.
    pub field: &'static str,
    /// Why.
    pub unfit: Unfit,
}

impl DigestSettings {
    /// Checks what somebody set.
    ///
    /// # Errors
    /// The first setting that is beyond its bounds.
    pub fn check(&self) -> Result<(), Unsettable> {
        let refuse = |field, why| Err(Unsettable { field, unfit: Unfit(why) });
        if !(1..=MOST_TIMES).contains(&self.times.len()) {
            return refuse("times", "must be 1 to 24 times of day");
        }
        let next = self.times.iter().cycle().skip(1);
        if self.times.len() > 1 && self.times.iter().zip(next).any(|(one, next)| one.apart(*next) < LEAST_APART) {
            return refuse("times", "must be at least 30 minutes apart, across midnight as well");
        }
        if self.quiet.dates.len() > MOST_DATES {
            return refuse("quiet_dates", "must be at most 366 days");
        }
        if matches!(&self.recipients, Recipients::These(staff) if !(1..=MOST_RECIPIENTS).contains(&staff.len())) {
            return refuse("recipient_staff_ids", "must be at most 1000");
        }
        if !(LEAST_LATE..=MOST_LATE).contains(&self.late_for) {
            return refuse("late_for", "must be from 1 minute to 24 hours");
        }
        Ok(())
    }

    /// When it comes, where the tenant's clocks hang.
    #[must_use]
    pub fn plan(&self, zone: TimeZone) -> Plan {
        Plan { zone, times: self.times.clone(), quiet: self.quiet.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot::next_after;
    use kernel::Timestamp;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn at(minutes: impl IntoIterator<Item = i32>) -> BTreeSet<MinuteOfDay> {
        minutes.into_iter().map(|minute| MinuteOfDay::parse(minute).unwrap()).collect()
    }

    fn refused(settings: &DigestSettings) -> Option<&'static str> {
        settings.check().err().map(|unsettable| unsettable.field)
    }

    #[test]
    fn the_digest_comes_at_eight_and_at_twenty_where_nobody_sets_it() {
        let settings = DigestSettings::default();
        assert_eq!(settings.check(), Ok(()));
        let plan = settings.plan(TimeZone::parse("Asia/Tokyo").unwrap());
        let morning = next_after(&plan, Timestamp::from_timestamp(1_763_769_600, 0).unwrap()).unwrap();
        assert_eq!(morning.local.to_string(), "2025-11-22 20:00:00");
        assert_eq!(next_after(&plan, morning.moment).unwrap().local.to_string(), "2025-11-23 08:00:00");
    }

    #[test]
    fn every_setting_has_its_bounds() {
        let settings = DigestSettings::default();
        let timed = |times| DigestSettings { times, ..settings.clone() };
        assert_eq!(refused(&timed(at([]))), Some("times"));
        assert_eq!(refused(&timed(at([480]))), None);
        assert_eq!(refused(&timed(at((0..24).map(|hour| hour * 60)))), None);
        assert_eq!(refused(&timed(at((0..25).map(|time| time * 57)))), Some("times"));
        assert_eq!(refused(&timed(at([480, 509]))), Some("times"));
        assert_eq!(refused(&timed(at([10, 700, 1_430]))), Some("times"), "twenty minutes across midnight");
        let staff = |number: usize| (0..number).map(|id| Uuid::from_u128(id as u128).into()).collect();
        let to = |recipients| DigestSettings { recipients, ..settings.clone() };
        assert_eq!(refused(&to(Recipients::named(staff(1_000)))), None);
        assert_eq!(refused(&to(Recipients::named(staff(1_001)))), Some("recipient_staff_ids"));
        assert_eq!(Recipients::named(BTreeSet::new()), Recipients::Everybody);
        assert_eq!(refused(&to(Recipients::These(BTreeSet::new()))), Some("recipient_staff_ids"));
        let late = |late_for| DigestSettings { late_for, ..settings.clone() };
        assert_eq!(refused(&late(LateFor::hours(25))), Some("late_for"));
        assert_eq!(refused(&late(LateFor::from_seconds(59))), Some("late_for"), "none would ever come");
        assert_eq!(refused(&late(LateFor::MINUTE)), None);
        let days = chrono::NaiveDate::MIN.iter_days().take(367).collect();
        let quiet = DigestSettings { quiet: Quiet { dates: days, ..Quiet::default() }, ..settings };
        assert_eq!(refused(&quiet), Some("quiet_dates"));
    }

    proptest! {
        #[test]
        fn settings_that_are_taken_have_their_slots_apart(minutes in prop::collection::btree_set(0i32..1_440, 1..8)) {
            let settings = DigestSettings { times: at(minutes.clone()), ..DigestSettings::default() };
            let twice: Vec<i32> = minutes.iter().copied().chain(minutes.iter().map(|minute| minute + 1_440)).collect();
            let apart = twice.windows(2).all(|pair| pair[1] - pair[0] >= 30);
            prop_assert_eq!(settings.check().is_ok(), apart);
        }
    }
}
