//! Webhook keys, as hashes: the current one and the former ones that are still valid.

use chassis::postgres::TenantTx;
use chrono::TimeDelta;
use identity_linking_core::account::FORMER;
use kernel::{AccountId, Timestamp};

/// Makes `hash` the current key. The one before stays for `keep` from now by the database's clock, those before that until
/// their own time, [`FORMER`] at most; with no time left all of them end.
pub(crate) async fn replace(
    tx: &mut TenantTx,
    account: AccountId,
    hash: [u8; 32],
    keep: TimeDelta,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE identity.webhook_key SET expire_time = now() + $3 * interval '1 second'
         WHERE tenant_id = $1 AND account_id = $2 AND (expire_time IS NULL OR $3 = 0)",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(keep.as_seconds_f64())
    .execute(&mut **tx)
    .await?;
    sqlx::query("INSERT INTO identity.webhook_key (tenant_id, account_id, hash, create_time) VALUES ($1, $2, $3, $4)")
        .bind(tx.tenant().uuid())
        .bind(account.uuid())
        .bind(hash.as_slice())
        .bind(now)
        .execute(&mut **tx)
        .await?;
    drop_expired(tx, account).await?;
    sqlx::query(
        "DELETE FROM identity.webhook_key WHERE tenant_id = $1 AND account_id = $2 AND hash IN (
             SELECT hash FROM identity.webhook_key
             WHERE tenant_id = $1 AND account_id = $2 AND expire_time IS NOT NULL
             ORDER BY expire_time DESC OFFSET $3)",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(FORMER)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The keys valid now, the current one first, each with the time it ends.
pub(crate) async fn valid(
    tx: &mut TenantTx,
    account: AccountId,
) -> Result<Vec<(Vec<u8>, Option<Timestamp>)>, sqlx::Error> {
    sqlx::query_as(
        "SELECT hash, expire_time FROM identity.webhook_key
         WHERE tenant_id = $1 AND account_id = $2 AND (expire_time IS NULL OR expire_time > now())
         ORDER BY expire_time DESC NULLS FIRST",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .fetch_all(&mut **tx)
    .await
}

/// Drops the keys whose time has ended; how many.
pub(crate) async fn drop_expired(tx: &mut TenantTx, account: AccountId) -> Result<u64, sqlx::Error> {
    let dropped = sqlx::query(
        "DELETE FROM identity.webhook_key WHERE tenant_id = $1 AND account_id = $2 AND expire_time <= now()",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .execute(&mut **tx)
    .await?;
    Ok(dropped.rows_affected())
}
