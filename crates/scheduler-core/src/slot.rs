//! Slots: the moments of a schedule, and which of them is said after any while and any turn of the clock.
//!
//! A schedule is a set of times of day on the wall clock. Each of its slots is one moment, and the moment is the slot's identity: two
//! times of day that fall on one moment, as in a gap of the wall clock, are one slot. A schedule keeps the moment of the last slot it
//! said or passed over, which never goes back, so no slot is said twice, whatever becomes of clock, zone or settings.

use std::collections::BTreeSet;

use chrono::{Datelike, NaiveDate, NaiveDateTime, Weekday};
use kernel::Timestamp;

use crate::LateFor;
use crate::wall_clock::{MinuteOfDay, TimeZone};

/// Most missed slots that are named after one look; earlier ones are counted.
pub const MOST_NAMED: usize = 60;
/// Most slots one look goes back; what is missed beyond is counted as this many.
pub const MOST_COUNTED: usize = 10_000;
/// Bits of seven weekdays.
const WEEK: u8 = 0b111_1111;

/// One moment of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// The moment: which slot it is.
    pub moment: Timestamp,
    /// What the wall clock shows then, for people to read.
    pub local: NaiveDateTime,
}

/// A set of weekdays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weekdays(u8);

impl Weekdays {
    /// The days of these bits, Monday the lowest; bits beyond Sunday mean nothing.
    #[must_use]
    pub fn from_bits(bits: i16) -> Self {
        Self(bits.to_le_bytes()[0] & WEEK)
    }

    /// As bits, Monday the lowest.
    #[must_use]
    pub const fn bits(self) -> i16 {
        self.0 as i16
    }

    /// Whether the day is one of them.
    #[must_use]
    pub fn holds(self, day: Weekday) -> bool {
        self.0 & 1 << day.num_days_from_monday() != 0
    }

    /// Whether they are all seven.
    #[must_use]
    pub const fn are_all(self) -> bool {
        self.0 == WEEK
    }
}

impl FromIterator<Weekday> for Weekdays {
    fn from_iter<T: IntoIterator<Item = Weekday>>(days: T) -> Self {
        Self(days.into_iter().fold(0, |bits, day| bits | 1 << day.num_days_from_monday()))
    }
}

/// Days of the wall clock on which nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quiet {
    /// Days of every week.
    pub weekdays: Weekdays,
    /// Single days.
    pub dates: BTreeSet<NaiveDate>,
}

impl Quiet {
    /// Whether a day is one of them.
    #[must_use]
    pub fn holds(&self, day: NaiveDate) -> bool {
        self.weekdays.holds(day.weekday()) || self.dates.contains(&day)
    }
}

/// When a schedule speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where its wall clock hangs.
    pub zone: TimeZone,
    /// The times of each day.
    pub times: BTreeSet<MinuteOfDay>,
    /// The days without any. A slot that a gap of the wall clock moves into another day is left out if either day is quiet.
    pub quiet: Quiet,
}

impl Plan {
    fn slot(&self, day: NaiveDate, time: MinuteOfDay) -> Option<Slot> {
        if self.quiet.holds(day) {
            return None;
        }
        let moment = self.zone.moment(day.and_time(time.time()));
        let local = self.zone.local(moment);
        (!self.quiet.holds(local.date())).then_some(Slot { moment, local })
    }

    /// The slots behind `after` up to `until`, the last one first.
    fn backwards(&self, after: Timestamp, until: Timestamp) -> impl Iterator<Item = Slot> {
        let (oldest, newest) = (self.zone.local(after).date(), self.zone.local(until).date());
        // Where the clock was turned back, it may have shown the next day before.
        let newest = newest.succ_opt().unwrap_or(newest);
        let nothing = self.quiet.weekdays.are_all() || self.times.is_empty();
        let days = std::iter::successors((!nothing).then_some(newest), NaiveDate::pred_opt);
        let mut before = None;
        days.take_while(move |day| *day >= oldest)
            .flat_map(move |day| self.times.iter().rev().filter_map(move |time| self.slot(day, *time)))
            .skip_while(move |slot| slot.moment > until)
            .take_while(move |slot| slot.moment > after)
            .filter(move |slot| before.replace(slot.moment) != Some(slot.moment))
    }
}

