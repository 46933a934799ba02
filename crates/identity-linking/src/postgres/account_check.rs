//! Which accounts LINE is to be asked about. Due times go by the database's clock.

use std::time::Duration;

use chassis::postgres::TenantTx;
use chassis::work_queue::WorkQueue;
use kernel::AccountId;

/// The jobs; each is about an account.
pub(crate) const JOBS: WorkQueue =
    WorkQueue { table: "identity.account_check", subject: "account_id", due: "due_time", attempts: "tries" };

/// Has LINE asked about an account after `wait`, and not before.
pub(crate) async fn put(tx: &mut TenantTx, account: AccountId, wait: Duration) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO identity.account_check (tenant_id, account_id, due_time, tries)
         VALUES ($1, $2, now() + $3::float8 * interval '1 second', 0)
         ON CONFLICT (tenant_id, account_id) DO UPDATE SET due_time = EXCLUDED.due_time, tries = 0, claim = NULL",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(wait.as_secs_f64())
    .execute(&mut **tx)
    .await?;
    Ok(())
}
