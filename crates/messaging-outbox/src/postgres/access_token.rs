//! Channel access tokens that all replicas share.

use chassis::postgres::TenantTx;
use kernel::{AccountId, Timestamp};
use sqlx::Row as _;
use uuid::Uuid;

/// A token as kept.
pub(crate) struct Shared {
    pub(crate) renew_time: Timestamp,
    pub(crate) ciphertext: Vec<u8>,
}

/// The token kept for the account that was got with `credential`.
pub(crate) async fn read(
    tx: &mut TenantTx,
    account: AccountId,
    credential: Uuid,
) -> Result<Option<Shared>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT renew_time, ciphertext FROM messaging.access_token
         WHERE tenant_id = $1 AND account_id = $2 AND credential = $3",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(credential)
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Shared { renew_time: row.try_get("renew_time")?, ciphertext: row.try_get("ciphertext")? }))
}

/// Keeps a token in the place of the account's last one.
pub(crate) async fn keep(
    tx: &mut TenantTx,
    account: AccountId,
    credential: Uuid,
    token: &Shared,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messaging.access_token (tenant_id, account_id, credential, renew_time, ciphertext)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant_id, account_id) DO UPDATE
         SET credential = excluded.credential, renew_time = excluded.renew_time, ciphertext = excluded.ciphertext",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(credential)
    .bind(token.renew_time)
    .bind(token.ciphertext.as_slice())
    .execute(&mut **tx)
    .await?;
    Ok(())
}
