//! Contents of media messages.

use chassis::postgres::TenantTx;
use chassis::work_queue::{Job, WorkQueue};
use kernel::{AccountId, MessageId, Timestamp};
use messaging_outbox_core::media::ContentState;
use sqlx::Row as _;
use uuid::Uuid;

/// Notes that LINE keeps bytes for messages, and has them fetched.
pub(crate) async fn expect(tx: &mut TenantTx, messages: &[(AccountId, MessageId)]) -> Result<(), sqlx::Error> {
    let (accounts, messages): (Vec<Uuid>, Vec<Uuid>) =
        messages.iter().map(|(account, message)| (account.uuid(), message.uuid())).unzip();
    sqlx::query(
        "WITH job AS (
             INSERT INTO messaging.content_job (tenant_id, message_id, account_id)
             SELECT $1, * FROM unnest($2::uuid[], $3::uuid[]) ON CONFLICT DO NOTHING)
         INSERT INTO messaging.content (tenant_id, message_id, state) SELECT $1, unnest($2::uuid[]), $4 ON CONFLICT DO NOTHING",
    )
    .bind(tx.tenant().uuid())
    .bind(messages)
    .bind(accounts)
    .bind(ContentState::Pending.code())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Notes that the bytes LINE kept for messages are not fetched any more.
pub(crate) async fn miss(tx: &mut TenantTx, messages: &[(AccountId, MessageId)]) -> Result<(), sqlx::Error> {
    let messages: Vec<Uuid> = messages.iter().map(|(_, message)| message.uuid()).collect();
    sqlx::query(
        "INSERT INTO messaging.content (tenant_id, message_id, state) SELECT $1, unnest($2::uuid[]), $3 ON CONFLICT DO NOTHING",
    )
    .bind(tx.tenant().uuid())
    .bind(messages)
    .bind(ContentState::Gone.code())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Has the bytes of a message fetched after all that count as gone; whether they did.
pub(crate) async fn expect_missed(
    tx: &mut TenantTx,
    account: AccountId,
    message: MessageId,
) -> Result<bool, sqlx::Error> {
    let expected = sqlx::query(
        "WITH missed AS (
             UPDATE messaging.content SET state = $4 WHERE tenant_id = $1 AND message_id = $2 AND state = $5 RETURNING message_id)
         INSERT INTO messaging.content_job (tenant_id, message_id, account_id) SELECT $1, message_id, $3 FROM missed
         ON CONFLICT DO NOTHING",
    )
    .bind(tx.tenant().uuid())
    .bind(message.uuid())
    .bind(account.uuid())
    .bind(ContentState::Pending.code())
    .bind(ContentState::Gone.code())
    .execute(&mut **tx)
    .await?;
    Ok(expected.rows_affected() == 1)
}

/// Contents to be fetched; a job is about a message.
pub(crate) const JOBS: WorkQueue =
    WorkQueue { table: "messaging.content_job", subject: "message_id", due: "due", attempts: "attempts" };

/// LINE's ID of a message whose content is still to be fetched; none when it was unsent meanwhile.
pub(crate) async fn wanted(tx: &mut TenantTx, message: MessageId) -> Result<Option<String>, sqlx::Error> {
    let id: Option<Option<String>> = sqlx::query_scalar(
        "SELECT line_message_id FROM messaging.message WHERE tenant_id = $1 AND message_id = $2 AND unsend_time IS NULL",
    )
    .bind(tx.tenant().uuid())
    .bind(message.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(id.flatten())
}

/// Whether `job` is still in the hands of this attempt, and its message not unsent. The message must be locked: it stays so until
/// the transaction ends.
pub(crate) async fn is_ours(tx: &mut TenantTx, job: &Job) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (
             SELECT FROM messaging.content_job j JOIN messaging.message m USING (tenant_id, message_id)
             WHERE j.tenant_id = $1 AND j.message_id = $2 AND j.attempts = $3 AND m.unsend_time IS NULL)",
    )
    .bind(tx.tenant().uuid())
    .bind(job.subject)
    .bind(i32::from(job.attempts))
    .fetch_one(&mut **tx)
    .await
}

/// Keeps one piece, in the place of what an unfinished attempt left there.
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

/// What a content came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome<'a> {
    pub(crate) state: ContentState,
    /// MIME type; empty where nothing is kept.
    pub(crate) content_type: &'a str,
    /// Bytes.
    pub(crate) size: i64,
    /// Pieces that stay; those from this one on are an unfinished attempt's.
    pub(crate) parts: i32,
}

impl Outcome<'_> {
    /// Nothing is kept.
    pub(crate) const fn without_bytes(state: ContentState) -> Self {
        Self { state, content_type: "", size: 0, parts: 0 }
    }
}

/// The content's state for good; its job ends. Nothing happens where another attempt has the job, or nobody. The message must be
/// locked.
pub(crate) async fn settle(tx: &mut TenantTx, job: &Job, outcome: Outcome<'_>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH job AS (
             DELETE FROM messaging.content_job WHERE tenant_id = $1 AND message_id = $2 AND attempts = $3
             RETURNING message_id),
         rest AS (
             DELETE FROM messaging.content_chunk c USING job
             WHERE c.tenant_id = $1 AND c.message_id = job.message_id AND c.part >= $7)
         UPDATE messaging.content c SET state = $4, content_type = $5, size = $6
         FROM job WHERE c.tenant_id = $1 AND c.message_id = job.message_id",
    )
    .bind(tx.tenant().uuid())
    .bind(job.subject)
    .bind(i32::from(job.attempts))
    .bind(outcome.state.code())
    .bind(outcome.content_type)
    .bind(outcome.size)
    .bind(outcome.parts)
    .execute(&mut **tx)
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
