//! How late is not too late.

use std::time::Duration;

use kernel::Timestamp;

use crate::Unfit;

/// The longest lateness that can be chosen: 366 days, in seconds.
const LONGEST: u32 = 366 * 24 * 3_600;

/// How long behind its moment something is still done: whole seconds, from none to 366 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LateFor(u32);

impl LateFor {
    /// One minute.
    pub const MINUTE: Self = Self(60);
    /// One hour.
    pub const HOUR: Self = Self(3_600);

    /// Reads a lateness somebody chose.
    ///
    /// # Errors
    /// When it is longer than 366 days, or not in whole seconds.
    pub fn parse(chosen: Duration) -> Result<Self, Unfit> {
        if chosen.subsec_nanos() != 0 {
            return Err(Unfit("is not in whole seconds"));
        }
        let seconds = u32::try_from(chosen.as_secs()).ok().filter(|seconds| *seconds <= LONGEST);
        seconds.map(Self).ok_or(Unfit("is longer than 366 days"))
    }

    /// So many hours, at most 366 days.
    #[must_use]
    pub const fn hours(hours: u16) -> Self {
        let seconds = hours as u32 * 3_600;
        Self(if seconds < LONGEST { seconds } else { LONGEST })
    }

    /// The lateness kept as that many seconds; what is out of range is the nearest there is.
    #[must_use]
    pub fn from_seconds(seconds: i32) -> Self {
        Self(u32::try_from(seconds).unwrap_or(0).min(LONGEST))
    }

    /// In seconds.
    #[must_use]
    pub fn seconds(self) -> i32 {
        i32::try_from(self.0).unwrap_or(i32::MAX)
    }

    /// As a length of time.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }

    /// Whether what was for `moment` is still done at `now`: to the last microsecond of the lateness, and before its moment.
    #[must_use]
    pub fn allows(self, moment: Timestamp, now: Timestamp) -> bool {
        now.signed_duration_since(moment).to_std().unwrap_or_default() <= self.duration()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lateness_is_bounded_and_comes_back_from_seconds(seconds in 0..2 * u64::from(LONGEST), nanos in 0u32..2) {
            match LateFor::parse(Duration::new(seconds, nanos)) {
                Ok(late) => {
                    prop_assert_eq!(late.duration(), Duration::from_secs(seconds));
                    prop_assert_eq!(LateFor::from_seconds(late.seconds()), late);
                }
                Err(_) => prop_assert!(nanos > 0 || seconds > u64::from(LONGEST)),
            }
        }

        #[test]
        fn in_time_is_until_the_lateness_is_over(seconds in 0i32..1_000_000, late in -2_000_000i64..2_000_000) {
            let (for_long, moment) = (LateFor::from_seconds(seconds), Timestamp::UNIX_EPOCH);
            let now = Timestamp::from_timestamp(late, 0).unwrap();
            prop_assert_eq!(for_long.allows(moment, now), late <= i64::from(seconds));
            let end = Timestamp::from_timestamp(seconds.into(), 1_000).unwrap();
            prop_assert!(!for_long.allows(moment, end), "a microsecond more is too late");
        }
    }

    #[test]
    fn nothing_breaks_at_the_ends_of_time() {
        assert!(LateFor::HOUR.allows(Timestamp::MAX_UTC, Timestamp::MIN_UTC));
        assert!(!LateFor::HOUR.allows(Timestamp::MIN_UTC, Timestamp::MAX_UTC));
        assert_eq!(LateFor::from_seconds(-1).seconds(), 0);
        assert_eq!(LateFor::from_seconds(i32::MAX), LateFor::hours(u16::MAX));
        assert_eq!(LateFor::hours(1), LateFor::HOUR);
        assert!(LateFor::parse(Duration::from_secs(LONGEST.into())).is_ok());
        assert!(LateFor::parse(Duration::from_secs(u64::from(LONGEST) + 1)).is_err());
    }
}
