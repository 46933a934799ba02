//! Whoever typed an invitation's code into the form of the staff account.

use chassis::postgres::{Database, TenantTx};
use identity_linking_core::link::{Counted, Nonce, RateScope};
use identity_linking_core::staff::BindOutcome;
use kernel::{AccountId, StaffInvitationId, TenantId, Timestamp};
use line_types::id::UserId;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::rate::{self, count_lately, counted, lately};
use super::row;

/// An attempt as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct BindAttempt {
    /// The ID.
    pub(crate) id: Uuid,
    /// The staff account.
    pub(crate) account: AccountId,
    /// The LINE user whom the form was given to.
    pub(crate) user: UserId,
    /// The invitation whose code was typed; none: it is no good one's.
    pub(crate) invitation: Option<StaffInvitationId>,
    /// The tenant whose invitation it is, where that is not the account's.
    pub(crate) guest: Option<TenantId>,
    /// When it was typed.
    pub(crate) submit_time: Timestamp,
    /// When LINE told who it was.
    pub(crate) told_time: Option<Timestamp>,
    /// What became of it.
    pub(crate) outcome: Option<BindOutcome>,
}

fn attempt(row: &PgRow) -> Result<BindAttempt, sqlx::Error> {
    Ok(BindAttempt {
        id: row::get(row, "staff_bind_attempt_id")?,
        account: row::id(row, "account_id")?,
        user: row::read(row, "line_user_id", UserId::parse)?,
        invitation: row::optional_id(row, "staff_invitation_id")?.or(row::optional_id(row, "guest_invitation_id")?),
        guest: row::optional_id(row, "guest_tenant_id")?,
        submit_time: row::get(row, "submit_time")?,
        told_time: row::get(row, "told_time")?,
        outcome: row::optional_word(row, "outcome", BindOutcome::named)?,
    })
}

/// Keeps an attempt from a browser's address, by its keyed hash; one that waits for LINE's word has a nonce.
pub(crate) async fn insert(
    tx: &mut TenantTx,
    attempt: &BindAttempt,
    nonce: Option<&Nonce>,
    address: &[u8; 32],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO identity.staff_bind_attempt
             (tenant_id, staff_bind_attempt_id, account_id, line_user_id, staff_invitation_id, nonce_hash, address_hash,
              submit_time, outcome, guest_tenant_id, guest_invitation_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(tx.tenant().uuid())
    .bind(attempt.id)
    .bind(attempt.account.uuid())
    .bind(attempt.user.as_str())
    .bind(attempt.invitation.filter(|_| attempt.guest.is_none()).map(StaffInvitationId::uuid))
    .bind(nonce.map(|nonce| nonce.hash().to_vec()))
    .bind(address.as_slice())
    .bind(attempt.submit_time)
    .bind(attempt.outcome.map(BindOutcome::as_str))
    .bind(attempt.guest.map(TenantId::uuid))
    .bind(attempt.invitation.filter(|_| attempt.guest.is_some()).map(StaffInvitationId::uuid))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The attempt that waits for LINE's word about a nonce, or had it, locked until the transaction ends.
pub(crate) async fn lock_by_nonce(tx: &mut TenantTx, nonce: &Nonce) -> Result<Option<BindAttempt>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT * FROM identity.staff_bind_attempt WHERE tenant_id = $1 AND nonce_hash = $2 FOR NO KEY UPDATE",
    )
    .bind(tx.tenant().uuid())
    .bind(nonce.hash().as_slice())
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(attempt).transpose()
}

/// Keeps LINE's word, and what became of the attempt.
pub(crate) async fn update(tx: &mut TenantTx, attempt: &BindAttempt) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE identity.staff_bind_attempt SET told_time = $3, outcome = $4
         WHERE tenant_id = $1 AND staff_bind_attempt_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(attempt.id)
    .bind(attempt.told_time)
    .bind(attempt.outcome.map(BindOutcome::as_str))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Attempts of the LINE user, locked, whom forms were given to.
pub(crate) async fn of_line_user(
    tx: &mut TenantTx,
    account: AccountId,
    user: &UserId,
    now: Timestamp,
) -> Result<Counted, sqlx::Error> {
    let statement = count_lately!("staff_bind_attempt", "submit_time", "account_id = $5 AND line_user_id = $6");
    rate::of_line_user(tx, statement, account, user, now).await
}

/// Attempts from a browser's address, by its keyed hash.
pub(crate) async fn from_address(
    tx: &mut TenantTx,
    address: &[u8; 32],
    now: Timestamp,
) -> Result<Counted, sqlx::Error> {
    let scope = RateScope::Address;
    let statement = count_lately!("staff_bind_attempt", "submit_time", "address_hash = $5");
    let number = lately(statement, tx.tenant(), scope, now).bind(address.as_slice()).fetch_one(&mut **tx).await?;
    Ok(counted(scope, number))
}

/// Drops at most `size` attempts of any tenant that were made before `made`; how many.
pub(crate) async fn drop_old(database: &Database, made: Timestamp, size: i64) -> Result<u64, sqlx::Error> {
    let dropped = sqlx::query(
        "DELETE FROM identity.staff_bind_attempt WHERE (tenant_id, staff_bind_attempt_id) IN (
             SELECT tenant_id, staff_bind_attempt_id FROM identity.staff_bind_attempt
             WHERE submit_time < $1 ORDER BY submit_time LIMIT $2)",
    )
    .bind(made)
    .bind(size)
    .execute(database.worker())
    .await?;
    Ok(dropped.rows_affected())
}
