//! Notices that are to be told by e-mail or webhook: the jobs, and how a delivery goes on or ends with one. Whoever lost a job to
//! another worker changes nothing any more.

use chassis::postgres::TenantTx;
use chassis::work_queue::{Job, WorkQueue};
use kernel::Timestamp;
use messaging_outbox_core::notice::attempt::Reason;
use messaging_outbox_core::notice::channel::{DeliveryState, NoticeChannel};
use sqlx::{AssertSqlSafe, Row as _};
use uuid::Uuid;

use super::{Raised, raised};

/// E-mails to be sent; a job is about a notice.
pub(crate) const EMAILS: WorkQueue =
    WorkQueue { table: "messaging.notice_email_job", subject: "notice_id", due: "due", attempts: "attempts" };

/// Webhooks to be called, likewise.
pub(crate) const WEBHOOKS: WorkQueue =
    WorkQueue { table: "messaging.notice_webhook_job", subject: "notice_id", due: "due", attempts: "attempts" };

/// The queue of a channel; LINE has the send queue.
pub(crate) const fn queue(channel: NoticeChannel) -> Option<WorkQueue> {
    match channel {
        NoticeChannel::Line => None,
        NoticeChannel::Email => Some(EMAILS),
        NoticeChannel::Webhook => Some(WEBHOOKS),
    }
}

/// Has notices told by a channel that has jobs.
pub(crate) async fn expect(tx: &mut TenantTx, channel: NoticeChannel, notices: &[Uuid]) -> Result<(), sqlx::Error> {
    let Some(WorkQueue { table, .. }) = queue(channel) else { return Ok(()) };
    sqlx::query(AssertSqlSafe(format!(
        "INSERT INTO {table} (tenant_id, notice_id) SELECT $1, * FROM unnest($2::uuid[]) ON CONFLICT DO NOTHING"
    )))
    .bind(tx.tenant().uuid())
    .bind(notices)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What a job is about.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) raised: Raised,
    /// Attempts of unknown outcome so far.
    pub(crate) unsure: u16,
    /// The tenant is suspended: nothing is told for it now.
    pub(crate) suspended: bool,
    /// By the database's clock.
    pub(crate) now: Timestamp,
}

/// Reads what a job is about; none: the notice is gone, or does not wait on this channel any more.
pub(crate) async fn read(tx: &mut TenantTx, channel: NoticeChannel, notice: Uuid) -> Result<Option<Task>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT n.*, d.unsure, now() AS now,
             coalesce((SELECT suspended FROM messaging.tenant_replica WHERE tenant_id = $1), false) AS suspended
         FROM messaging.notice n JOIN messaging.notice_delivery d USING (tenant_id, notice_id)
         WHERE n.tenant_id = $1 AND n.notice_id = $2 AND d.channel = $3 AND d.state = $4",
    )
    .bind(tx.tenant().uuid())
    .bind(notice)
    .bind(channel.code())
    .bind(DeliveryState::Pending.code())
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Task {
        raised: raised(&row)?,
        unsure: row.try_get::<i16, _>("unsure")?.unsigned_abs(),
        suspended: row.try_get("suspended")?,
        now: row.try_get("now")?,
    }))
}

/// Counts an attempt of unknown outcome, before it is known; tells whether the job is still this worker's.
pub(crate) async fn mark_unsure(tx: &mut TenantTx, channel: NoticeChannel, job: &Job) -> Result<bool, sqlx::Error> {
    let Some(WorkQueue { table, .. }) = queue(channel) else { return Ok(false) };
    let marked = sqlx::query(AssertSqlSafe(format!(
        "UPDATE messaging.notice_delivery SET unsure = unsure + 1
         WHERE tenant_id = $1 AND notice_id = $2 AND channel = $3 AND state = $4
             AND EXISTS (SELECT FROM {table} WHERE tenant_id = $1 AND notice_id = $2 AND claim = $5 FOR UPDATE)"
    )))
    .bind(tx.tenant().uuid())
    .bind(job.subject)
    .bind(channel.code())
    .bind(DeliveryState::Pending.code())
    .bind(job.claim)
    .execute(&mut **tx)
    .await?;
    Ok(marked.rows_affected() == 1)
}

/// Ends a delivery and its job; tells whether the job still was this worker's.
pub(crate) async fn settle(
    tx: &mut TenantTx,
    channel: NoticeChannel,
    job: &Job,
    state: DeliveryState,
    reason: Option<Reason>,
) -> Result<bool, sqlx::Error> {
    let Some(WorkQueue { table, .. }) = queue(channel) else { return Ok(false) };
    let settled = sqlx::query(AssertSqlSafe(format!(
        "WITH done AS (DELETE FROM {table} WHERE tenant_id = $1 AND notice_id = $2 AND claim = $3 RETURNING attempts)
         UPDATE messaging.notice_delivery d
         SET state = $5, reason = $6, attempts = done.attempts, settle_time = now()
         FROM done WHERE d.tenant_id = $1 AND d.notice_id = $2 AND d.channel = $4 AND d.state = $7"
    )))
    .bind(tx.tenant().uuid())
    .bind(job.subject)
    .bind(job.claim)
    .bind(channel.code())
    .bind(state.code())
    .bind(reason.map(Reason::code))
    .bind(DeliveryState::Pending.code())
    .execute(&mut **tx)
    .await?;
    Ok(settled.rows_affected() == 1)
}

/// Notes that another attempt follows. `certain`: the last one, counted as unsure, surely was not taken.
pub(crate) async fn note_attempt(
    tx: &mut TenantTx,
    channel: NoticeChannel,
    job: &Job,
    certain: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE messaging.notice_delivery SET attempts = $4, unsure = unsure - $5::bool::int
         WHERE tenant_id = $1 AND notice_id = $2 AND channel = $3 AND state = $6",
    )
    .bind(tx.tenant().uuid())
    .bind(job.subject)
    .bind(channel.code())
    .bind(i16::try_from(job.attempts).unwrap_or(i16::MAX))
    .bind(certain)
    .bind(DeliveryState::Pending.code())
    .execute(&mut **tx)
    .await?;
    Ok(())
}
