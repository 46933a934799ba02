//! When the bars of a staff account are looked at.
//!
//! What changes a member's bar is marked: who is bound and how the account stands, in the transaction that says so; conversations
//! and staff, by the transaction that their changes name. A row that thousands of messages at once would have to change would hold
//! them all up, so no message touches it: whoever hears of a change brings the job forward, and who heard of none finds it by the
//! numbers of the transactions.

use std::time::Duration;

use chassis::postgres::TenantTx;
use chassis::work_queue::{Job, WorkQueue};
use kernel::{AccountId, StaffId, TenantId};
use sqlx::{PgExecutor, PgPool, Row as _};
use uuid::Uuid;

/// The jobs; one is about a staff account.
pub(crate) const JOBS: WorkQueue =
    WorkQueue { table: "messaging.staff_bar_job", subject: "account_id", due: "due", attempts: "attempts" };

/// From the end of one run to the next of the same account at least.
pub(crate) const PACE: Duration = Duration::from_secs(1);

/// What a run began with.
#[derive(Clone, Debug)]
pub(crate) struct Began {
    marks: i64,
    seen: String,
}

/// Something about an account has changed.
pub(crate) async fn mark(tx: &mut TenantTx, account: AccountId) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messaging.staff_bar_job AS j (tenant_id, account_id) VALUES ($1, $2)
         ON CONFLICT (tenant_id, account_id) DO UPDATE
         SET marks = j.marks + 1, due = CASE WHEN j.claim IS NULL THEN least(j.due, now()) ELSE j.due END",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Something about a staff member changes: on the account where the member is bound now.
pub(crate) async fn mark_of(tx: &mut TenantTx, staff: StaffId) -> Result<(), sqlx::Error> {
    let account: Option<Uuid> = sqlx::query_scalar(
        "SELECT account_id FROM messaging.staff_contact
         WHERE tenant_id = $1 AND staff_id = $2 AND account_id IS NOT NULL",
    )
    .bind(tx.tenant().uuid())
    .bind(staff.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    match account {
        Some(account) => mark(tx, account.into()).await,
        None => Ok(()),
    }
}

/// Something about the tenant has changed: on all its staff accounts.
pub(crate) async fn mark_all(tx: &mut TenantTx) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE messaging.staff_bar_job
         SET marks = marks + 1, due = CASE WHEN claim IS NULL THEN least(due, now()) ELSE due END
         WHERE tenant_id = $1",
    )
    .bind(tx.tenant().uuid())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Conversations of these tenants have changed. Tells whether any of them has a job that this brought forward. One that fails
/// keeps its time.
pub(crate) async fn bring_forward(worker: &PgPool, tenants: &[TenantId]) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE messaging.staff_bar_job
         SET marks = marks + 1,
             due = CASE WHEN claim IS NULL
                 THEN least(due, greatest(now(), run_time + make_interval(secs => $2))) ELSE due END
         WHERE tenant_id = ANY ($1) AND (claim IS NOT NULL
             OR attempts = 0 AND due > greatest(now(), run_time + make_interval(secs => $2)))",
    )
    .bind(tenants.iter().map(|tenant| tenant.uuid()).collect::<Vec<Uuid>>())
    .bind(PACE.as_secs_f64())
    .execute(worker)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Brings forward the jobs of tenants whose conversations or staff have changed since the last run; tells whether there are any.
/// Nobody need have heard of the change.
pub(crate) async fn sweep(worker: &PgPool) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE messaging.staff_bar_job j
         SET marks = marks + 1, due = least(due, greatest(now(), run_time + make_interval(secs => $1)))
         WHERE claim IS NULL AND attempts = 0 AND due > greatest(now(), run_time + make_interval(secs => $1))
             AND (EXISTS (SELECT FROM messaging.conversation_change c
                          WHERE c.tenant_id = j.tenant_id AND c.changed >= j.seen)
                  OR EXISTS (SELECT FROM messaging.staff_replica s
                             WHERE s.tenant_id = j.tenant_id AND s.changed >= j.seen))",
    )
    .bind(PACE.as_secs_f64())
    .execute(worker)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// What the run of a job begins with; none when somebody else has it by now. To be read before everything else: what is committed
/// later is another run's.
pub(crate) async fn begin(tx: &mut TenantTx, job: &Job) -> Result<Option<Began>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT marks, pg_snapshot_xmin(pg_current_snapshot())::text AS seen FROM messaging.staff_bar_job
         WHERE tenant_id = $1 AND account_id = $2 AND claim = $3",
    )
    .bind(tx.tenant().uuid())
    .bind(job.account.uuid())
    .bind(job.claim)
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|row| Ok(Began { marks: row.try_get("marks")?, seen: row.try_get("seen")? })).transpose()
}

/// The run succeeded: the next one is after `wait`, or soon where something was marked meanwhile.
pub(crate) async fn rest(
    worker: impl PgExecutor<'_>,
    job: &Job,
    began: &Began,
    wait: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE messaging.staff_bar_job
         SET claim = NULL, attempts = 0, seen = $5::text::xid8, run_time = now(),
             due = now() + make_interval(secs => CASE WHEN marks = $4 THEN $6 ELSE least($6, $7) END)
         WHERE tenant_id = $1 AND account_id = $2 AND claim = $3",
    )
    .bind(job.tenant.uuid())
    .bind(job.account.uuid())
    .bind(job.claim)
    .bind(began.marks)
    .bind(&began.seen)
    .bind(wait.as_secs_f64())
    .bind(PACE.as_secs_f64())
    .execute(worker)
    .await?;
    Ok(())
}

/// The run failed: it is tried again after `wait`.
pub(crate) async fn fail(worker: impl PgExecutor<'_>, job: &Job, wait: Duration) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE messaging.staff_bar_job
         SET claim = NULL, run_time = now(), due = now() + make_interval(secs => $4)
         WHERE tenant_id = $1 AND account_id = $2 AND claim = $3",
    )
    .bind(job.tenant.uuid())
    .bind(job.account.uuid())
    .bind(job.claim)
    .bind(wait.as_secs_f64())
    .execute(worker)
    .await?;
    Ok(())
}
