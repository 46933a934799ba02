//! Whose profile LINE is to be asked for. Due times go by the database's clock.

use chassis::postgres::{Database, TenantTx};
use chrono::TimeDelta;
use kernel::{AccountId, FriendId, TenantId};
use uuid::Uuid;

/// A profile request that a worker has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The tenant.
    pub(crate) tenant: TenantId,
    /// The LINE user.
    pub(crate) friend: FriendId,
    /// The account to ask through.
    pub(crate) account: AccountId,
    /// Which try this is, from 1.
    pub(crate) tries: u32,
}

/// Has LINE asked for the user's profile, through this account, as soon as it can be.
pub(crate) async fn put(tx: &mut TenantTx, friend: FriendId, account: AccountId) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO identity.profile_request (tenant_id, friend_id, account_id, due_time, tries)
         VALUES ($1, $2, $3, now(), 0)
         ON CONFLICT (tenant_id, friend_id) DO UPDATE SET account_id = EXCLUDED.account_id, due_time = now(), tries = 0",
    )
    .bind(tx.tenant().uuid())
    .bind(friend.uuid())
    .bind(account.uuid())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Takes at most `size` due requests for `lease`; when nobody finishes one by then, it is taken again. Tenants take turns, so
/// that one with many requests does not keep the others waiting.
pub(crate) async fn claim(database: &Database, size: i64, lease: TimeDelta) -> Result<Vec<Claim>, sqlx::Error> {
    let rows: Vec<(Uuid, Uuid, Uuid, i32)> = sqlx::query_as(
        "UPDATE identity.profile_request r
         SET due_time = now() + $2 * interval '1 second', tries = r.tries + 1
         FROM (SELECT q.tenant_id, q.friend_id
               FROM (SELECT tenant_id, friend_id, row_number() OVER (PARTITION BY tenant_id ORDER BY due_time) AS turn
                     FROM (SELECT tenant_id, friend_id, due_time FROM identity.profile_request
                           WHERE due_time <= now() ORDER BY due_time LIMIT $1 * 50) waiting) taken
               JOIN identity.profile_request q USING (tenant_id, friend_id)
               WHERE q.due_time <= now()
               ORDER BY taken.turn LIMIT $1 FOR UPDATE OF q SKIP LOCKED) due
         WHERE r.tenant_id = due.tenant_id AND r.friend_id = due.friend_id
         RETURNING r.tenant_id, r.friend_id, r.account_id, r.tries",
    )
    .bind(size)
    .bind(lease.as_seconds_f64())
    .fetch_all(database.worker())
    .await?;
    Ok(rows
        .into_iter()
        .map(|(tenant, friend, account, tries)| Claim {
            tenant: tenant.into(),
            friend: friend.into(),
            account: account.into(),
            tries: tries.unsigned_abs(),
        })
        .collect())
}

/// Forgets a request that was answered or given up. One that was put again meanwhile stays.
pub(crate) async fn finish(tx: &mut TenantTx, claim: &Claim) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM identity.profile_request WHERE tenant_id = $1 AND friend_id = $2 AND tries = $3")
        .bind(claim.tenant.uuid())
        .bind(claim.friend.uuid())
        .bind(i64::from(claim.tries))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Puts a request off: by `pause`, or, without one, until its account is connected.
pub(crate) async fn put_off(tx: &mut TenantTx, claim: &Claim, pause: Option<TimeDelta>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE identity.profile_request
         SET due_time = COALESCE(now() + $4::double precision * interval '1 second', 'infinity')
         WHERE tenant_id = $1 AND friend_id = $2 AND tries = $3",
    )
    .bind(claim.tenant.uuid())
    .bind(claim.friend.uuid())
    .bind(i64::from(claim.tries))
    .bind(pause.map(TimeDelta::as_seconds_f64))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Makes the requests due that waited for the account to be connected; how many.
pub(crate) async fn wake(tx: &mut TenantTx, account: AccountId) -> Result<u64, sqlx::Error> {
    let woken = sqlx::query(
        "UPDATE identity.profile_request SET due_time = now(), tries = 0
         WHERE tenant_id = $1 AND account_id = $2 AND due_time = 'infinity'",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .execute(&mut **tx)
    .await?;
    Ok(woken.rows_affected())
}
