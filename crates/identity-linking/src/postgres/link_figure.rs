//! How many customers and friends are linked, and what became of attempts (F-114).

use chassis::postgres::TenantTx;
use kernel::{AccountId, Timestamp};

/// How many there are, and how many of them are linked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) customers: i64,
    pub(crate) linked_customers: i64,
    pub(crate) friends: i64,
    pub(crate) linked_friends: i64,
}

/// Counts customers, and LINE users who are friends of an account, or of any.
pub(crate) async fn counts(tx: &mut TenantTx, only: Option<AccountId>) -> Result<Counts, sqlx::Error> {
    let (customers, linked_customers): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM identity.customer WHERE tenant_id = $1 AND merged_into IS NULL),
             (SELECT count(DISTINCT customer_id) FROM identity.link WHERE tenant_id = $1 AND end_time IS NULL)",
    )
    .bind(tx.tenant().uuid())
    .fetch_one(&mut **tx)
    .await?;
    let (friends, linked_friends): (i64, i64) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE EXISTS (
             SELECT FROM identity.link l WHERE l.tenant_id = $1 AND l.friend_id = f.friend_id AND l.end_time IS NULL))
         FROM (SELECT DISTINCT friend_id FROM identity.friendship
               WHERE tenant_id = $1 AND state = 'FRIEND' AND ($2::uuid IS NULL OR account_id = $2)) f",
    )
    .bind(tx.tenant().uuid())
    .bind(only.map(AccountId::uuid))
    .fetch_one(&mut **tx)
    .await?;
    Ok(Counts { customers, linked_customers, friends, linked_friends })
}

/// How often attempts ended how since `start`: method, outcome, reason, number, the most frequent first.
pub(crate) async fn attempts(
    tx: &mut TenantTx,
    only: Option<AccountId>,
    start: Timestamp,
) -> Result<Vec<(String, String, String, i64)>, sqlx::Error> {
    sqlx::query_as(
        "SELECT method, outcome, reason, count(*) FROM identity.link_attempt
         WHERE tenant_id = $1 AND decide_time >= $3 AND ($2::uuid IS NULL OR account_id = $2)
         GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3",
    )
    .bind(tx.tenant().uuid())
    .bind(only.map(AccountId::uuid))
    .bind(start)
    .fetch_all(&mut **tx)
    .await
}
