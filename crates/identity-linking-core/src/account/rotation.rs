//! How long a secret stays valid beside the one that replaces it.

use chrono::TimeDelta;
use kernel::Timestamp;

use crate::Unfit;

/// How long the one before may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Where nothing is asked for.
    pub usual: TimeDelta,
    /// At most.
    pub longest: TimeDelta,
}

/// Channel secrets: webhooks under way during LINE's rotation.
pub const CHANNEL_SECRET_KEEP: Keep = Keep { usual: TimeDelta::minutes(15), longest: TimeDelta::hours(24) };
/// Webhook keys: the time until the new address is entered at LINE.
pub const WEBHOOK_KEY_KEEP: Keep = Keep { usual: TimeDelta::hours(1), longest: TimeDelta::days(30) };

/// Former secrets, or keys, that an account may have beside the current one; of more, those that end first go. Whoever repeats a
/// rotation whose answer was lost must not end what LINE still uses.
pub const FORMER: usize = 8;

/// A secret, or a key, that is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Valid<S> {
    /// Which: whatever tells it from the account's others.
    pub which: S,
    /// When a former one ends; none: the current one.
    pub end: Option<Timestamp>,
}

/// What is valid once `next` is made the current one at `now`: `next` first, then the former ones, those that end last before the
/// others, at most [`FORMER`].
///
/// The one that was current becomes a former one and stays for `keep`; those before it keep their own time; with no time left
/// (zero) all of them end. What is current already becomes no former of itself, so that setting it again, however often, changes
/// nothing; and what was a former one and is current again takes no place among the former ones, so that going back and forth ends
/// no other before its time.
pub fn rotated<S: Clone + PartialEq>(valid: &[Valid<S>], next: &S, keep: TimeDelta, now: Timestamp) -> Vec<Valid<S>> {
    let former = |one: &Valid<S>| Valid { which: one.which.clone(), end: Some(one.end.unwrap_or(now + keep)) };
    let others = valid.iter().filter(|one| one.which != *next && keep > TimeDelta::zero());
    let mut formers: Vec<Valid<S>> = others.map(former).filter(|one| one.end > Some(now)).collect();
    formers.sort_by_key(|one| std::cmp::Reverse(one.end));
    formers.truncate(FORMER);
    let current = Valid { which: next.clone(), end: None };
    std::iter::once(current).chain(formers).collect()
}

/// How long the one before stays valid; zero ends all former ones at once.
///
/// # Errors
/// When more than the longest time, or less than nothing, is asked for.
pub fn keep_previous(asked: Option<TimeDelta>, keep: Keep) -> Result<TimeDelta, Unfit> {
    match asked {
        None => Ok(keep.usual),
        Some(asked) if asked < TimeDelta::zero() => Err(Unfit("is negative")),
        Some(asked) if asked > keep.longest => Err(Unfit("is too long")),
        Some(asked) => Ok(asked),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_time_is_what_was_asked_for_within_its_bounds() {
        assert_eq!(keep_previous(None, CHANNEL_SECRET_KEEP), Ok(TimeDelta::minutes(15)));
        assert_eq!(keep_previous(Some(TimeDelta::zero()), CHANNEL_SECRET_KEEP), Ok(TimeDelta::zero()));
        assert_eq!(keep_previous(Some(TimeDelta::hours(24)), CHANNEL_SECRET_KEEP), Ok(TimeDelta::hours(24)));
        assert!(keep_previous(Some(TimeDelta::hours(25)), CHANNEL_SECRET_KEEP).is_err());
        assert!(keep_previous(Some(TimeDelta::hours(25)), WEBHOOK_KEY_KEEP).is_ok());
        assert!(keep_previous(Some(TimeDelta::seconds(-1)), WEBHOOK_KEY_KEEP).is_err());
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_timestamp(minute * 60, 0).unwrap()
    }

    /// After setting these one after another, each a minute after the one before, the one before staying for an hour.
    fn after(secrets: &[&'static str]) -> Vec<&'static str> {
        let mut valid = Vec::new();
        for (secret, minute) in secrets.iter().zip(0..) {
            valid = rotated(&valid, secret, TimeDelta::hours(1), at(minute));
        }
        valid.into_iter().map(|one| one.which).collect()
    }

    #[test]
    fn what_is_set_again_takes_no_place_of_another() {
        assert_eq!(after(&["a", "b"]), ["b", "a"]);
        assert_eq!(after(&["a", "b", "b", "b", "b", "b", "b", "b", "b", "b", "b"]), ["b", "a"]);
        assert_eq!(after(&["a", "b", "c", "b", "c", "b", "c", "b", "c", "b", "c"]), ["c", "b", "a"]);
        assert_eq!(
            after(&["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]),
            ["j", "i", "h", "g", "f", "e", "d", "c", "b"]
        );
    }

    #[test]
    fn with_no_time_left_all_former_ones_end() {
        let valid = rotated(&rotated(&[], &"a", TimeDelta::hours(1), at(0)), &"b", TimeDelta::hours(1), at(1));
        for next in ["a", "b", "c"] {
            assert_eq!(rotated(&valid, &next, TimeDelta::zero(), at(2)), [Valid { which: next, end: None }]);
        }
    }

    proptest! {
        /// As long as there are no more than the places hold, each former one stays exactly as long as was asked for when it
        /// ceased to be the current one, whatever is set meanwhile and however often.
        #[test]
        fn none_ends_before_its_time_or_after(
            steps in prop::collection::vec((0..=FORMER, 1..90i64, 0..30i64), 1..60),
        ) {
            let (mut valid, mut ends, mut minute) = (Vec::new(), BTreeMap::new(), 0);
            for (next, keep, later) in steps {
                minute += later;
                let (now, keep) = (at(minute), TimeDelta::minutes(keep));
                let current = valid.first().map(|one: &Valid<usize>| one.which);
                if let Some(before) = current.filter(|before| *before != next) {
                    ends.insert(before, now + keep);
                }
                ends.remove(&next);
                valid = rotated(&valid, &next, keep, now);
                ends.retain(|_, end| *end > now);
                prop_assert_eq!(valid[0].clone(), Valid { which: next, end: None });
                let told: BTreeMap<_, _> = valid[1..].iter().map(|one| (one.which, one.end.unwrap())).collect();
                prop_assert_eq!(&told, &ends);
                prop_assert_eq!(rotated(&valid, &next, keep, now), valid.clone(), "setting it again changes nothing");
            }
        }

        #[test]
        fn however_many_are_set_the_places_are_bounded(nexts in prop::collection::vec(0..40u8, 1..60)) {
            let mut valid = Vec::new();
            for (next, minute) in nexts.iter().zip(0..) {
                valid = rotated(&valid, next, TimeDelta::days(30), at(minute));
                prop_assert!(valid.len() <= FORMER + 1);
                prop_assert_eq!(valid.iter().filter(|one| one.end.is_none()).count(), 1);
            }
        }
    }
}
