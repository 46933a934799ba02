//! What an operator should know of an account: counted, never listed request by request.

use std::collections::HashMap;

use chrono::{DurationRound, TimeDelta};
use kernel::{AccountId, TenantId, Timestamp};

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FindingKind {
    /// A request without a signature.
    SignatureMissing,
    /// A request with a signature of another secret or another body, or with no usable one.
    SignatureWrong,
    /// A signed body for another bot: two channels share an address, or the account was registered with the wrong bot.
    WrongDestination,
    /// A signed body of which all or a part cannot be read.
    UnreadableBody,
    /// A body over the size limit.
    BodyTooLarge,
    /// A signed event too old, or too far ahead, to be told from a repetition.
    OutsideWindow,
    /// A body with a signature of another secret is held until that secret is set, or its time is over.
    SignatureHeld,
}

/// One kind of finding of one account in one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Finding {
    /// The tenant.
    pub tenant: TenantId,
    /// The account.
    pub account: AccountId,
    /// The hour it was counted in: its first moment.
    pub hour: Timestamp,
    /// What was found.
    pub kind: FindingKind,
}

/// How often a finding occurred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// How often.
    pub count: i64,
    /// The last time.
    pub last: Timestamp,
}

/// Findings counted since they were last taken. It holds at most one entry per account, kind and hour, and only known
/// accounts have findings, so strangers cannot make it grow.
#[derive(Debug, Default)]
pub struct Tally(HashMap<Finding, Counted>);

impl Tally {
    /// Counts one occurrence.
    pub fn count(&mut self, tenant: TenantId, account: AccountId, kind: FindingKind, now: Timestamp) {
        let hour = now.duration_trunc(TimeDelta::hours(1)).unwrap_or(now);
        self.add(Finding { tenant, account, hour, kind }, Counted { count: 1, last: now });
    }

    /// Adds what was counted elsewhere, or could not be stored.
    pub fn add(&mut self, finding: Finding, counted: Counted) {
        let known = self.0.entry(finding).or_insert(Counted { count: 0, last: counted.last });
        known.count = known.count.saturating_add(counted.count);
        known.last = known.last.max(counted.last);
    }

    /// Takes everything out, in one order for all replicas, so that two that store at once never wait for each other in a
    /// circle.
    pub fn take(&mut self) -> Vec<(Finding, Counted)> {
        let mut taken: Vec<_> = self.0.drain().collect();
        taken.sort_unstable_by_key(|(finding, _)| *finding);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use proptest::prelude::*;
    use uuid::Uuid;

    proptest! {
        #[test]
        fn nothing_is_lost_and_each_hour_has_one_entry(
            seen in prop::collection::vec((0u128..3, 0i64..20_000), 0..60),
            put_back: bool,
        ) {
            let mut tally = Tally::default();
            for &(account, second) in &seen {
                let now = DateTime::from_timestamp(second, 0).unwrap();
                tally.count(Uuid::nil().into(), Uuid::from_u128(account).into(), FindingKind::SignatureWrong, now);
            }
            if put_back {
                for (finding, counted) in tally.take() {
                    tally.add(finding, counted);
                }
            }
            let taken = tally.take();
            prop_assert!(taken.is_sorted_by_key(|(finding, _)| *finding));
            prop_assert_eq!(taken.iter().map(|(_, counted)| counted.count).sum::<i64>(), i64::try_from(seen.len()).unwrap());
            for (finding, counted) in &taken {
                let hour = finding.hour.timestamp();
                prop_assert_eq!(hour % 3_600, 0);
                let of_it: Vec<i64> = seen.iter()
                    .filter(|(account, second)| Uuid::from_u128(*account) == finding.account.uuid() && second - second % 3_600 == hour)
                    .map(|(_, second)| *second).collect();
                prop_assert_eq!(counted.count, i64::try_from(of_it.len()).unwrap());
                prop_assert_eq!(Some(counted.last.timestamp()), of_it.into_iter().max());
            }
            prop_assert!(tally.take().is_empty());
        }
    }
}
