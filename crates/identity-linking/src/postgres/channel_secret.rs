//! Channel secrets, encrypted: the current one and the former ones that are still valid.

use chassis::postgres::TenantTx;
use identity_linking_core::account::Valid;
use kernel::{AccountId, Timestamp};
use uuid::Uuid;

use super::former::Formers;

const FORMERS: Formers = Formers { table: "identity.channel_secret", id: "secret_id" };

/// Leaves the secrets that are valid, the current one first; whether that one has a row yet.
pub(crate) async fn keep(tx: &mut TenantTx, account: AccountId, valid: &[Valid<Uuid>]) -> Result<bool, sqlx::Error> {
    FORMERS.keep(tx, account, valid).await
}

/// Adds the current secret.
pub(crate) async fn insert(
    tx: &mut TenantTx,
    account: AccountId,
    secret_id: Uuid,
    ciphertext: &[u8],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
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
    FORMERS.drop_expired(tx, account).await
}
