//! When a message counts as queued. Its ID carries that time, and the order of IDs is the order of leaving.

use chrono::TimeDelta;
use kernel::Timestamp;

/// How far a clock ahead of ours is believed.
pub const MOST_AHEAD: TimeDelta = TimeDelta::seconds(5);

/// The time of a message that is queued at `now` in a conversation whose last message is of `last`: behind what it answers, also
/// when LINE's clock is a little ahead or both fall into one millisecond.
#[must_use]
pub fn queue_time(last: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let behind = last.map(|last| last + TimeDelta::milliseconds(1));
    behind.filter(|behind| *behind - now < MOST_AHEAD).map_or(now, |behind| behind.max(now))
}

/// The times of messages that are queued together: one behind the other.
pub fn queue_times(last: Option<Timestamp>, now: Timestamp) -> impl Iterator<Item = Timestamp> {
    (0..).map(move |place| queue_time(last, now) + TimeDelta::milliseconds(place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_timestamp_millis(1_700_000_000_000 + milliseconds).unwrap()
    }

    proptest! {
        #[test]
        fn messages_are_queued_behind_the_last_one_and_behind_each_other(last in prop::option::of(-9_000i64..9_000)) {
            let times: Vec<_> = queue_times(last.map(at), at(0)).take(5).collect();
            prop_assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(times[0] >= at(0) && times[0] < at(0) + MOST_AHEAD);
            let believed = last.filter(|last| *last < 4_999);
            prop_assert!(believed.is_none_or(|last| times[0] > at(last)));
        }
    }
}
