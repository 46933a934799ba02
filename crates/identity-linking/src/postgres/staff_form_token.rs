//! Form tokens of the staff account, by their hashes.

use chassis::postgres::{Database, TenantTx};
use identity_linking_core::link::{Counted, FormToken};
use kernel::{AccountId, Timestamp};
use line_types::id::UserId;
use sqlx::postgres::PgRow;

use super::rate::{self, count_lately};
use super::row;

/// Whom a token was given to, and until when it is good.
#[derive(Clone, Debug)]
pub(crate) struct StaffFormToken {
    /// The staff account.
    pub(crate) account: AccountId,
    /// The LINE user, who alone can complete what is submitted with it.
    pub(crate) user: UserId,
    /// When it was given.
    pub(crate) issue_time: Timestamp,
    /// When it ends.
    pub(crate) expire_time: Timestamp,
}

fn token(row: &PgRow) -> Result<StaffFormToken, sqlx::Error> {
    Ok(StaffFormToken {
        account: row::id(row, "account_id")?,
        user: row::read(row, "line_user_id", UserId::parse)?,
        issue_time: row::get(row, "issue_time")?,
        expire_time: row::get(row, "expire_time")?,
    })
}

/// Keeps a token that is issued.
pub(crate) async fn insert(tx: &mut TenantTx, token: &FormToken, issued: &StaffFormToken) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO identity.staff_form_token (tenant_id, hash, account_id, line_user_id, issue_time, expire_time)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(tx.tenant().uuid())
    .bind(token.hash().as_slice())
    .bind(issued.account.uuid())
    .bind(issued.user.as_str())
    .bind(issued.issue_time)
    .bind(issued.expire_time)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A token of the transaction's tenant.
pub(crate) async fn find(tx: &mut TenantTx, text: &FormToken) -> Result<Option<StaffFormToken>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM identity.staff_form_token WHERE tenant_id = $1 AND hash = $2")
        .bind(tx.tenant().uuid())
        .bind(text.hash().as_slice())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(token).transpose()
}

/// How many tokens a LINE user, locked, was given lately.
pub(crate) async fn given(
    tx: &mut TenantTx,
    account: AccountId,
    user: &UserId,
    now: Timestamp,
) -> Result<Counted, sqlx::Error> {
    let statement = count_lately!("staff_form_token", "issue_time", "account_id = $5 AND line_user_id = $6");
    rate::of_line_user(tx, statement, account, user, now).await
}

/// Drops at most `size` tokens of any tenant that ended before `ended`; how many.
pub(crate) async fn drop_ended(database: &Database, ended: Timestamp, size: i64) -> Result<u64, sqlx::Error> {
    let dropped = sqlx::query(
        "DELETE FROM identity.staff_form_token WHERE (tenant_id, hash) IN (
             SELECT tenant_id, hash FROM identity.staff_form_token WHERE expire_time < $1 ORDER BY expire_time LIMIT $2)",
    )
    .bind(ended)
    .bind(size)
    .execute(database.worker())
    .await?;
    Ok(dropped.rows_affected())
}
