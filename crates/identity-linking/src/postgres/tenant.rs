//! Tenants.

use chassis::postgres::{Database, TenantTx};
use identity_linking_core::link::{Plan, PlanGate};
use identity_linking_core::{Line, Tenant, TimeZone};
use kernel::TenantId;
use sqlx::postgres::PgRow;

use super::row::{self, Position, Stored};

fn stored(row: &PgRow) -> Result<Stored<TenantId, Tenant>, sqlx::Error> {
    Ok(Stored {
        id: row::id(row, "tenant_id")?,
        version: row::get(row, "version")?,
        create_time: row::get(row, "create_time")?,
        value: Tenant {
            display_name: row::read(row, "display_name", Line::parse)?,
            time_zone: row::read(row, "time_zone", TimeZone::parse)?,
            suspended: row::get(row, "suspended")?,
            gate: PlanGate {
                plan: row::word(row, "plan", Plan::named)?,
                premium_from: row::get(row, "line_tab_premium_from")?,
            },
        },
    })
}

/// Adds the transaction's tenant.
pub(crate) async fn insert(tx: &mut TenantTx, tenant: &Stored<TenantId, Tenant>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO identity.tenant
             (tenant_id, version, display_name, time_zone, suspended, create_time, plan, line_tab_premium_from)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(tenant.id.uuid())
    .bind(tenant.version)
    .bind(tenant.value.display_name.as_str())
    .bind(tenant.value.time_zone.name())
    .bind(tenant.value.suspended)
    .bind(tenant.create_time)
    .bind(tenant.value.gate.plan.as_str())
    .bind(tenant.value.gate.premium_from)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Keeps the tenant's new version.
pub(crate) async fn update(tx: &mut TenantTx, tenant: &Stored<TenantId, Tenant>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE identity.tenant SET version = $2, display_name = $3, time_zone = $4, suspended = $5, plan = $6,
             line_tab_premium_from = $7
         WHERE tenant_id = $1",
    )
    .bind(tenant.id.uuid())
    .bind(tenant.version)
    .bind(tenant.value.display_name.as_str())
    .bind(tenant.value.time_zone.name())
    .bind(tenant.value.suspended)
    .bind(tenant.value.gate.plan.as_str())
    .bind(tenant.value.gate.premium_from)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The transaction's tenant, if there is one of that ID.
pub(crate) async fn find(tx: &mut TenantTx) -> Result<Option<Stored<TenantId, Tenant>>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM identity.tenant WHERE tenant_id = $1")
        .bind(tx.tenant().uuid())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(stored).transpose()
}

/// The same, locked until the transaction ends.
pub(crate) async fn lock(tx: &mut TenantTx) -> Result<Option<Stored<TenantId, Tenant>>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM identity.tenant WHERE tenant_id = $1 FOR NO KEY UPDATE")
        .bind(tx.tenant().uuid())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(stored).transpose()
}

/// IDs of at most `size` tenants, oldest first, behind `after`. By the worker role, which sees no more of them than that.
pub(crate) async fn ids(
    database: &Database,
    after: Option<Position>,
    size: i64,
) -> Result<Vec<(TenantId, Position)>, sqlx::Error> {
    let (time, id) = after.unzip();
    let rows = sqlx::query(
        "SELECT tenant_id, create_time FROM identity.tenant
         WHERE (create_time, tenant_id) > (coalesce($1::timestamptz, '-infinity'), $2)
         ORDER BY create_time, tenant_id LIMIT $3",
    )
    .bind(time)
    .bind(id)
    .bind(size)
    .fetch_all(database.worker())
    .await?;
    rows.iter()
        .map(|row| {
            let id: TenantId = row::id(row, "tenant_id")?;
            Ok((id, (row::get(row, "create_time")?, id.uuid())))
        })
        .collect()
}
