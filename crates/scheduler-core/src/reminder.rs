//! Reminders of reservations (F-107): which timers a reservation wants by the tenant's rules.

use std::time::Duration;

use chrono::{Days, TimeDelta};
use kernel::{ActivityId, ReminderRuleId, Timestamp};

use crate::timer::{LatePolicy, Timer};
use crate::wall_clock::{MinuteOfDay, TimeZone};
use crate::{Key, LateFor, Owner, Unfit, generation};

mod template;

pub use template::Template;

/// Most rules of a tenant.
pub const MOST_RULES: usize = 10;
/// The longest before a reservation that its customer is reminded, in days.
pub const MOST_DAYS: u16 = 90;
/// The shortest before it: later the customer is on the way.
const LEAST_BEFORE: Duration = Duration::from_mins(10);
/// How far ahead a reservation is planned for. Nobody reserves so far ahead; a year mistyped may be.
pub const FURTHEST: TimeDelta = TimeDelta::days(5 * 366);
/// How late a customer is still reminded, if the reservation has not begun.
pub const LATE_FOR: LateFor = LateFor::hours(2);

/// When a customer is reminded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// So long before the reservation begins.
    Before(Duration),
    /// So many days before the day on which it begins, at a time of day in the tenant's zone; none: on the day itself.
    DaysBefore {
        /// How many days.
        days: u16,
        /// At what time.
        at: MinuteOfDay,
    },
}

impl When {
    /// Checks what somebody set.
    ///
    /// # Errors
    /// When it is less than ten minutes or more than 90 days before, or not in whole seconds.
    pub fn check(self) -> Result<(), Unfit> {
        match self {
            Self::Before(long) if long.subsec_nanos() != 0 => Err(Unfit("is not in whole seconds")),
            Self::Before(long) if long < LEAST_BEFORE => Err(Unfit("is less than ten minutes")),
            Self::Before(long) if long > Duration::from_hours(24) * MOST_DAYS.into() => {
                Err(Unfit("is more than 90 days"))
            }
            Self::DaysBefore { days, .. } if days > MOST_DAYS => Err(Unfit("is more than 90 days")),
            Self::Before(_) | Self::DaysBefore { .. } => Ok(()),
        }
    }
}

/// A tenant's rule for reminding customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which it is.
    pub id: ReminderRuleId,
    /// When it reminds.
    pub when: When,
    /// Whether it does at all.
    pub active: bool,
}

/// A reservation, as far as reminders go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The activity it is.
    pub activity: ActivityId,
    /// Neither done nor cancelled.
    pub active: bool,
    /// When it begins.
    pub start: Timestamp,
}

/// The timers of a reservation: whatever other timer it has is cancelled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Timers that are made, or changed where one stands with another moment; their generation is that of a timer made anew.
    pub put: Vec<Timer>,
    /// Timers whose moment has come while it is not too late for them, with that moment: one that stands with it is left alone, as it is
    /// fired late, and none is made, as it was fired.
    pub keep: Vec<(Key, Timestamp)>,
}

/// What is done about a reservation's timers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Timers that are made, or put in the place of one of the same key.
    pub put: Vec<Timer>,
    /// Keys of timers that are not wanted any more.
    pub cancel: Vec<Key>,
}

impl Wanted {
    /// What is done about the timers that `stand`, each with its moment. One that stands as it is wanted is left alone.
    #[must_use]
    pub fn changes(self, stand: &[(Key, Timestamp)]) -> Changes {
        let stands = |key: &Key, due: Timestamp| stand.iter().any(|(known, at)| known == key && *at == due);
        let Self { put, keep } = self;
        let wanted = |(key, due): &&(Key, Timestamp)| {
            put.iter().any(|timer| timer.key == *key) || keep.iter().any(|(kept, at)| kept == key && at == due)
        };
        let cancel = stand.iter().filter(|one| !wanted(one)).map(|(key, _)| key.clone()).collect();
        Changes { put: put.into_iter().filter(|timer| !stands(&timer.key, timer.due)).collect(), cancel }
    }
}

/// Whether a reminder by an active rule, planned for `start`, is said at `now`: only if the reservation stands, begins when it was
/// planned, and has not begun.
#[must_use]
pub fn stands(reservation: &Reservation, start: Timestamp, now: Timestamp) -> bool {
    reservation.active && reservation.start == start && start > now
}

/// After what a reminder for `due` reaches nobody any more: [`LATE_FOR`] later, or as the reservation begins.
#[must_use]
pub fn expiry(due: Timestamp, start: Timestamp) -> Timestamp {
    due.checked_add_signed(TimeDelta::seconds(LATE_FOR.seconds().into())).map_or(start, |late| late.min(start))
}

/// When a rule reminds of a reservation that begins at `start`; never, if that were not before it.
#[must_use]
pub fn due(rule: &Rule, start: Timestamp, zone: TimeZone) -> Option<Timestamp> {
    let due = match rule.when {
        When::Before(long) => start.checked_sub_signed(TimeDelta::from_std(long).ok()?)?,
        When::DaysBefore { days, at } => {
            let day = zone.local(start).date().checked_sub_days(Days::new(days.into()))?;
            zone.moment(day.and_time(at.time()))
        }
    };
    (due < start).then_some(due)
}

/// The timers a reservation wants at `now`: none unless it is active and begins in the future, by a rule that is active and has not
/// passed.
#[must_use]
pub fn wanted(rules: &[Rule], reservation: &Reservation, zone: TimeZone, now: Timestamp) -> Wanted {
    let Reservation { activity, active, start } = *reservation;
    let mut wanted = Wanted::default();
    if !active || start.signed_duration_since(now) > FURTHEST {
        return wanted;
    }
    for rule in rules.iter().filter(|rule| rule.active) {
        let Some(due) = due(rule, start, zone) else { continue };
        let (key, policy) = (Key::of_reminder(activity, rule.id, start), late_policy(due, start));
        if due > now {
            wanted.put.push(Timer {
                owner: Owner::Reminder,
                key,
                generation: generation::next(None, now),
                due,
                policy,
            });
        } else if policy.late_for().is_some_and(|late_for| late_for.allows(due, now)) {
            wanted.keep.push((key, due));
        }
    }
    wanted
}

/// A reminder is late by [`LATE_FOR`] at most, and never once the reservation has begun: after the fact it is harm.
fn late_policy(due: Timestamp, start: Timestamp) -> LatePolicy {
    let until_start = start.signed_duration_since(due).to_std().unwrap_or_default();
    let last_second = Duration::from_secs(until_start.as_secs().saturating_sub(1));
    LatePolicy::Skip { after: LateFor::parse(last_second).map_or(LATE_FOR, |last| last.min(LATE_FOR)) }
}

#[cfg(test)]
mod tests;
