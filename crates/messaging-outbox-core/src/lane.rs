//! What a lane's lease lets its holder do.
//!
//! One replica at a time sends for an account. LINE cannot check a fencing token, so the holder looks at what is left of its
//! lease before each call, and a new holder leaves what the old one had in hand alone for one request's time: every claim is
//! committed before its call, so nothing else can still be on its way.

use std::time::Duration;

/// The times a lane lives by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneTimes {
    /// How long a lease lasts from its last renewal.
    pub lease: Duration,
    /// How often the holder renews it.
    pub renew_every: Duration,
    /// The longest a call to LINE takes before it is given up.
    pub call: Duration,
}

/// Times that leave no moment for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a lease must outlast two renewals and one call to LINE")]
pub struct LaneTimesError;

impl Default for LaneTimes {
    /// Five seconds of lease, renewed every second; three for a call.
    fn default() -> Self {
        Self { lease: Duration::from_secs(5), renew_every: Duration::from_secs(1), call: Duration::from_secs(3) }
    }
}

impl LaneTimes {
    /// Times that fit together: the lease outlasts two renewals and one call.
    pub fn new(lease: Duration, renew_every: Duration, call: Duration) -> Result<Self, LaneTimesError> {
        let fit = !renew_every.is_zero() && !call.is_zero() && renew_every * 2 + call <= lease;
        if fit { Ok(Self { lease, renew_every, call }) } else { Err(LaneTimesError) }
    }

    /// Whether a call may begin `since_renewal` after the lease was last renewed: it must end before the lease does.
    #[must_use]
    pub fn may_call(&self, since_renewal: Duration) -> bool {
        since_renewal + self.call < self.lease
    }

    /// How long a new holder leaves alone what another holder had in hand. `released`: the other gave the lane back, so
    /// nothing is in hand.
    #[must_use]
    pub const fn settle(&self, released: bool) -> Duration {
        if released { Duration::ZERO } else { self.call }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_call_outlives_its_lease_and_none_is_in_the_air_when_the_next_holder_touches_it(
            lease in 1u64..20_000, renew in 0u64..5_000, call in 0u64..10_000, since in 0u64..20_000, takeover in 0u64..5_000,
        ) {
            let ms = Duration::from_millis;
            if let Ok(times) = LaneTimes::new(ms(lease), ms(renew), ms(call)) {
                prop_assert!(times.may_call(times.renew_every), "a holder that renews in time can always call");
                if times.may_call(ms(since)) {
                    let last_answer = ms(since) + times.call;
                    prop_assert!(last_answer < times.lease);
                    prop_assert!(last_answer < times.lease + ms(takeover) + times.settle(false));
                }
            }
        }
    }

    #[test]
    fn a_released_lane_has_nothing_in_hand() {
        let times = LaneTimes::default();
        assert_eq!(LaneTimes::new(times.lease, times.renew_every, times.call), Ok(times));
        assert_eq!((times.settle(true), times.settle(false)), (Duration::ZERO, Duration::from_secs(3)));
        assert_eq!(
            LaneTimes::new(Duration::from_secs(3), Duration::from_secs(1), Duration::from_secs(3)),
            Err(LaneTimesError)
        );
    }
}
