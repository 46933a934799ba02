//! Channel secrets, encrypted: the current one and the former ones that are still valid.

use chassis::postgres::TenantTx;
use chrono::TimeDelta;
use identity_linking_core::account::FORMER;
use kernel::{AccountId, Timestamp};
use uuid::Uuid;

/// Makes `ciphertext` the current secret. The one before stays for `keep` from now by the database's clock, those before that
/// until their own time, [`FORMER`] at most; with no time left all of them end.
pub(crate) async fn replace(
    tx: &mut TenantTx,
    account: AccountId,
    secret_id: Uuid,
    ciphertext: &[u8],
    keep: TimeDelta,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE identity.channel_secret SET expire_time = now() + $3 * interval '1 second'
         WHERE tenant_id = $1 AND account_id = $2 AND (expire_time IS NULL OR $3 = 0)",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(keep.as_seconds_f64())
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "INSERT INTO identity.channel_secret (tenant_id, account_id, secret_id, ciphertext, create_time)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(secret_id)
    .bind(ciphertext)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    drop_expired(tx, account).await?;
    sqlx::query(
        "DELETE FROM identity.channel_secret WHERE tenant_id = $1 AND account_id = $2 AND secret_id IN (
             SELECT secret_id FROM identity.channel_secret
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

/// The secrets valid now, the current one first, each with its ID and the time it ends.
pub(crate) async fn valid(
    tx: &mut TenantTx,
    account: AccountId,
) -> Result<Vec<(Uuid, Vec<u8>, Option<Timestamp>)>, sqlx::Error> {
    sqlx::query_as(
        "SELECT secret_id, ciphertext, expire_time FROM identity.channel_secret
         WHERE tenant_id = $1 AND account_id = $2 AND (expire_time IS NULL OR expire_time > now())
         ORDER BY expire_time DESC NULLS FIRST",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .fetch_all(&mut **tx)
    .await
}

/// Drops the secrets whose time has ended; how many.
pub(crate) async fn drop_expired(tx: &mut TenantTx, account: AccountId) -> Result<u64, sqlx::Error> {
    let dropped = sqlx::query(
        "DELETE FROM identity.channel_secret WHERE tenant_id = $1 AND account_id = $2 AND expire_time <= now()",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .execute(&mut **tx)
    .await?;
    Ok(dropped.rows_affected())
}
