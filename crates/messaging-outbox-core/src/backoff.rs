//! How long to wait before the next attempt.

use std::time::Duration;

/// The first wait.
const BASE: Duration = Duration::from_millis(250);
/// The longest wait.
const CAP: Duration = Duration::from_mins(5);

/// The wait after `attempts` attempts (1 or more): doubles from 250 ms to 5 minutes, then between half and all of it by
/// `jitter` (0 to 1), so that many do not come back at once.
#[must_use]
pub fn delay(attempts: u16, jitter: f64) -> Duration {
    let doublings = u32::from(attempts.saturating_sub(1)).min(16);
    let full = BASE.saturating_mul(1 << doublings).min(CAP);
    full.mul_f64(f64::midpoint(1.0, jitter.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn waits_grow_and_stay_within_bounds(attempts in 1u16.., jitter in -1.0f64..2.0) {
            let wait = delay(attempts, jitter);
            prop_assert!(wait >= BASE / 2 && wait <= CAP);
            prop_assert!(delay(attempts.saturating_add(2), 0.0) >= delay(attempts, 1.0).min(CAP / 2));
        }
    }
}
