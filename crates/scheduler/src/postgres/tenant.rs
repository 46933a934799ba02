//! Tenants, as identity-linking says they are.

use chassis::postgres::TenantTx;
use scheduler_core::wall_clock::TimeZone;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::damaged;

/// A tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tenant {
    /// Rises with every change.
    pub(crate) version: i64,
    /// Where its wall clocks hang.
    pub(crate) zone: TimeZone,
    /// Whether nothing is said for it.
    pub(crate) suspended: bool,
}

fn read(row: &PgRow) -> Result<Tenant, sqlx::Error> {
    let zone = TimeZone::parse(row.try_get("time_zone")?).map_err(|unfit| damaged("time_zone", unfit))?;
    Ok(Tenant { version: row.try_get("version")?, zone, suspended: row.try_get("suspended")? })
}

/// The tenant of the transaction, if it is known.
pub(crate) async fn find(tx: &mut TenantTx) -> Result<Option<Tenant>, sqlx::Error> {
    let query = sqlx::query("SELECT * FROM scheduler.tenant_replica WHERE tenant_id = $1");
    query.bind(tx.tenant().uuid()).fetch_optional(&mut **tx).await?.as_ref().map(read).transpose()
}

/// The same, for whoever plans by its zone and rules: they stay as they are until the transaction ends.
pub(crate) async fn share(tx: &mut TenantTx) -> Result<Option<Tenant>, sqlx::Error> {
    let query = sqlx::query("SELECT * FROM scheduler.tenant_replica WHERE tenant_id = $1 FOR SHARE");
    query.bind(tx.tenant().uuid()).fetch_optional(&mut **tx).await?.as_ref().map(read).transpose()
}

/// The same, for whoever changes its zone or rules: nobody plans by them meanwhile.
pub(crate) async fn lock(tx: &mut TenantTx) -> Result<Option<Tenant>, sqlx::Error> {
    let query = sqlx::query("SELECT * FROM scheduler.tenant_replica WHERE tenant_id = $1 FOR UPDATE");
    query.bind(tx.tenant().uuid()).fetch_optional(&mut **tx).await?.as_ref().map(read).transpose()
}

/// Keeps the tenant, unless a newer version is kept; whether it was.
pub(crate) async fn put(tx: &mut TenantTx, tenant: &Tenant) -> Result<bool, sqlx::Error> {
    let put = sqlx::query(
        "INSERT INTO scheduler.tenant_replica AS t (tenant_id, version, time_zone, suspended) VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant_id) DO UPDATE
         SET version = excluded.version, time_zone = excluded.time_zone, suspended = excluded.suspended
         WHERE t.version < excluded.version",
    )
    .bind(tx.tenant().uuid())
    .bind(tenant.version)
    .bind(tenant.zone.name())
    .bind(tenant.suspended)
    .execute(&mut **tx)
    .await?;
    Ok(put.rows_affected() > 0)
}
