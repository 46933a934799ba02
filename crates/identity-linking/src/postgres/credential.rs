//! Channel credentials, encrypted.

use chassis::postgres::TenantTx;
use kernel::AccountId;

/// A credential as it is kept.
#[derive(Debug)]
pub(crate) struct StoredCredential {
    /// The word for its kind.
    pub(crate) kind: String,
    /// The `kid` LINE gave an assertion key.
    pub(crate) key_id: Option<String>,
    /// The token or the private key; none: the channel secret itself.
    pub(crate) ciphertext: Option<Vec<u8>>,
}

/// Makes `credential` the account's.
pub(crate) async fn replace(
    tx: &mut TenantTx,
    account: AccountId,
    credential: &StoredCredential,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO identity.channel_credential (tenant_id, account_id, kind, key_id, ciphertext)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant_id, account_id)
         DO UPDATE SET kind = EXCLUDED.kind, key_id = EXCLUDED.key_id, ciphertext = EXCLUDED.ciphertext",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(&credential.kind)
    .bind(&credential.key_id)
    .bind(&credential.ciphertext)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The account's credential.
pub(crate) async fn find(tx: &mut TenantTx, account: AccountId) -> Result<Option<StoredCredential>, sqlx::Error> {
    let row: Option<(String, Option<String>, Option<Vec<u8>>)> = sqlx::query_as(
        "SELECT kind, key_id, ciphertext FROM identity.channel_credential WHERE tenant_id = $1 AND account_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|(kind, key_id, ciphertext)| StoredCredential { kind, key_id, ciphertext }))
}
