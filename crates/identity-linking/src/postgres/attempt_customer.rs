//! Which customers attempts are about: those they looked at, and the one they were linked to or that came with them.

use chassis::postgres::TenantTx;
use kernel::{CustomerId, LinkAttemptId, Timestamp};
use uuid::Uuid;

use super::link_attempt::StoredAttempt;

/// Notes which customers an attempt is about that was first decided at a time.
pub(crate) async fn note(
    tx: &mut TenantTx,
    attempt: &StoredAttempt,
    customers: impl IntoIterator<Item = CustomerId>,
    decide_time: Timestamp,
) -> Result<(), sqlx::Error> {
    let customers: Vec<Uuid> = customers.into_iter().map(CustomerId::uuid).collect();
    if customers.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO identity.link_attempt_customer (tenant_id, customer_id, link_attempt_id, submit_time, decide_time)
         SELECT $1, id, $2, $4, $5 FROM unnest($3::uuid[]) AS c (id)",
    )
    .bind(tx.tenant().uuid())
    .bind(attempt.id.uuid())
    .bind(customers)
    .bind(attempt.submit_time)
    .bind(decide_time)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Forgets what an earlier look noted.
pub(crate) async fn forget(tx: &mut TenantTx, attempt: LinkAttemptId) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM identity.link_attempt_customer WHERE tenant_id = $1 AND link_attempt_id = $2")
        .bind(tx.tenant().uuid())
        .bind(attempt.uuid())
        .execute(&mut **tx)
        .await?;
    Ok(())
}
