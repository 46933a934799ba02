//! LINE users as the staff account knows them.

use chassis::postgres::{Database, TenantTx};
use identity_linking_core::friendship::Friendship;
use kernel::{AccountId, TenantId, Timestamp};
use line_types::id::UserId;
use uuid::Uuid;

use super::friendship::{bound, standing};
use super::row;

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

/// The next tenant behind `behind`, by its ID, with LINE users of whom nothing was heard since `heard`.
pub(crate) async fn next_tenant(
    database: &Database,
    heard: Timestamp,
    behind: Uuid,
) -> Result<Option<TenantId>, sqlx::Error> {
    let found: Option<Uuid> = sqlx::query_scalar(
        "SELECT tenant_id FROM identity.staff_line_user
         WHERE tenant_id > $2 AND coalesce(turn_time, first_seen_time) < $1 ORDER BY tenant_id LIMIT 1",
    )
    .bind(heard)
    .bind(behind)
    .fetch_optional(database.worker())
    .await?;
    Ok(found.map(TenantId::from))
}

/// At most `size` LINE users of whom nothing was heard since `heard`, behind `behind`, by account and LINE user ID, locked until the
/// transaction ends. Those somebody else holds are passed over.
pub(crate) async fn lock_old(
    tx: &mut TenantTx,
    heard: Timestamp,
    behind: Option<&(AccountId, UserId)>,
    size: i64,
) -> Result<Vec<(AccountId, UserId)>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT account_id, line_user_id FROM identity.staff_line_user
         WHERE tenant_id = $1 AND coalesce(turn_time, first_seen_time) < $2 AND (account_id, line_user_id) > ($3, $4)
         ORDER BY account_id, line_user_id LIMIT $5 FOR UPDATE SKIP LOCKED",
    )
    .bind(tx.tenant().uuid())
    .bind(heard)
    .bind(behind.map_or(Uuid::nil(), |(account, _)| account.uuid()))
    .bind(behind.map_or("", |(_, user)| user.as_str()))
    .bind(size)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(|row| Ok((row::id(row, "account_id")?, row::read(row, "line_user_id", UserId::parse)?))).collect()
}

/// Forgets a LINE user whose row is locked, and where he was bound, unless he holds a card or typed a code that is kept.
pub(crate) async fn forget(tx: &mut TenantTx, account: AccountId, user: &UserId) -> Result<(), sqlx::Error> {
    for statement in [
        "DELETE FROM identity.staff_guest_binding WHERE tenant_id = $1 AND account_id = $2 AND line_user_id = $3",
        "DELETE FROM identity.staff_line_user
         WHERE tenant_id = $1 AND account_id = $2 AND line_user_id = $3
             AND NOT EXISTS (SELECT FROM identity.staff_form_token
                 WHERE tenant_id = $1 AND account_id = $2 AND line_user_id = $3)
             AND NOT EXISTS (SELECT FROM identity.staff_bind_attempt
                 WHERE tenant_id = $1 AND account_id = $2 AND line_user_id = $3)",
    ] {
        sqlx::query(statement)
            .bind(tx.tenant().uuid())
            .bind(account.uuid())
            .bind(user.as_str())
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}
