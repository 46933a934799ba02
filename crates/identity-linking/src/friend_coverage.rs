//! Asking LINE once a day how many friends an account has, to show how many of them are not known (F-60).

use chassis::postgres::TenantTx;
use identity_linking_core::account::{AccountPurpose, Coverage, FollowerCount, KnownUsers, day_to_ask, end_of};
use kernel::{AccountId, TenantId, Timestamp};
use tonic::Code;

use crate::gateway::Gateway;
use crate::postgres::account::EquippedAccount;
use crate::postgres::{friend_coverage, friendship};

/// LINE's figures of the day that is due for a connected account; none where no day is due, where the account has no customers for
/// friends, or where LINE does not tell. Then what is kept stands, and the next check asks again.
pub(crate) async fn ask(
    gateway: &Gateway,
    tenant: TenantId,
    account: &EquippedAccount,
    now: Timestamp,
) -> Option<FollowerCount> {
    if account.stored.value.purpose != AccountPurpose::Customers {
        return None;
    }
    let day = day_to_ask(now, account.coverage.map(|kept| kept.as_of))?;
    let (outcome, told) = match gateway.follower_count(tenant, account.stored.id, day).await {
        Ok(told) => (if told.is_some() { "told" } else { "not_counted" }, told),
        Err(status) => {
            let code = status.code();
            if code == Code::PermissionDenied {
                // It stays so until somebody acts: the token is from before this method was there.
                tracing::warn!(account = %account.stored.id, "this service's token may not ask for followers: make a new one");
            } else {
                tracing::debug!(?code, account = %account.stored.id, "LINE does not tell an account's followers");
            }
            ("unanswered", None)
        }
    };
    metrics::counter!("tsunagi_identity_follower_counts_total", "outcome" => outcome).increment(1);
    told
}

/// Keeps what LINE's figures come to beside whom the account knows now.
pub(crate) async fn keep(tx: &mut TenantTx, account: AccountId, told: FollowerCount) -> Result<(), sqlx::Error> {
    let number = |number: i64| u64::try_from(number).unwrap_or_default();
    let known = friendship::count(tx, account).await?;
    let came_since = friend_coverage::count_friends_since(tx, account, end_of(told.day)).await?;
    let known = KnownUsers { friends: number(known.friends), seen: number(known.seen), came_since: number(came_since) };
    friend_coverage::put(tx, account, Coverage::of(told, known)).await
}
