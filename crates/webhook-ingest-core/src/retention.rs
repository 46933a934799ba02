//! For how long bodies are kept: as long as each tenant says, whole days at UTC.

use chrono::{DurationRound, TimeDelta};
use kernel::Timestamp;

/// The least that can be kept: a lost stream is filled again from seven days.
pub const LEAST_BODY_DAYS: u16 = 8;
/// The most.
pub const MOST_BODY_DAYS: u16 = 3_650;

/// What is older than this is kept no more: the beginning of the day so many days ago. Partitions are of days, so that whoever keeps
/// as long as everybody has whole ones dropped and no row deleted.
#[must_use]
pub fn kept_from(now: Timestamp, days: u16) -> Timestamp {
    let today = now.duration_trunc(TimeDelta::days(1)).unwrap_or(now);
    today.checked_sub_signed(TimeDelta::days(i64::from(days))).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// For how long a tenant's bodies are kept: as it says, or as the platform does where it says nothing (0).
#[must_use]
pub fn effective_days(said: u16, platform: u16) -> u16 {
    if said == 0 { platform } else { said.clamp(LEAST_BODY_DAYS, MOST_BODY_DAYS) }
}

/// The longest that anybody keeps: what is older goes by whole partitions.
#[must_use]
pub fn longest_days(said: impl IntoIterator<Item = u16>, platform: u16) -> u16 {
    said.into_iter().map(|days| effective_days(days, platform)).fold(platform, u16::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_ends_with_whole_days() {
        let noon: Timestamp = "2026-11-23T12:34:56Z".parse().unwrap();
        assert_eq!(kept_from(noon, 8).to_rfc3339(), "2026-11-15T00:00:00+00:00");
        assert_eq!(kept_from(Timestamp::UNIX_EPOCH, 3_650).timestamp(), -3_650 * 86_400);
    }

    proptest! {
        #[test]
        fn nobody_loses_by_partitions_what_they_keep(said in prop::collection::vec(0u16..4_000, 0..5), platform in 8u16..3_650) {
            let longest = longest_days(said.iter().copied(), platform);
            prop_assert!(said.iter().all(|days| effective_days(*days, platform) <= longest) && platform <= longest);
            prop_assert!(said.iter().map(|days| effective_days(*days, platform)).chain([platform]).any(|days| days == longest));
            prop_assert!(said.iter().all(|days| (LEAST_BODY_DAYS..=MOST_BODY_DAYS).contains(&effective_days(*days, platform))));
        }
    }
}
