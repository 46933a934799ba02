//! The tenant's webhook.

use chassis::postgres::TenantTx;

/// Whether the tenant has a webhook that did not say that it wants no more.
pub(crate) async fn is_open(tx: &mut TenantTx) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM messaging.notice_webhook WHERE tenant_id = $1 AND stop_time IS NULL)",
    )
    .bind(tx.tenant().uuid())
    .fetch_one(&mut **tx)
    .await
}
