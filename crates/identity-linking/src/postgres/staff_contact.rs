//! Which LINE users staff are bound to. Whoever changes a contact holds its staff member's row.

use std::collections::HashMap;

use chassis::postgres::TenantTx;
use identity_linking_core::staff::StaffLine;
use kernel::{AccountId, StaffId};
use line_types::id::UserId;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::row;
use super::staff::{self, StoredStaff};

/// A contact as it is kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoredContact {
    /// Rises with every change that others hear of; 0: they heard of none.
    pub(crate) version: i64,
    /// The LINE user the member is bound to.
    pub(crate) line: Option<StaffLine>,
}

fn contact(row: &PgRow) -> Result<StoredContact, sqlx::Error> {
    let account: Option<AccountId> = row::optional_id(row, "contact_account_id")?;
    let user: Option<&str> = row::get(row, "contact_line_user_id")?;
    let user = user.map(UserId::parse).transpose().map_err(|error| row::damaged("line_user_id", error))?;
    let is_blocked = row::get::<Option<bool>>(row, "line_blocked")?.unwrap_or_default();
    Ok(StoredContact {
        version: row::get(row, "contact_version")?,
        line: account.zip(user).map(|(account, user)| StaffLine { account, user, is_blocked }),
    })
}

/// The contacts of staff; those who never had any are left out.
pub(crate) async fn of(tx: &mut TenantTx, staff: &[StaffId]) -> Result<HashMap<StaffId, StoredContact>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT staff_id, version AS contact_version, account_id AS contact_account_id,
             line_user_id AS contact_line_user_id, line_blocked
         FROM identity.staff_contact WHERE tenant_id = $1 AND staff_id = ANY ($2)",
    )
    .bind(tx.tenant().uuid())
    .bind(staff.iter().map(|staff| staff.uuid()).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(|row| Ok((row::id(row, "staff_id")?, contact(row)?))).collect()
}

/// The contact of one staff member; one that never was has version 0.
pub(crate) async fn find(tx: &mut TenantTx, staff: StaffId) -> Result<StoredContact, sqlx::Error> {
    Ok(of(tx, &[staff]).await?.remove(&staff).unwrap_or_default())
}

/// Who is bound to a LINE user of the staff account.
pub(crate) async fn bound_to(
    tx: &mut TenantTx,
    account: AccountId,
    user: &UserId,
) -> Result<Option<StaffId>, sqlx::Error> {
    let found: Option<Uuid> = sqlx::query_scalar(
        "SELECT staff_id FROM identity.staff_contact WHERE tenant_id = $1 AND account_id = $2 AND line_user_id = $3",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(user.as_str())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(found.map(StaffId::from))
}

/// Whoever is bound on an account, by their IDs.
pub(crate) async fn bound_on(tx: &mut TenantTx, account: AccountId) -> Result<Vec<StaffId>, sqlx::Error> {
    let found: Vec<Uuid> = sqlx::query_scalar(
        "SELECT staff_id FROM identity.staff_contact WHERE tenant_id = $1 AND account_id = $2 ORDER BY staff_id",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .fetch_all(&mut **tx)
    .await?;
    Ok(found.into_iter().map(StaffId::from).collect())
}

/// Keeps a contact's new version.
pub(crate) async fn put(tx: &mut TenantTx, staff: StaffId, contact: &StoredContact) -> Result<(), sqlx::Error> {
    let line = contact.line.as_ref();
    sqlx::query(
        "INSERT INTO identity.staff_contact (tenant_id, staff_id, version, account_id, line_user_id, line_blocked)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (tenant_id, staff_id) DO UPDATE
         SET version = excluded.version, account_id = excluded.account_id, line_user_id = excluded.line_user_id,
             line_blocked = excluded.line_blocked",
    )
    .bind(tx.tenant().uuid())
    .bind(staff.uuid())
    .bind(contact.version)
    .bind(line.map(|line| line.account.uuid()))
    .bind(line.map(|line| line.user.as_str()))
    .bind(line.is_some_and(|line| line.is_blocked))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// At most `size` staff members who have a contact, by their IDs, behind `after`.
pub(crate) async fn list(
    tx: &mut TenantTx,
    after: Option<StaffId>,
    size: i64,
) -> Result<Vec<(StoredStaff, StoredContact)>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT s.*, ARRAY(SELECT o.organization_id FROM identity.staff_organization o
                 WHERE o.tenant_id = s.tenant_id AND o.staff_id = s.staff_id) AS organization_ids,
             c.version AS contact_version, c.account_id AS contact_account_id,
             c.line_user_id AS contact_line_user_id, c.line_blocked
         FROM identity.staff_contact c JOIN identity.staff_member s USING (tenant_id, staff_id)
         WHERE c.tenant_id = $1 AND ($2::uuid IS NULL OR c.staff_id > $2) ORDER BY c.staff_id LIMIT $3",
    )
    .bind(tx.tenant().uuid())
    .bind(after.map(StaffId::uuid))
    .bind(size)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(|row| Ok((staff::stored(row)?, contact(row)?))).collect()
}
