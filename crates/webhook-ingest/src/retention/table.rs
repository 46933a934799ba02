//! What tenants say, and the rows that go by it.

use chassis::postgres::{Database, TenantTx};
use kernel::{TenantId, Timestamp};
use uuid::Uuid;
use webhook_ingest_core::first_id;

/// Rows deleted by one statement.
const BATCH: i64 = 1_000;

/// What a tenant says, and the version of it; 0: nothing was ever said.
pub(super) async fn find(tx: &mut TenantTx) -> Result<(u16, i64), sqlx::Error> {
    let found: Option<(i16, i64)> =
        sqlx::query_as("SELECT body_days, version FROM ingest.retention WHERE tenant_id = $1 FOR UPDATE")
            .bind(tx.tenant().uuid())
            .fetch_optional(&mut **tx)
            .await?;
    Ok(found.map_or((0, 0), |(days, version)| (u16::try_from(days).unwrap_or(0), version)))
}

/// Says it anew; tells whether it still was of this version.
pub(super) async fn put(tx: &mut TenantTx, days: u16, version: i64) -> Result<bool, sqlx::Error> {
    let put = sqlx::query(
        "INSERT INTO ingest.retention AS known (tenant_id, body_days, version) VALUES ($1, $2, $3 + 1)
         ON CONFLICT (tenant_id) DO UPDATE SET body_days = excluded.body_days, version = excluded.version
         WHERE known.version = $3",
    );
    let put = put.bind(tx.tenant().uuid()).bind(i16::try_from(days).unwrap_or(i16::MAX)).bind(version);
    Ok(put.execute(&mut **tx).await?.rows_affected() == 1)
}

/// What every tenant says that says anything.
pub(crate) async fn said(database: &Database) -> Result<Vec<(TenantId, u16)>, sqlx::Error> {
    let said: Vec<(Uuid, i16)> =
        sqlx::query_as("SELECT tenant_id, body_days FROM ingest.retention WHERE body_days > 0")
            .fetch_all(database.worker())
            .await?;
    Ok(said.into_iter().map(|(tenant, days)| (tenant.into(), u16::try_from(days).unwrap_or(0))).collect())
}

/// Deletes a tenant's bodies from before this moment, quarantined ones too, a few at a time.
pub(crate) async fn delete_before(database: &Database, tenant: TenantId, moment: Timestamp) -> Result<(), sqlx::Error> {
    let bodies = "DELETE FROM ingest.body WHERE tenant_id = $1 AND body_id IN (
        SELECT body_id FROM ingest.body WHERE tenant_id = $1 AND body_id < $2 ORDER BY body_id LIMIT $3)";
    delete(database, tenant, bodies, moment).await?;
    delete_quarantined_before(database, tenant, moment).await
}

/// Deletes a tenant's quarantined bodies from before this moment, a few at a time.
pub(crate) async fn delete_quarantined_before(
    database: &Database,
    tenant: TenantId,
    moment: Timestamp,
) -> Result<(), sqlx::Error> {
    let bodies = "DELETE FROM ingest.quarantined_body WHERE tenant_id = $1 AND body_id IN (
        SELECT body_id FROM ingest.quarantined_body WHERE tenant_id = $1 AND body_id < $2 ORDER BY body_id LIMIT $3)";
    delete(database, tenant, bodies, moment).await
}

/// The tenants with quarantined bodies from before this moment.
pub(crate) async fn with_quarantined_before(
    database: &Database,
    moment: Timestamp,
) -> Result<Vec<TenantId>, sqlx::Error> {
    let query = sqlx::query_scalar("SELECT DISTINCT tenant_id FROM ingest.quarantined_body WHERE body_id < $1");
    let tenants: Vec<Uuid> = query.bind(first_id(moment)).fetch_all(database.worker()).await?;
    Ok(tenants.into_iter().map(TenantId::from).collect())
}

async fn delete(
    database: &Database,
    tenant: TenantId,
    bodies: &'static str,
    moment: Timestamp,
) -> Result<(), sqlx::Error> {
    let mut deleted = 0;
    loop {
        let mut tx = database.tenant(tenant).await?;
        let rows = sqlx::query(bodies).bind(tenant.uuid()).bind(first_id(moment)).bind(BATCH);
        let rows = rows.execute(&mut *tx).await?.rows_affected();
        tx.commit().await?;
        deleted += rows;
        if rows < BATCH.unsigned_abs() {
            break;
        }
    }
    if deleted > 0 {
        tracing::info!(%tenant, deleted, "bodies were deleted: their time is over");
    }
    Ok(())
}
