//! Form tokens, by their hashes.

use chassis::postgres::{Database, TenantTx};
use identity_linking_core::link::{FormToken, IssuedFormToken};
use identity_linking_core::matching::LinkMethod;
use kernel::{LinkAttemptId, Timestamp};
use sqlx::postgres::PgRow;

use super::row;

fn issued(row: &PgRow) -> Result<IssuedFormToken, sqlx::Error> {
    Ok(IssuedFormToken {
        account: row::id(row, "account_id")?,
        friend: row::id(row, "friend_id")?,
        method: row::word(row, "method", LinkMethod::named)?,
        expire_time: row::get(row, "expire_time")?,
        use_time: row::get(row, "use_time")?,
        attempt: row::optional_id(row, "link_attempt_id")?,
        dialogs: u32::try_from(row::get::<i32>(row, "dialogs")?).unwrap_or(u32::MAX),
        refusals: u32::try_from(row::get::<i32>(row, "refusals")?).unwrap_or(u32::MAX),
    })
}

/// Keeps a token that is issued.
pub(crate) async fn insert(tx: &mut TenantTx, token: &FormToken, issued: &IssuedFormToken) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO identity.form_token (tenant_id, hash, account_id, friend_id, method, expire_time)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(tx.tenant().uuid())
    .bind(token.hash().as_slice())
    .bind(issued.account.uuid())
    .bind(issued.friend.uuid())
    .bind(issued.method.as_str())
    .bind(issued.expire_time)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A token of the transaction's tenant.
pub(crate) async fn find(tx: &mut TenantTx, token: &FormToken) -> Result<Option<IssuedFormToken>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM identity.form_token WHERE tenant_id = $1 AND hash = $2")
        .bind(tx.tenant().uuid())
        .bind(token.hash().as_slice())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(issued).transpose()
}

/// The same, locked until the transaction ends.
pub(crate) async fn lock(tx: &mut TenantTx, token: &FormToken) -> Result<Option<IssuedFormToken>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM identity.form_token WHERE tenant_id = $1 AND hash = $2 FOR NO KEY UPDATE")
        .bind(tx.tenant().uuid())
        .bind(token.hash().as_slice())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(issued).transpose()
}

/// Notes what was submitted with a token, and when.
pub(crate) async fn mark_used(
    tx: &mut TenantTx,
    token: &FormToken,
    now: Timestamp,
    attempt: LinkAttemptId,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE identity.form_token SET use_time = $3, link_attempt_id = $4, dialogs = 1
         WHERE tenant_id = $1 AND hash = $2 AND use_time IS NULL",
    )
    .bind(tx.tenant().uuid())
    .bind(token.hash().as_slice())
    .bind(now)
    .bind(attempt.uuid())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Counts one more dialog of LINE that a token led to.
pub(crate) async fn count_dialog(tx: &mut TenantTx, token: &FormToken) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE identity.form_token SET dialogs = dialogs + 1 WHERE tenant_id = $1 AND hash = $2")
        .bind(tx.tenant().uuid())
        .bind(token.hash().as_slice())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Counts one more attempt that was refused for what has become of a token.
pub(crate) async fn count_refusal(tx: &mut TenantTx, token: &FormToken) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE identity.form_token SET refusals = refusals + 1 WHERE tenant_id = $1 AND hash = $2")
        .bind(tx.tenant().uuid())
        .bind(token.hash().as_slice())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Drops at most `size` tokens of any tenant that ended before `ended`; how many.
pub(crate) async fn drop_ended(database: &Database, ended: Timestamp, size: i64) -> Result<u64, sqlx::Error> {
    let dropped = sqlx::query(
        "DELETE FROM identity.form_token WHERE (tenant_id, hash) IN (
             SELECT tenant_id, hash FROM identity.form_token WHERE expire_time < $1 ORDER BY expire_time LIMIT $2)",
    )
    .bind(ended)
    .bind(size)
    .execute(database.worker())
    .await?;
    Ok(dropped.rows_affected())
}
