//! Channel access tokens that all replicas share.

use chassis::postgres::TenantTx;
use kernel::{AccountId, Timestamp};
use messaging_outbox_core::token_renewal::Renewals;
use sqlx::Row as _;
use uuid::Uuid;

/// A token as kept.
pub(crate) struct Shared {
    pub(crate) renew_time: Timestamp,
    pub(crate) ciphertext: Vec<u8>,
    /// How often it came in the place of one that LINE refused.
    pub(crate) renewals: Option<Renewals>,
}

/// The token kept for the account that was got with `credential`.
pub(crate) async fn read(
    tx: &mut TenantTx,
    account: AccountId,
    credential: Uuid,
) -> Result<Option<Shared>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT renew_time, ciphertext, renewals, renewals_time FROM messaging.access_token
         WHERE tenant_id = $1 AND account_id = $2 AND credential = $3",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(credential)
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let count: i16 = row.try_get("renewals")?;
    let last_time: Option<Timestamp> = row.try_get("renewals_time")?;
    Ok(Some(Shared {
        renew_time: row.try_get("renew_time")?,
        ciphertext: row.try_get("ciphertext")?,
        renewals: last_time.map(|last_time| Renewals { count: count.unsigned_abs(), last_time }),
    }))
}

/// Keeps a token in the place of the account's last one.
pub(crate) async fn keep(
    tx: &mut TenantTx,
    account: AccountId,
    credential: Uuid,
    token: &Shared,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messaging.access_token (tenant_id, account_id, credential, renew_time, ciphertext, renewals, renewals_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (tenant_id, account_id) DO UPDATE
         SET credential = excluded.credential, renew_time = excluded.renew_time, ciphertext = excluded.ciphertext,
             renewals = excluded.renewals, renewals_time = excluded.renewals_time",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(credential)
    .bind(token.renew_time)
    .bind(token.ciphertext.as_slice())
    .bind(token.renewals.map_or(0, |renewals| i16::try_from(renewals.count).unwrap_or(i16::MAX)))
    .bind(token.renewals.map(|renewals| renewals.last_time))
    .execute(&mut **tx)
    .await?;
    Ok(())
}
