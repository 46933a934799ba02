//! Contents of media messages.

use chassis::postgres::TenantTx;
use chassis::work_queue::WorkQueue;
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

/// Contents to be fetched; a job is about a message.
pub(crate) const JOBS: WorkQueue =
    WorkQueue { table: "messaging.content_job", subject: "message_id", due: "due", attempts: "attempts" };

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
