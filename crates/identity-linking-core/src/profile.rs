//! When to ask LINE again for a profile that could not be had.

use std::time::Duration;

/// Tries before a profile is given up; with the pauses below that takes about a day.
const MAX_TRIES: u16 = 32;
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// The pause after the `tries`-th try (counted from 1) failed: doubling from 2 seconds to 1 hour, spread by `chance` (0 to 1)
/// over its second half, so that many users' profiles are not asked for at once. None: given up until the next follow.
pub fn pause_after(tries: u16, chance: f64) -> Option<Duration> {
    if tries >= MAX_TRIES {
        return None;
    }
    let doubled = FIRST_PAUSE * (1 << tries.saturating_sub(1).min(20));
    let whole = doubled.min(LONGEST_PAUSE);
    Some(whole / 2 + (whole / 2).mul_f64(chance.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_pauses_double_to_an_hour_and_end() {
        assert_eq!(pause_after(1, 1.0), Some(FIRST_PAUSE));
        assert_eq!(pause_after(2, 1.0), Some(FIRST_PAUSE * 2));
        assert_eq!(pause_after(31, 1.0), Some(LONGEST_PAUSE));
        assert_eq!(pause_after(32, 0.0), None);
    }

    proptest! {
        #[test]
        fn a_pause_is_never_nothing_and_never_over_an_hour(tries in 1u16..32, chance: f64) {
            let pause = pause_after(tries, chance).unwrap();
            prop_assert!(pause >= FIRST_PAUSE / 2 && pause <= LONGEST_PAUSE);
        }
    }
}