/// The first slot behind `after`; none if the plan never speaks again. A weekday that is not quiet speaks a week behind the last quiet
/// date at the latest, so the search ends.
#[must_use]
pub fn next_after(plan: &Plan, after: Timestamp) -> Option<Slot> {
    let weeks = plan.quiet.dates.len() + 3;
    let days = plan.zone.local(after).date().iter_days().take(7 * weeks);
    let mut slots = days.flat_map(|day| plan.times.iter().filter_map(move |time| plan.slot(day, *time)));
    slots.find(|slot| slot.moment > after)
}

/// What a look at a schedule found, and how it stands from then on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The slot that is said now.
    pub say: Option<Slot>,
    /// Slots that passed and are not said, to be recorded: the last [`MOST_NAMED`] of them, the earliest first.
    pub missed: Vec<Slot>,
    /// How many passed and are not said; [`MOST_COUNTED`] for any more than that.
    pub missed_count: usize,
    /// The moment of the last slot that was said or passed over.
    pub last: Timestamp,
    /// When to look again; never, if the plan never speaks again.
    pub next: Option<Timestamp>,
}

/// What became of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It was said.
    Said,
    /// A later one was said in its place.
    Merged,
    /// Its moment had passed for longer than is allowed.
    TooLate,
    /// Its moment passed while nothing was said for the tenant.
    Suspended,
}

impl Fate {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Said, Self::Merged, Self::TooLate, Self::Suspended];

    /// Its number, in tables and as the proto has it.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Said => 1,
            Self::Merged => 2,
            Self::TooLate => 3,
            Self::Suspended => 4,
        }
    }

    /// The one of that number.
    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|fate| fate.code() == code)
    }
}

/// What follows from a look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The slot that is said now.
    pub say: Option<Slot>,
    /// What became of each slot that is named, the earliest first; the one that is said is the last.
    pub fates: Vec<(Slot, Fate)>,
    /// How many slots before those passed like the first of them, and are not named.
    pub unnamed: usize,
}

impl Look {
    /// What follows for a tenant; where it is `suspended`, nothing is said, and all that passed is recorded so. Otherwise the one that is
    /// said speaks for those that were missed, or all were too late.
    #[must_use]
    pub fn outcome(&self, suspended: bool) -> Outcome {
        let say = self.say.filter(|_| !suspended);
        let missed = match (suspended, say) {
            (true, _) => Fate::Suspended,
            (false, Some(_)) => Fate::Merged,
            (false, None) => Fate::TooLate,
        };
        let last = if suspended { Fate::Suspended } else { Fate::Said };
        let fates = self.missed.iter().map(|slot| (*slot, missed)).chain(self.say.map(|slot| (slot, last)));
        Outcome { say, fates: fates.collect(), unnamed: self.missed_count - self.missed.len() }
    }
}

/// Looks at a schedule at `now`, whose last slot said or passed over was at `last`. Of the slots between, the last one is said unless it
/// is later than `late_for`, and it speaks for the others. A schedule begins with the moment it is made at as its `last`.
#[must_use]
pub fn look(plan: &Plan, last: Timestamp, now: Timestamp, late_for: LateFor) -> Look {
    let mut slots = plan.backwards(last, now).take(MOST_COUNTED + 1);
    let latest = slots.next();
    let say = latest.filter(|slot| late_for.allows(slot.moment, now));
    let mut passed = latest.filter(|_| say.is_none()).into_iter().chain(slots);
    let mut missed: Vec<Slot> = passed.by_ref().take(MOST_NAMED).collect();
    missed.reverse();
    let missed_count = (missed.len() + passed.count()).min(MOST_COUNTED);
    let last = latest.map_or(last, |slot| slot.moment);
    Look { say, missed, missed_count, last, next: next_after(plan, last).map(|slot| slot.moment) }
}

/// Looks at a schedule for the last time by its former plan, and at once begins with another, whose slots up to `now` were never due.
/// To be treated as any look: what was due by the former plan is still said.
#[must_use]
pub fn change(former: &Plan, plan: &Plan, last: Timestamp, now: Timestamp, late_for: LateFor) -> Look {
    let look = look(former, last, now, late_for);
    let last = look.last.max(now);
    Look { last, next: next_after(plan, last).map(|slot| slot.moment), ..look }
}

#[cfg(test)]
mod tests;
