//! Contents of media messages.

use chassis::postgres::TenantTx;
use kernel::{AccountId, MessageId, TenantId, Timestamp};
use messaging_outbox_core::media::ContentState;
use sqlx::{PgPool, Row as _};
use std::time::Duration;
use uuid::Uuid;

/// Notes that LINE keeps bytes for a message, and has them fetched.
pub(crate) async fn expect(tx: &mut TenantTx, account: AccountId, message: MessageId) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH job AS (
             INSERT INTO messaging.content_job (tenant_id, message_id, account_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING)
         INSERT INTO messaging.content (tenant_id, message_id, state) VALUES ($1, $2, $4) ON CONFLICT DO NOTHING",
    )
    .bind(tx.tenant().uuid())
    .bind(message.uuid())
    .bind(account.uuid())
    .bind(ContentState::Pending.code())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A content to be fetched, claimed for a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) tenant: TenantId,
    pub(crate) message: MessageId,
    pub(crate) account: AccountId,
    pub(crate) attempts: u16,
    pub(crate) age: Duration,
}

/// Claims up to `room` due jobs over all tenants, `lease` long: a job whose fetcher dies is due again after it.
pub(crate) async fn claim(worker: &PgPool, room: i64, lease: Duration) -> Result<Vec<Job>, sqlx::Error> {
    let rows = sqlx::query(
        "WITH due AS (
             SELECT tenant_id, message_id FROM messaging.content_job WHERE due <= now()
             ORDER BY due LIMIT $1 FOR UPDATE SKIP LOCKED)
         UPDATE messaging.content_job j
         SET due = now() + make_interval(secs => $2), attempts = least(j.attempts + 1, 30000)
         FROM due WHERE (j.tenant_id, j.message_id) = (due.tenant_id, due.message_id)
         RETURNING j.tenant_id, j.message_id, j.account_id, j.attempts,
             extract(epoch FROM now() - j.create_time)::float8 AS age",
    )
    .bind(room)
    .bind(lease.as_secs_f64())
    .fetch_all(worker)
    .await?;
    rows.into_iter()
        .map(|row| {
            let (tenant, message, account): (Uuid, Uuid, Uuid) =
                (row.try_get("tenant_id")?, row.try_get("message_id")?, row.try_get("account_id")?);
            let attempts: i16 = row.try_get("attempts")?;
            let age: f64 = row.try_get("age")?;
            Ok(Job {
                tenant: tenant.into(),
                message: message.into(),
                account: account.into(),
                attempts: attempts.unsigned_abs(),
                age: Duration::from_secs_f64(age.max(0.0)),
            })
        })
        .collect()
}

/// LINE's ID of a message whose content is still to be fetched; none when it was unsent meanwhile. With `lock`, the message
/// cannot be unsent before the transaction ends.
pub(crate) async fn wanted(tx: &mut TenantTx, message: MessageId, lock: bool) -> Result<Option<String>, sqlx::Error> {
    let query = if lock {
        "SELECT line_message_id FROM messaging.message
         WHERE tenant_id = $1 AND message_id = $2 AND unsend_time IS NULL FOR UPDATE"
    } else {
        "SELECT line_message_id FROM messaging.message WHERE tenant_id = $1 AND message_id = $2 AND unsend_time IS NULL"
    };
    let id: Option<Option<String>> =
        sqlx::query_scalar(query).bind(tx.tenant().uuid()).bind(message.uuid()).fetch_optional(&mut **tx).await?;
    Ok(id.flatten())
}

/// Keeps one piece.
pub(crate) async fn put_chunk(
    tx: &mut TenantTx,
    message: MessageId,
    part: i32,
    bytes: &[u8],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messaging.content_chunk (tenant_id, message_id, part, bytes) VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant_id, message_id, part) DO UPDATE SET bytes = excluded.bytes",
    )
    .bind(tx.tenant().uuid())
    .bind(message.uuid())
    .bind(part)
    .bind(bytes)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The content's state for good; its job ends.
pub(crate) async fn settle(
    tx: &mut TenantTx,
    message: MessageId,
    state: ContentState,
    content_type: &str,
    size: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH job AS (DELETE FROM messaging.content_job WHERE tenant_id = $1 AND message_id = $2)
         UPDATE messaging.content SET state = $3, content_type = $4, size = $5 WHERE tenant_id = $1 AND message_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(message.uuid())
    .bind(state.code())
    .bind(content_type)
    .bind(size)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The job is due again after `wait`.
pub(crate) async fn postpone(worker: &PgPool, job: &Job, wait: Duration) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE messaging.content_job SET due = now() + make_interval(secs => $3) WHERE tenant_id = $1 AND message_id = $2",
    )
    .bind(job.tenant.uuid())
    .bind(job.message.uuid())
    .bind(wait.as_secs_f64())
    .execute(worker)
    .await?;
    Ok(())
}

/// A content as kept.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "a content type is called so everywhere")]
pub(crate) struct Content {
    pub(crate) state: Option<ContentState>,
    pub(crate) content_type: String,
    pub(crate) size: i64,
    pub(crate) unsent: Option<Timestamp>,
}

/// What is known of a message's content; none when there is no such message.
pub(crate) async fn read(tx: &mut TenantTx, message: MessageId) -> Result<Option<Content>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT m.unsend_time, c.state, coalesce(c.content_type, '') AS content_type, coalesce(c.size, 0) AS size
         FROM messaging.message m LEFT JOIN messaging.content c USING (tenant_id, message_id)
         WHERE m.tenant_id = $1 AND m.message_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(message.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let state: Option<i16> = row.try_get("state")?;
    Ok(Some(Content {
        state: state.and_then(ContentState::from_code),
        content_type: row.try_get("content_type")?,
        size: row.try_get("size")?,
        unsent: row.try_get("unsend_time")?,
    }))
}

/// One piece of a content.
pub(crate) async fn read_chunk(
    tx: &mut TenantTx,
    message: MessageId,
    part: i32,
) -> Result<Option<Vec<u8>>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT bytes FROM messaging.content_chunk WHERE tenant_id = $1 AND message_id = $2 AND part = $3",
    )
    .bind(tx.tenant().uuid())
    .bind(message.uuid())
    .bind(part)
    .fetch_optional(&mut **tx)
    .await
}
