//! Reminders that wait for the reason to pass why nobody was reminded.

use std::time::Duration;

use chassis::postgres::TenantTx;
use chassis::work_queue::{Job, WorkQueue};
use kernel::{ActivityId, CustomerId, MessageId, ReminderId, ReminderRuleId, Timestamp};
use messaging_outbox_core::reminder::{NotSent, Said};
use sqlx::Row as _;
use uuid::Uuid;

/// The jobs; one is about a reminder.
pub(crate) const JOBS: WorkQueue =
    WorkQueue { table: "messaging.reminder_wait", subject: "reminder_id", due: "due", attempts: "attempts" };

/// A reminder that waits, as it was said.
#[derive(Clone)]
pub(crate) struct Waiting {
    pub(crate) reminder: ReminderId,
    pub(crate) activity: ActivityId,
    pub(crate) rule: ReminderRuleId,
    pub(crate) said: Said,
    pub(crate) due: Timestamp,
    pub(crate) template: String,
}

/// Has reminders that are kept already looked at again after `wait`.
pub(crate) async fn begin(tx: &mut TenantTx, waiting: &[Waiting], wait: Duration) -> Result<(), sqlx::Error> {
    if waiting.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "WITH said AS (
             SELECT * FROM unnest($2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::text[], $7::bigint[])
                 AS s (reminder_id, expire_time, said_time, template, said_version)),
         kept AS (
             UPDATE messaging.reminder r
             SET expire_time = said.expire_time, said_time = said.said_time, said_version = said.said_version,
                 template = said.template
             FROM said WHERE r.tenant_id = $1 AND r.reminder_id = said.reminder_id)
         INSERT INTO messaging.reminder_wait (tenant_id, reminder_id, due)
         SELECT $1, reminder_id, now() + make_interval(secs => $6) FROM said",
    )
    .bind(tx.tenant().uuid())
    .bind(waiting.iter().map(|one| one.reminder.uuid()).collect::<Vec<_>>())
    .bind(waiting.iter().map(|one| one.said.expire).collect::<Vec<_>>())
    .bind(waiting.iter().map(|one| one.said.time).collect::<Vec<_>>())
    .bind(waiting.iter().map(|one| one.template.as_str()).collect::<Vec<_>>())
    .bind(wait.as_secs_f64())
    .bind(waiting.iter().map(|one| one.said.version).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Has what waits for a customer looked at now: the customer links, or a link of the customer's is surer. What is being looked at
/// this moment is left alone, for who looks may wait for the caller; it comes again by itself.
pub(crate) async fn wake_of(tx: &mut TenantTx, customer: CustomerId) -> Result<(), sqlx::Error> {
    let text = "UPDATE messaging.reminder_wait SET due = now(), claim = NULL WHERE tenant_id = $1 AND reminder_id IN (
        SELECT w.reminder_id FROM messaging.reminder r JOIN messaging.reminder_wait w USING (tenant_id, reminder_id)
        WHERE r.tenant_id = $1 AND r.customer_id = $2 AND r.template IS NOT NULL FOR UPDATE OF w SKIP LOCKED)";
    sqlx::query(text).bind(tx.tenant().uuid()).bind(customer.uuid()).execute(&mut **tx).await?;
    Ok(())
}

/// Has what waits for news of a reservation looked at now; who looks at it this moment hears the news itself.
pub(crate) async fn wake_for(tx: &mut TenantTx, activity: ActivityId) -> Result<(), sqlx::Error> {
    let text = "UPDATE messaging.reminder_wait SET due = now(), claim = NULL WHERE tenant_id = $1 AND reminder_id IN (
        SELECT w.reminder_id FROM messaging.reminder r JOIN messaging.reminder_wait w USING (tenant_id, reminder_id)
        WHERE r.tenant_id = $1 AND r.activity_id = $2 AND r.template IS NOT NULL FOR UPDATE OF w SKIP LOCKED)";
    sqlx::query(text).bind(tx.tenant().uuid()).bind(activity.uuid()).execute(&mut **tx).await?;
    Ok(())
}

/// A reminder in hand; none when somebody else has it by now. Nobody else decides over it until the transaction ends.
pub(crate) async fn hold(tx: &mut TenantTx, job: &Job) -> Result<Option<Waiting>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT r.* FROM messaging.reminder_wait w JOIN messaging.reminder r USING (tenant_id, reminder_id)
         WHERE w.tenant_id = $1 AND w.reminder_id = $2 AND w.claim = $3 FOR UPDATE",
    )
    .bind(tx.tenant().uuid())
    .bind(job.subject)
    .bind(job.claim)
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let id = |name: &str| row.try_get::<Uuid, _>(name);
    Ok(Some(Waiting {
        reminder: id("reminder_id")?.into(),
        activity: id("activity_id")?.into(),
        rule: id("rule_id")?.into(),
        said: Said {
            start: row.try_get("start_time")?,
            expire: row.try_get("expire_time")?,
            time: row.try_get("said_time")?,
            version: row.try_get("said_version")?,
        },
        due: row.try_get("due_time")?,
        template: row.try_get("template")?,
    }))
}

/// What became of a reminder meanwhile. It waits on for so long; without a wait it waits no more.
pub(crate) async fn settle(
    tx: &mut TenantTx,
    job: &Job,
    customer: Option<CustomerId>,
    fate: Result<MessageId, NotSent>,
    wait: Option<Duration>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE messaging.reminder
         SET message_id = $3, reason = $4, expire_time = CASE WHEN $5 THEN expire_time END,
             said_time = CASE WHEN $5 THEN said_time END, said_version = CASE WHEN $5 THEN said_version END,
             template = CASE WHEN $5 THEN template END, customer_id = coalesce($6, customer_id)
         WHERE tenant_id = $1 AND reminder_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(job.subject)
    .bind(fate.ok().map(MessageId::uuid))
    .bind(fate.err().map(NotSent::code))
    .bind(wait.is_some())
    .bind(customer.map(CustomerId::uuid))
    .execute(&mut **tx)
    .await?;
    match wait {
        Some(_) => JOBS.postpone(&mut **tx, job, wait).await,
        None => JOBS.finish(&mut **tx, job).await,
    }
}

/// A reminder waits no more, and what is known of it stays.
pub(crate) async fn end(tx: &mut TenantTx, job: &Job) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE messaging.reminder SET expire_time = NULL, said_time = NULL, said_version = NULL, template = NULL
         WHERE tenant_id = $1 AND reminder_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(job.subject)
    .execute(&mut **tx)
    .await?;
    JOBS.finish(&mut **tx, job).await
}
