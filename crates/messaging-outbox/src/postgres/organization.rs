//! Replicas of organizations: what branches are called.

use std::collections::BTreeMap;

use chassis::postgres::TenantTx;
use contracts::events::v1::OrganizationReplica;
use kernel::OrganizationId;
use uuid::Uuid;

use super::replica::text;

/// Keeps the organization. `id` is the replica's ID, parsed.
pub(crate) async fn put(tx: &mut TenantTx, id: Uuid, replica: &OrganizationReplica) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messaging.organization_replica AS o (tenant_id, organization_id, version, display_name)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant_id, organization_id) DO UPDATE
         SET version = excluded.version, display_name = excluded.display_name
         WHERE o.version < excluded.version",
    )
    .bind(tx.tenant().uuid())
    .bind(id)
    .bind(replica.version)
    .bind(text(&replica.display_name))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What organizations are called, as far as it is known.
pub(crate) async fn names(
    tx: &mut TenantTx,
    organizations: &[Uuid],
) -> Result<BTreeMap<OrganizationId, String>, sqlx::Error> {
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "SELECT organization_id, display_name FROM messaging.organization_replica
         WHERE tenant_id = $1 AND organization_id = ANY ($2)",
    )
    .bind(tx.tenant().uuid())
    .bind(organizations)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|(id, name)| (id.into(), name)).collect())
}
