//! When an event occurred, of whatever LINE's `timestamp` says.

use chrono::{DateTime, TimeDelta};
use kernel::Timestamp;
use ulid::Ulid;

/// The last millisecond that protobuf's `Timestamp` and RFC 3339 can write: the end of the year 9999.
const LAST: i64 = 253_402_300_799_999;
/// How far LINE's clock for `timestamp` may be ahead of its clock for IDs. Clocks differ, but not by days.
const AHEAD: TimeDelta = TimeDelta::days(1);

/// When the event `id` occurred, where LINE's `timestamp` is `stated` (milliseconds since 1970).
///
/// That is what LINE states, unless it cannot be: before 1970, or more than a day after the event got its ID. Then it is the time in
/// the ID, the moment LINE gave it. So one number never makes a list unreadable (no calendar of a caller goes on after the year
/// 9999), puts a conversation in front of all others for ever, or lets a friendship stay as it is whatever follows. The ID's time
/// and not that of receipt, for a redelivered copy must say the same as the first; and as events are only handled whose ID is of the
/// window ([`Window`]), it is never far from receipt.
///
/// [`Window`]: crate::Window
#[must_use]
pub fn occurred_at(stated: i64, id: Ulid) -> Timestamp {
    let of_id = i64::try_from(id.timestamp_ms()).unwrap_or(LAST).min(LAST);
    let latest = of_id.saturating_add(AHEAD.num_milliseconds()).min(LAST);
    let moment = if (0..=latest).contains(&stated) { stated } else { of_id };
    // Every moment of 1970 to 9999 is one of chrono's.
    DateTime::from_timestamp_millis(moment).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Datelike as _;
    use proptest::prelude::*;

    /// 2023-11-14.
    const ISSUED: i64 = 1_700_000_000_123;

    fn at(stated: i64) -> i64 {
        occurred_at(stated, Ulid::from_parts(ISSUED.unsigned_abs(), 5)).timestamp_millis()
    }

    #[test]
    fn what_line_states_holds_where_it_can_be() {
        const DAY: i64 = 86_400_000;
        for stated in [0, 1, ISSUED - 400 * DAY, ISSUED, ISSUED + DAY] {
            assert_eq!(at(stated), stated);
        }
        for stated in [-1, i64::MIN, ISSUED + DAY + 1, LAST, LAST + 1, 1_000_000_000_000_000, i64::MAX] {
            assert_eq!(at(stated), ISSUED, "{stated}");
        }
    }

    proptest! {
        #[test]
        fn every_number_is_a_moment_that_everybody_can_write(stated: i64, id: u128) {
            let moment = occurred_at(stated, Ulid(id));
            prop_assert!((1970..=9999).contains(&moment.year()));
            let written = moment.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
            prop_assert_eq!(DateTime::parse_from_rfc3339(&written).unwrap(), moment);
        }

        #[test]
        fn it_is_never_more_than_a_day_after_the_id(stated: i64, issued in 0..LAST) {
            let moment = occurred_at(stated, Ulid::from_parts(issued.unsigned_abs(), 5)).timestamp_millis();
            prop_assert!(moment == stated || moment == issued);
            prop_assert!(moment <= issued + AHEAD.num_milliseconds());
        }
    }
}
