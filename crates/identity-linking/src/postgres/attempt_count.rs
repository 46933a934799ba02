//! How many attempts there were: the attempts themselves are counted, as far as matters. Those that came with a form token which was
//! good for nothing any more are not: whoever holds one, or sends an old form again and again, uses up nobody's tries.

use chassis::postgres::TenantTx;
use chrono::TimeDelta;
use identity_linking_core::link::{Counted, RateScope};
use kernel::{AccountId, CustomerId, FriendId, Timestamp};

use super::rate::{count_lately, counted, lately};

/// Attempts of a LINE user.
pub(crate) async fn of_line_user(tx: &mut TenantTx, friend: FriendId, now: Timestamp) -> Result<Counted, sqlx::Error> {
    let scope = RateScope::LineUser;
    let statement = count_lately!("link_attempt", "submit_time", "friend_id = $5 AND counts");
    let number = lately(statement, tx.tenant(), scope, now).bind(friend.uuid()).fetch_one(&mut **tx).await?;
    Ok(counted(scope, number))
}

/// Attempts by way of an account. What was too much of one LINE user or address is not too much of an
/// account.
pub(crate) async fn of_account(tx: &mut TenantTx, account: AccountId, now: Timestamp) -> Result<Counted, sqlx::Error> {
    let scope = RateScope::Account;
    let statement = count_lately!("link_attempt", "submit_time", "account_id = $5 AND counts AND NOT limited");
    let number = lately(statement, tx.tenant(), scope, now).bind(account.uuid()).fetch_one(&mut **tx).await?;
    Ok(counted(scope, number))
}

/// Attempts from a browser's address, by its keyed hash.
pub(crate) async fn from_address(
    tx: &mut TenantTx,
    address: &[u8; 32],
    now: Timestamp,
) -> Result<Counted, sqlx::Error> {
    let scope = RateScope::Address;
    let statement = count_lately!("link_attempt", "submit_time", "address_hash = $5 AND counts");
    let number = lately(statement, tx.tenant(), scope, now).bind(address.as_slice()).fetch_one(&mut **tx).await?;
    Ok(counted(scope, number))
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
