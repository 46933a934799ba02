//! Staff.

use std::collections::BTreeSet;

use chassis::postgres::TenantTx;
use identity_linking_core::staff::EmailAddress;
use identity_linking_core::{Line, Right, Rights, StaffMember};
use kernel::{OrganizationId, StaffId};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::row::{self, Position, Stored};

pub(crate) type StoredStaff = Stored<StaffId, StaffMember>;

pub(super) fn stored(row: &PgRow) -> Result<StoredStaff, sqlx::Error> {
    Ok(Stored {
        id: row::id(row, "staff_id")?,
        version: row::get(row, "version")?,
        create_time: row::get(row, "create_time")?,
        value: StaffMember {
            display_name: row::read(row, "display_name", Line::parse)?,
            organizations: row::get::<Vec<Uuid>>(row, "organization_ids")?
                .into_iter()
                .map(OrganizationId::from)
                .collect(),
            rights: rights(row)?,
            administrator: row::get(row, "administrator")?,
            active: row::get(row, "active")?,
            external_reference: row::read(row, "external_reference", Line::optional)?,
            email_address: row::read(row, "email_address", EmailAddress::optional)?,
        },
    })
}

/// The rights in a row's column of that name.
pub(super) fn rights(row: &PgRow) -> Result<Rights, sqlx::Error> {
    let words: Vec<String> = row::get(row, "rights")?;
    words.iter().map(|word| Right::named(word).ok_or_else(|| row::damaged("rights", row::UnknownWord))).collect()
}

/// Rights as they are kept.
pub(super) fn words(rights: &Rights) -> Vec<&'static str> {
    rights.iter().map(|right| right.as_str()).collect()
}

/// Adds a staff member.
pub(crate) async fn insert(tx: &mut TenantTx, staff: &StoredStaff) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO identity.staff_member
             (tenant_id, staff_id, version, display_name, rights, administrator, active, external_reference, create_time,
              email_address)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(tx.tenant().uuid())
    .bind(staff.id.uuid())
    .bind(staff.version)
    .bind(staff.value.display_name.as_str())
    .bind(words(&staff.value.rights))
    .bind(staff.value.administrator)
    .bind(staff.value.active)
    .bind(staff.value.external_reference.as_ref().map(Line::as_str))
    .bind(staff.create_time)
    .bind(staff.value.email_address.as_ref().map(EmailAddress::as_str))
    .execute(&mut **tx)
    .await?;
    assign(tx, staff.id, &staff.value.organizations).await
}

/// Keeps a staff member's new version.
pub(crate) async fn update(tx: &mut TenantTx, staff: &StoredStaff) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE identity.staff_member
         SET version = $3, display_name = $4, rights = $5, administrator = $6, active = $7, external_reference = $8,
             email_address = $9
         WHERE tenant_id = $1 AND staff_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(staff.id.uuid())
    .bind(staff.version)
    .bind(staff.value.display_name.as_str())
    .bind(words(&staff.value.rights))
    .bind(staff.value.administrator)
    .bind(staff.value.active)
    .bind(staff.value.external_reference.as_ref().map(Line::as_str))
    .bind(staff.value.email_address.as_ref().map(EmailAddress::as_str))
    .execute(&mut **tx)
    .await?;
    sqlx::query("DELETE FROM identity.staff_organization WHERE tenant_id = $1 AND staff_id = $2")
        .bind(tx.tenant().uuid())
        .bind(staff.id.uuid())
        .execute(&mut **tx)
        .await?;
    assign(tx, staff.id, &staff.value.organizations).await
}

async fn assign(tx: &mut TenantTx, staff: StaffId, to: &BTreeSet<OrganizationId>) -> Result<(), sqlx::Error> {
    let organizations: Vec<Uuid> = to.iter().map(|organization| organization.uuid()).collect();
    sqlx::query(
        "INSERT INTO identity.staff_organization (tenant_id, staff_id, organization_id)
         SELECT $1, $2, unnest($3::uuid[])",
    )
    .bind(tx.tenant().uuid())
    .bind(staff.uuid())
    .bind(organizations)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A staff member.
pub(crate) async fn find(tx: &mut TenantTx, id: StaffId) -> Result<Option<StoredStaff>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT s.*, ARRAY(SELECT o.organization_id FROM identity.staff_organization o
             WHERE o.tenant_id = s.tenant_id AND o.staff_id = s.staff_id) AS organization_ids
         FROM identity.staff_member s WHERE s.tenant_id = $1 AND s.staff_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(id.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(stored).transpose()
}

/// The same, locked until the transaction ends.
pub(crate) async fn lock(tx: &mut TenantTx, id: StaffId) -> Result<Option<StoredStaff>, sqlx::Error> {
    sqlx::query("SELECT FROM identity.staff_member WHERE tenant_id = $1 AND staff_id = $2 FOR NO KEY UPDATE")
        .bind(tx.tenant().uuid())
        .bind(id.uuid())
        .fetch_optional(&mut **tx)
        .await?;
    find(tx, id).await
}

/// At most `size` staff members, oldest first, behind `after`.
pub(crate) async fn list(
    tx: &mut TenantTx,
    after: Option<Position>,
    size: i64,
) -> Result<Vec<StoredStaff>, sqlx::Error> {
    let (time, id) = after.unzip();
    let rows = sqlx::query(
        "SELECT s.*, ARRAY(SELECT o.organization_id FROM identity.staff_organization o
             WHERE o.tenant_id = s.tenant_id AND o.staff_id = s.staff_id) AS organization_ids
         FROM identity.staff_member s
         WHERE s.tenant_id = $1 AND (s.create_time, s.staff_id) > (coalesce($2::timestamptz, '-infinity'), $3)
         ORDER BY s.create_time, s.staff_id LIMIT $4",
    )
    .bind(tx.tenant().uuid())
    .bind(time)
    .bind(id)
    .bind(size)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(stored).collect()
}
