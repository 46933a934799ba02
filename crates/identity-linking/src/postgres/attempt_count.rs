//! How many attempts there were: the attempts themselves are counted, as far as matters. Those that came with a form token which was
//! good for nothing any more are not: whoever holds one, or sends an old form again and again, uses up nobody's tries.

use chassis::postgres::TenantTx;
use chrono::TimeDelta;
use identity_linking_core::link::{Counted, RateScope};
use kernel::{AccountId, CustomerId, FriendId, Timestamp};

/// Attempts of a LINE user.
pub(crate) async fn of_line_user(tx: &mut TenantTx, friend: FriendId, now: Timestamp) -> Result<Counted, sqlx::Error> {
    let (from, until) = RateScope::LineUser.counted_at(now);
    let number: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (
             SELECT FROM identity.link_attempt WHERE tenant_id = $1 AND friend_id = $2 AND submit_time > $3
                 AND submit_time <= $5 AND counts LIMIT $4) a",
    )
    .bind(tx.tenant().uuid())
    .bind(friend.uuid())
    .bind(from)
    .bind(i64::from(RateScope::LineUser.limit()))
    .bind(until)
    .fetch_one(&mut **tx)
    .await?;
    Ok(counted(RateScope::LineUser, number))
}

/// Attempts by way of an account. What was too much of one LINE user or address is not too much of an
/// account.
pub(crate) async fn of_account(tx: &mut TenantTx, account: AccountId, now: Timestamp) -> Result<Counted, sqlx::Error> {
    let (from, until) = RateScope::Account.counted_at(now);
    let number: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (
             SELECT FROM identity.link_attempt WHERE tenant_id = $1 AND account_id = $2 AND submit_time > $3
                 AND submit_time <= $5 AND counts AND NOT limited LIMIT $4) a",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(from)
    .bind(i64::from(RateScope::Account.limit()))
    .bind(until)
    .fetch_one(&mut **tx)
    .await?;
    Ok(counted(RateScope::Account, number))
}

/// Attempts from a browser's address, by its keyed hash.
pub(crate) async fn from_address(
    tx: &mut TenantTx,
    address: &[u8; 32],
    now: Timestamp,
) -> Result<Counted, sqlx::Error> {
    let (from, until) = RateScope::Address.counted_at(now);
    let number: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (
             SELECT FROM identity.link_attempt WHERE tenant_id = $1 AND address_hash = $2 AND submit_time > $3
                 AND submit_time <= $5 AND counts LIMIT $4) a",
    )
    .bind(tx.tenant().uuid())
    .bind(address.as_slice())
    .bind(from)
    .bind(i64::from(RateScope::Address.limit()))
    .bind(until)
    .fetch_one(&mut **tx)
    .await?;
    Ok(counted(RateScope::Address, number))
}

/// How late LINE's word may come and be counted still: by the time of submission the index finds them.
const LATEST_WORD: TimeDelta = TimeDelta::days(1);

/// The most attempts that any of some customers was looked at by, as far as a scope of customers counts.
pub(crate) async fn at_customers(
    tx: &mut TenantTx,
    scope: RateScope,
    customers: &[CustomerId],
    now: Timestamp,
) -> Result<Counted, sqlx::Error> {
    let (from, until) = scope.counted_at(now);
    let number: i64 = sqlx::query_scalar(
        "SELECT coalesce(max(n.number), 0) FROM unnest($2::uuid[]) AS c (id)
         CROSS JOIN LATERAL (
             SELECT count(*) AS number FROM (
                 SELECT FROM identity.link_attempt_customer
                 WHERE tenant_id = $1 AND customer_id = c.id AND submit_time > $5
                     AND decide_time > $3 AND decide_time <= $6 LIMIT $4) a) n",
    )
    .bind(tx.tenant().uuid())
    .bind(customers.iter().map(|customer| customer.uuid()).collect::<Vec<_>>())
    .bind(from)
    .bind(i64::from(scope.limit()))
    .bind(from - LATEST_WORD)
    .bind(until)
    .fetch_one(&mut **tx)
    .await?;
    Ok(counted(scope, number))
}

fn counted(scope: RateScope, number: i64) -> Counted {
    Counted { scope, number: u32::try_from(number).unwrap_or(u32::MAX) }
}
