//! Webhook keys, as hashes: the current one and the former ones that are still valid.

use chassis::postgres::TenantTx;
use identity_linking_core::account::Valid;
use kernel::{AccountId, Timestamp};

use super::former::Formers;

const FORMERS: Formers = Formers { table: "identity.webhook_key", id: "hash" };

/// Leaves the keys that are valid, the current one first, which is new.
pub(crate) async fn keep(
    tx: &mut TenantTx,
    account: AccountId,
    valid: &[Valid<Vec<u8>>],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    FORMERS.keep(tx, account, valid).await?;
    sqlx::query("INSERT INTO identity.webhook_key (tenant_id, account_id, hash, create_time) VALUES ($1, $2, $3, $4)")
        .bind(tx.tenant().uuid())
        .bind(account.uuid())
        .bind(valid.first().map(|current| current.which.as_slice()))
        .bind(now)
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
    FORMERS.drop_expired(tx, account).await
}
