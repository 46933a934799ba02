//! LINE users as the staff account knows them.

use chassis::postgres::TenantTx;
use identity_linking_core::friendship::Friendship;
use kernel::AccountId;
use line_types::id::UserId;

use super::friendship::{bound, standing};

/// Keeps a LINE user who was not known there; whether that was so.
pub(crate) async fn insert_if_new(
    tx: &mut TenantTx,
    account: AccountId,
    user: &UserId,
    standing: &Friendship,
) -> Result<bool, sqlx::Error> {
    let query = sqlx::query(
        "INSERT INTO identity.staff_line_user
             (tenant_id, account_id, line_user_id, state, first_seen_time, turn_time, turn_event_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(user.as_str());
    let inserted = bound(query, standing).execute(&mut **tx).await?;
    Ok(inserted.rows_affected() == 1)
}

/// How a LINE user stands with the staff account, locked until the transaction ends.
pub(crate) async fn lock(
    tx: &mut TenantTx,
    account: AccountId,
    user: &UserId,
) -> Result<Option<Friendship>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT * FROM identity.staff_line_user
         WHERE tenant_id = $1 AND account_id = $2 AND line_user_id = $3 FOR NO KEY UPDATE",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(user.as_str())
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(standing).transpose()
}

/// Keeps how a LINE user stands with the staff account now.
pub(crate) async fn update(
    tx: &mut TenantTx,
    account: AccountId,
    user: &UserId,
    standing: &Friendship,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query(
        "UPDATE identity.staff_line_user SET state = $4, first_seen_time = $5, turn_time = $6, turn_event_id = $7
         WHERE tenant_id = $1 AND account_id = $2 AND line_user_id = $3",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(user.as_str());
    bound(query, standing).execute(&mut **tx).await?;
    Ok(())
}
