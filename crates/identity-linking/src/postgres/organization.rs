//! Organizations.

use chassis::postgres::TenantTx;
use identity_linking_core::{Line, Organization};
use kernel::OrganizationId;
use sqlx::postgres::PgRow;

use super::row::{self, Position, Stored};

type StoredOrganization = Stored<OrganizationId, Organization>;

fn stored(row: &PgRow) -> Result<StoredOrganization, sqlx::Error> {
    Ok(Stored {
        id: row::id(row, "organization_id")?,
        version: row::get(row, "version")?,
        create_time: row::get(row, "create_time")?,
        value: Organization {
            display_name: row::read(row, "display_name", Line::parse)?,
            external_reference: row::read(row, "external_reference", Line::optional)?,
        },
    })
}

/// Adds an organization.
pub(crate) async fn insert(tx: &mut TenantTx, organization: &StoredOrganization) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO identity.organization
             (tenant_id, organization_id, version, display_name, external_reference, create_time)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(tx.tenant().uuid())
    .bind(organization.id.uuid())
    .bind(organization.version)
    .bind(organization.value.display_name.as_str())
    .bind(organization.value.external_reference.as_ref().map(Line::as_str))
    .bind(organization.create_time)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Keeps an organization's new version.
pub(crate) async fn update(tx: &mut TenantTx, organization: &StoredOrganization) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE identity.organization SET version = $3, display_name = $4, external_reference = $5
         WHERE tenant_id = $1 AND organization_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(organization.id.uuid())
    .bind(organization.version)
    .bind(organization.value.display_name.as_str())
    .bind(organization.value.external_reference.as_ref().map(Line::as_str))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// An organization.
pub(crate) async fn find(tx: &mut TenantTx, id: OrganizationId) -> Result<Option<StoredOrganization>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM identity.organization WHERE tenant_id = $1 AND organization_id = $2")
        .bind(tx.tenant().uuid())
        .bind(id.uuid())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(stored).transpose()
}

/// The same, locked until the transaction ends.
pub(crate) async fn lock(tx: &mut TenantTx, id: OrganizationId) -> Result<Option<StoredOrganization>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT * FROM identity.organization WHERE tenant_id = $1 AND organization_id = $2 FOR NO KEY UPDATE",
    )
    .bind(tx.tenant().uuid())
    .bind(id.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(stored).transpose()
}

/// At most `size` organizations, oldest first, behind `after`.
pub(crate) async fn list(
    tx: &mut TenantTx,
    after: Option<Position>,
    size: i64,
) -> Result<Vec<StoredOrganization>, sqlx::Error> {
    let (time, id) = after.unzip();
    let rows = sqlx::query(
        "SELECT * FROM identity.organization
         WHERE tenant_id = $1 AND (create_time, organization_id) > (coalesce($2::timestamptz, '-infinity'), $3)
         ORDER BY create_time, organization_id LIMIT $4",
    )
    .bind(tx.tenant().uuid())
    .bind(time)
    .bind(id)
    .bind(size)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(stored).collect()
}
