//! Generations: which of a timer's versions is meant.

use kernel::Timestamp;

/// The generation of a timer that is made or changed at `now`, in place of the `known` one: higher than that, and at least the
/// microseconds since 1970, so that a key used again after its timer fired repeats no generation, unless the clock was turned back
/// behind that use. Whoever hears of a lower one than it knows, hears of the past.
#[must_use]
pub fn next(known: Option<i64>, now: Timestamp) -> i64 {
    let by_clock = now.timestamp_micros();
    known.map_or(by_clock, |known| known.saturating_add(1).max(by_clock))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn generations_rise_however_the_clock_is_turned(turns in prop::collection::vec(-9_000_000_000i64..9_000_000_000, 1..30)) {
            let mut known = None;
            for seconds in turns {
                let generation = next(known, Timestamp::from_timestamp(seconds, 0).unwrap());
                prop_assert!(known.is_none_or(|known| generation > known));
                known = Some(generation);
            }
        }

        #[test]
        fn a_key_used_again_after_firing_repeats_no_generation(changes in 0usize..50, made in 0i64..4_000_000_000) {
            let made = Timestamp::from_timestamp(made, 0).unwrap();
            let mut last = next(None, made);
            for _ in 0..changes {
                last = next(Some(last), made);
            }
            // Each change takes a transaction of its own, which is far longer than a microsecond.
            let later = made + chrono::TimeDelta::microseconds(50);
            prop_assert!(next(None, later) > last);
        }
    }

    #[test]
    fn nothing_breaks_at_the_ends_of_time() {
        assert_eq!(next(Some(i64::MAX), Timestamp::MIN_UTC), i64::MAX);
        assert!(next(Some(5), Timestamp::MAX_UTC) > 5);
    }
}
