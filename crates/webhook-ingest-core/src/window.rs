//! Which events can be told from repetitions.

use chrono::TimeDelta;
use kernel::Timestamp;
use ulid::Ulid;

/// How far outside of the window an ID may lie and still be kept when a person asks for it: each such ID keeps a week of IDs of its own,
/// and nobody shall be able to ask for more of them than these years have.
const REACH: TimeDelta = TimeDelta::days(366);

/// Where an event's ID stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In the window.
    Inside,
    /// Outside, and near enough to be kept when a person asks for it.
    Outside,
    /// Further away than that, or it has left the window since it came: it may have been handled, and that is forgotten.
    OutOfReach,
}

/// The span of event IDs in which a repetition is recognised: IDs seen are kept at least this long, counted by the time that
/// the ID itself carries. An event outside of it cannot be told from a repetition, so its body is quarantined, and it is never handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    past: TimeDelta,
    future: TimeDelta,
}

impl Window {
    /// The span from `days` days ago (at most 3,650) to one day ahead: clocks differ, but not by days.
    #[must_use]
    pub fn of_days(days: u16) -> Self {
        Self { past: TimeDelta::days(i64::from(days.min(3_650))), future: TimeDelta::days(1) }
    }

    /// Whether the ID's own time lies inside the span at `now`.
    #[must_use]
    pub fn holds(&self, id: Ulid, now: Timestamp) -> bool {
        let at = i64::try_from(id.timestamp_ms()).unwrap_or(i64::MAX);
        let bound = |moment: Option<Timestamp>, beyond: i64| moment.map_or(beyond, |moment| moment.timestamp_millis());
        bound(now.checked_sub_signed(self.past), i64::MIN) <= at
            && at <= bound(now.checked_add_signed(self.future), i64::MAX)
    }

    /// Where the ID of an event that was received then stands at `now`.
    #[must_use]
    pub fn standing(&self, id: Ulid, received: Timestamp, now: Timestamp) -> Standing {
        let reach = Self { past: self.past + REACH, future: REACH };
        let has_left = self.is_past(id, now) && !self.is_past(id, received);
        match (self.holds(id, now), reach.holds(id, now) && !has_left) {
            (true, _) => Standing::Inside,
            (false, true) => Standing::Outside,
            (false, false) => Standing::OutOfReach,
        }
    }

    /// Until when an ID that was let in from outside of the window must be known: from then on it is out of reach.
    #[must_use]
    pub fn known_until(&self, id: Ulid) -> Timestamp {
        // One day more: clocks differ.
        let millis = i64::try_from(id.timestamp_ms()).unwrap_or(i64::MAX);
        let issued = Timestamp::from_timestamp_millis(millis).unwrap_or(Timestamp::MAX_UTC);
        issued.checked_add_signed(self.past + REACH + TimeDelta::days(1)).unwrap_or(Timestamp::MAX_UTC)
    }

    fn is_past(&self, id: Ulid, now: Timestamp) -> bool {
        let at = i64::try_from(id.timestamp_ms()).unwrap_or(i64::MAX);
        now.checked_sub_signed(self.past).is_some_and(|first| at < first.timestamp_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use proptest::prelude::*;

    const DAY: i64 = 86_400_000;

    fn id(millis: i64) -> Ulid {
        Ulid::from_parts(u64::try_from(millis).unwrap(), 5)
    }

    #[test]
    fn its_ends_belong_to_the_window() {
        let (window, noon) = (Window::of_days(90), 20_000 * DAY);
        let now = DateTime::from_timestamp_millis(noon).unwrap();
        assert!(window.holds(id(noon - 90 * DAY), now));
        assert!(!window.holds(id(noon - 90 * DAY - 1), now));
        assert!(window.holds(id(noon + DAY), now));
        assert!(!window.holds(id(noon + DAY + 1), now));
    }

    #[test]
    fn a_year_around_the_window_is_in_reach() {
        let (window, noon) = (Window::of_days(90), 20_000 * DAY);
        let now = DateTime::from_timestamp_millis(noon).unwrap();
        for (inside, outside, beyond) in [(-90 * DAY, -90 * DAY - 1, -456 * DAY - 1), (DAY, DAY + 1, 366 * DAY + 1)] {
            assert_eq!(window.standing(id(noon + inside), now, now), Standing::Inside);
            assert_eq!(window.standing(id(noon + outside), now, now), Standing::Outside);
            let last = beyond - beyond.signum();
            assert_eq!(window.standing(id(noon + last), now, now), Standing::Outside);
            assert_eq!(window.standing(id(noon + beyond), now, now), Standing::OutOfReach);
        }
    }

    proptest! {
        #[test]
        fn no_id_and_no_time_breaks_it(id: u128, millis in i64::MIN / 4..i64::MAX / 4, days: u16) {
            let now = DateTime::from_timestamp_millis(millis % 8_000_000_000_000_000).unwrap_or_default();
            let window = Window::of_days(days);
            prop_assert_eq!(window.holds(Ulid(id), now), window.standing(Ulid(id), now, now) == Standing::Inside);
            let _ = window.known_until(Ulid(id));
        }

        /// What was let in is known as long as anybody could let it in again, and what could be accepted when it came is let in by nobody
        /// once that may be forgotten.
        #[test]
        fn nothing_is_let_in_that_may_have_been_before(issued in 0i64..1_000, came in 0i64..2_000, since in 0i64..2_000) {
            let (window, day) = (Window::of_days(90), |days: i64| DateTime::from_timestamp_millis(days * DAY).unwrap());
            let (id, received, now) = (id(issued * DAY), day(came), day(came + since));
            let standing = window.standing(id, received, now);
            if standing == Standing::Outside {
                prop_assert!(now < window.known_until(id));
                let forgotten = now > day(issued) + TimeDelta::days(91);
                let was_inside = (came..=came + since).any(|at| window.holds(id, day(at)));
                prop_assert!(!(forgotten && was_inside), "{issued} {came} {since}");
            }
        }
    }
}
