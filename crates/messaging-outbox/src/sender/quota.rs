//! What a refusal for the month's limit means: LINE's numbers are asked for, kept, and remembered for a few seconds.

use std::time::Duration;

use line_client::{ChannelAccessToken, Failure, FailureKind, resolve_limit};
use line_types::api::{Consumption, Quota};
use messaging_outbox_core::quota::{QuotaMonth, QuotaVerdict};
use quick_cache::sync::Cache;
use tokio::time::Instant;

use super::Tools;
use crate::postgres::account::AccountKey;
use crate::postgres::quota;

/// How long LINE's numbers serve for further refusals.
const FRESH_FOR: Duration = Duration::from_secs(5);
/// How long asking may take.
const DEADLINE: Duration = Duration::from_secs(3);
/// Accounts remembered at most; those longest unused are forgotten first.
const KEPT: usize = 20_000;

/// What LINE last told of each account.
pub(super) struct Quotas(Cache<AccountKey, (Instant, Quota, Consumption)>);

impl Default for Quotas {
    fn default() -> Self {
        Self(Cache::new(KEPT))
    }
}

/// What a 429 means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// Too many calls.
    Rate,
    /// The month's quota.
    Month(QuotaVerdict),
}

impl Quotas {
    /// Tells what a refusal of `kind` means. When LINE does not tell its numbers, what it named: the month's limit, as if it
    /// were reserved, or the rate.
    pub(super) async fn judge(
        &self,
        tools: &Tools,
        key: AccountKey,
        token: &ChannelAccessToken,
        kind: FailureKind,
    ) -> Limit {
        let unknown =
            if kind == FailureKind::MonthlyLimit { Limit::Month(QuotaVerdict::Reserved) } else { Limit::Rate };
        let Ok((told, consumption)) = self.told(tools, key, token).await else { return unknown };
        match resolve_limit(kind, &told, consumption, 1, 0) {
            FailureKind::QuotaUsedUp => Limit::Month(QuotaVerdict::UsedUp),
            FailureKind::QuotaReserved => Limit::Month(QuotaVerdict::Reserved),
            _ => Limit::Rate,
        }
    }

    async fn told(
        &self,
        tools: &Tools,
        key: AccountKey,
        token: &ChannelAccessToken,
    ) -> Result<(Quota, Consumption), Failure> {
        if let Some((time, told, consumption)) = self.0.get(&key)
            && time.elapsed() < FRESH_FOR
        {
            return Ok((told, consumption));
        }
        let (told, consumption) =
            tokio::try_join!(tools.line.quota(token, DEADLINE), tools.line.consumption(token, DEADLINE))?;
        let now = tools.clock.now();
        self.0.insert(key, (Instant::now(), told.clone(), consumption));
        let keep = async {
            let mut tx = tools.database.tenant(key.tenant).await?;
            let (month, used) = (QuotaMonth::of(now), consumption.total_usage);
            quota::keep_reading(&mut tx, key.account, month, told.limit(), used, now).await?;
            tx.commit().await
        };
        if let Err(error) = keep.await {
            tracing::warn!(account = %key.account, error = %error, "the quota's reading is not kept");
        }
        Ok((told, consumption))
    }
}
