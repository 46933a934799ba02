//! The monthly quota, and what a 429 about it means.

use std::time::Duration;

use line_types::{
    api::{Consumption, Quota, QuotaKind},
    rate::Endpoint,
};

use crate::{
    client::LineClient,
    failure::{Failure, FailureKind},
    token::ChannelAccessToken,
};

impl LineClient {
    /// This month's limit: `GET /v2/bot/message/quota`.
    pub async fn quota(&self, token: &ChannelAccessToken, deadline: Duration) -> Result<Quota, Failure> {
        let url = self.endpoints().api(&["v2", "bot", "message", "quota"]);
        self.call(Endpoint::Quota, self.get(url, token), deadline).await?.json()
    }

    /// What of it is used, approximately: `GET /v2/bot/message/quota/consumption`.
    pub async fn consumption(&self, token: &ChannelAccessToken, deadline: Duration) -> Result<Consumption, Failure> {
        let url = self.endpoints().api(&["v2", "bot", "message", "quota", "consumption"]);
        self.call(Endpoint::QuotaConsumption, self.get(url, token), deadline).await?.json()
    }
}

/// Tells what a [`FailureKind::MonthlyLimit`] or [`FailureKind::TooMany`] means, from the quota asked for after it; any
/// other kind stays as it is.
///
/// `recipients` is what the refused request would have counted, `reserved` what our own running bulk sends hold. LINE
/// answers the same 429 when the month is used up and while a narrowcast or broadcast (ours, or one of LINE's own manager)
/// holds a reservation: <https://developers.line.biz/en/reference/messaging-api/#send-narrowcast-message-cautions>.
///
/// - Fewer messages left than recipients: used up.
/// - Enough left, and LINE names the limit: reserved, by us or by others.
/// - Enough left, in other words: reserved if our own reservations explain it, else the rate limit.
pub fn resolve_limit(
    kind: FailureKind,
    quota: &Quota,
    consumption: Consumption,
    recipients: u64,
    reserved: u64,
) -> FailureKind {
    let named = match kind {
        FailureKind::MonthlyLimit => true,
        FailureKind::TooMany => false,
        other => return other,
    };
    let left = match (&quota.kind, quota.value) {
        (QuotaKind::Limited, Some(limit)) => limit.saturating_sub(consumption.total_usage),
        _ => u64::MAX,
    };
    let needed = recipients.max(1);
    if left < needed {
        FailureKind::QuotaUsedUp
    } else if named || left.saturating_sub(reserved) < needed {
        FailureKind::QuotaReserved
    } else {
        FailureKind::RateLimited
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn resolve(kind: FailureKind, limit: Option<u64>, used: u64, recipients: u64, reserved: u64) -> FailureKind {
        let kind_of = if limit.is_some() { QuotaKind::Limited } else { QuotaKind::None };
        let quota = Quota { kind: kind_of, value: limit };
        resolve_limit(kind, &quota, Consumption { total_usage: used }, recipients, reserved)
    }

    #[test]
    fn the_quota_tells_what_a_429_means() {
        use FailureKind::{MonthlyLimit, QuotaReserved, QuotaUsedUp, RateLimited, Refused, TooMany};
        let table = [
            (MonthlyLimit, Some(200), 200, 1, 0, QuotaUsedUp),
            (MonthlyLimit, Some(200), 210, 1, 0, QuotaUsedUp),
            (MonthlyLimit, Some(200), 150, 51, 0, QuotaUsedUp),
            (MonthlyLimit, Some(200), 150, 50, 0, QuotaReserved),
            (MonthlyLimit, Some(200), 0, 1, 200, QuotaReserved),
            (MonthlyLimit, None, 1_000_000, 1, 0, QuotaReserved),
            (TooMany, Some(200), 200, 1, 0, QuotaUsedUp),
            (TooMany, Some(200), 100, 1, 100, QuotaReserved),
            (TooMany, Some(200), 100, 1, 99, RateLimited),
            (TooMany, None, 100, 1, 99, RateLimited),
            (Refused, Some(0), 0, 1, 0, Refused),
        ];
        for (kind, limit, used, recipients, reserved, expected) in table {
            let found = resolve(kind, limit, used, recipients, reserved);
            assert_eq!(found, expected, "{kind:?} {limit:?} {used} {recipients} {reserved}");
        }
    }

    proptest! {
        /// Used up is never said while enough is left, and never kept back when nothing is.
        #[test]
        fn used_up_means_used_up(limit in 0..1_000u64, used in 0..1_000u64, recipients in 1..100u64, reserved in 0..1_000u64,
            named: bool) {
            let kind = if named { FailureKind::MonthlyLimit } else { FailureKind::TooMany };
            let found = resolve(kind, Some(limit), used, recipients, reserved);
            prop_assert_eq!(found == FailureKind::QuotaUsedUp, used + recipients > limit);
        }
    }
}
