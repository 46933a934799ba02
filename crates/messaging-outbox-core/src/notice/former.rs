//! How long the secret of a webhook that was replaced signs on beside the new one, so that the endpoint's owner has time to enter it.

use chrono::TimeDelta;
use kernel::Timestamp;

/// How long a replaced secret signs on.
pub const FORMER_FOR: TimeDelta = TimeDelta::hours(24);

/// Until when a secret signs that is replaced at `now`, exclusive. What was a former one then ends at once: two sign, never three.
#[must_use]
pub fn until(now: Timestamp) -> Timestamp {
    now + FORMER_FOR
}

/// Whether a former secret that signs until `until` signs at `now`.
#[must_use]
pub fn signs(until: Timestamp, now: Timestamp) -> bool {
    now < until
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_replaced_secret_signs_for_a_day_and_not_at_its_end() {
        let replaced = Timestamp::UNIX_EPOCH;
        let at = |hours, millis| replaced + TimeDelta::hours(hours) + TimeDelta::milliseconds(millis);
        for (now, wanted) in [(at(0, 0), true), (at(24, -1), true), (at(24, 0), false), (at(48, 0), false)] {
            assert_eq!(signs(until(replaced), now), wanted, "{now}");
        }
    }

    proptest! {
        #[test]
        fn it_signs_exactly_as_long_whenever_it_was_replaced(replaced in 0i64..4_000_000_000, later in 0i64..200_000) {
            let replaced = Timestamp::from_timestamp(replaced, 0).unwrap();
            let now = replaced + TimeDelta::seconds(later);
            prop_assert_eq!(signs(until(replaced), now), later < 24 * 3_600);
        }
    }
}
