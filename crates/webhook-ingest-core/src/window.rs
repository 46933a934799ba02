//! Which events can be told from repetitions.

use chrono::TimeDelta;
use kernel::Timestamp;
use ulid::Ulid;

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

    proptest! {
        #[test]
        fn no_id_and_no_time_breaks_it(id: u128, millis in i64::MIN / 4..i64::MAX / 4, days: u16) {
            let now = DateTime::from_timestamp_millis(millis % 8_000_000_000_000_000).unwrap_or_default();
            let _ = Window::of_days(days).holds(Ulid(id), now);
        }
    }
}
