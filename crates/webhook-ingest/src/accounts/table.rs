//! The table of account replicas.

use chassis::postgres::{Database, TenantTx};
use contracts::events::v1::AccountReplica;
use kernel::{AccountId, TenantId};
use prost::Message;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

/// A row that changed.
pub(super) struct Changed {
    pub(super) tenant: TenantId,
    pub(super) material: Vec<u8>,
}

/// Writes a version of an account unless a newer one is known, inside the tenant's transaction.
pub(super) async fn put(
    tx: &mut PgConnection,
    tenant: TenantId,
    account: AccountId,
    replica: &AccountReplica,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO ingest.account_replica AS known (tenant_id, account_id, version, material) VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant_id, account_id) DO UPDATE
         SET version = excluded.version, material = excluded.material, changed = pg_current_xact_id()
         WHERE known.version < excluded.version",
    )
    .bind(tenant.uuid())
    .bind(account.uuid())
    .bind(replica.version)
    .bind(replica.encode_to_vec())
    .execute(tx)
    .await?;
    Ok(())
}

/// What was written by transactions that were not finished at `since`, and where to look from the next time. `0` is the
/// beginning.
pub(super) async fn changes(database: &Database, since: u64) -> Result<(Vec<Changed>, u64), sqlx::Error> {
    // Asked for first: what commits in between is seen now, or the next time, or both.
    let oldest_running: String =
        sqlx::query_scalar("SELECT pg_snapshot_xmin(pg_current_snapshot())::text").fetch_one(database.worker()).await?;
    let next: u64 = oldest_running.parse().unwrap_or(0);
    // A database that was restored from a backup counts from further back.
    let since = if next < since { 0 } else { since };
    let rows = sqlx::query("SELECT tenant_id, material FROM ingest.account_replica WHERE changed >= $1::text::xid8")
        .bind(since.to_string())
        .fetch_all(database.worker())
        .await?;
    let changed = |row: &sqlx::postgres::PgRow| {
        Ok(Changed { tenant: row.try_get::<Uuid, _>(0)?.into(), material: row.try_get(1)? })
    };
    Ok((rows.iter().map(changed).collect::<Result<_, sqlx::Error>>()?, next))
}

/// Every tenant that has, or had, an account.
pub(crate) async fn tenants(database: &Database) -> Result<Vec<TenantId>, sqlx::Error> {
    let tenants: Vec<Uuid> =
        sqlx::query_scalar("SELECT DISTINCT tenant_id FROM ingest.account_replica ORDER BY tenant_id")
            .fetch_all(database.worker())
            .await?;
    Ok(tenants.into_iter().map(TenantId::from).collect())
}

/// Whether the transaction's tenant has this account.
pub(crate) async fn is_known(tx: &mut TenantTx, account: Uuid) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM ingest.account_replica WHERE tenant_id = $1 AND account_id = $2)")
        .bind(tx.tenant().uuid())
        .bind(account)
        .fetch_one(&mut **tx)
        .await
}
