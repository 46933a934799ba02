//! Until when a reply token is worth trying.
//!
//! LINE: use it within one minute of receiving the webhook; the token of a redelivered webhook within one minute of that
//! delivery and within 20 minutes of the event (<https://developers.line.biz/en/reference/messaging-api/#send-reply-message-reply-token>).

use chrono::TimeDelta;
use kernel::Timestamp;

/// How long after receipt a token is tried: LINE's minute, less what receiving and calling may take.
pub const AFTER_RECEIPT: TimeDelta = TimeDelta::seconds(50);
/// How long after the event a redelivered token is tried: LINE's 20 minutes, less the same.
pub const AFTER_EVENT: TimeDelta = TimeDelta::seconds(20 * 60 - 10);
/// A token with less time than this left is not tried any more: the call itself takes time.
pub const LEAST_LEFT: TimeDelta = TimeDelta::seconds(2);

/// The moment after which the token of an event is not tried any more.
#[must_use]
pub fn usable_until(event_time: Timestamp, receive_time: Timestamp) -> Timestamp {
    (receive_time + AFTER_RECEIPT).min(event_time + AFTER_EVENT)
}

/// Whether a token usable until `until` is worth a call at `now`.
#[must_use]
pub fn is_usable(until: Timestamp, now: Timestamp) -> bool {
    until - now >= LEAST_LEFT
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn a_fresh_token_lives_by_its_receipt_and_a_late_one_by_its_event() {
        assert_eq!(usable_until(at(0), at(1)), at(51));
        assert_eq!(usable_until(at(0), at(600)), at(650));
        assert_eq!(usable_until(at(0), at(1_180)), at(1_190));
        assert!(is_usable(at(50), at(48)));
        assert!(!is_usable(at(50), at(49)));
    }

    proptest! {
        #[test]
        fn no_token_is_tried_outside_lines_own_bounds(delay in 0i64..5_000, wait in 0i64..5_000) {
            let (event, received, now) = (at(0), at(delay), at(delay + wait));
            if is_usable(usable_until(event, received), now) {
                prop_assert!(now - received < TimeDelta::seconds(60));
                prop_assert!(now - event < TimeDelta::minutes(20));
            }
        }
    }
}
