//! Staff, as the directory of callers knows them.

use chassis::postgres::TenantTx;
use uuid::Uuid;

/// Whether the tenant has all of them: another tenant's are as unknown as none (S-1).
pub(crate) async fn are_known(tx: &mut TenantTx, staff: &[Uuid]) -> Result<bool, sqlx::Error> {
    let unknown: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM unnest($2::uuid[]) AS wanted (staff_id) WHERE NOT EXISTS (
             SELECT FROM scheduler.staff_replica s WHERE s.tenant_id = $1 AND s.staff_id = wanted.staff_id))",
    )
    .bind(tx.tenant().uuid())
    .bind(staff)
    .fetch_one(&mut **tx)
    .await?;
    Ok(!unknown)
}
