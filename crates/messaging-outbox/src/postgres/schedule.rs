//! Messages that wait for their time. Whoever reads a row to change it holds the lock of its conversation first, as for the queue.

use std::time::Duration;

use chassis::postgres::TenantTx;
use chassis::trace;
use kernel::{AccountId, ConversationId, MessageId, Timestamp, TraceParent};
use messaging_outbox_core::route::SendPolicy;
use messaging_outbox_core::schedule::Schedule;
use messaging_outbox_core::state::MessageState;
use serde_json::Value;
use sqlx::Row as _;
use uuid::Uuid;

use super::settle::Failure;

/// How many of one conversation are read at once.
const PASSED_AT_ONCE: i64 = 100;

/// A message that waits for its time.
#[derive(Clone, Debug)]
pub(crate) struct Scheduled {
    pub(crate) message: MessageId,
    pub(crate) conversation: ConversationId,
    pub(crate) account: AccountId,
    pub(crate) schedule: Schedule,
    pub(crate) policy: SendPolicy,
    pub(crate) silent: bool,
    /// The trace of the call that wrote it.
    pub(crate) trace: Option<TraceParent>,
}

/// Keeps the schedule of a message that is kept already.
pub(crate) async fn insert(tx: &mut TenantTx, scheduled: &Scheduled) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messaging.scheduled_send (tenant_id, message_id, conversation_id, account_id, generation, send_time,
             late_seconds, policy, silent, trace)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(tx.tenant().uuid())
    .bind(scheduled.message.uuid())
    .bind(scheduled.conversation.uuid())
    .bind(scheduled.account.uuid())
    .bind(scheduled.schedule.generation)
    .bind(scheduled.schedule.send_time)
    .bind(seconds(scheduled.schedule.late_for))
    .bind(scheduled.policy.code())
    .bind(scheduled.silent)
    .bind(scheduled.trace.as_ref().and_then(trace::pack))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Those of `messages` that wait for their time, in the order of their IDs. Their conversations must be locked.
pub(crate) async fn waiting(tx: &mut TenantTx, messages: &[Uuid]) -> Result<Vec<Scheduled>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT s.* FROM unnest($2::uuid[]) AS k (id) CROSS JOIN LATERAL (
             SELECT message_id, conversation_id, account_id, generation, send_time, late_seconds, policy, silent, trace
             FROM messaging.scheduled_send WHERE tenant_id = $1 AND message_id = k.id LIMIT 1) s
         ORDER BY s.message_id",
    )
    .bind(tx.tenant().uuid())
    .bind(messages)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(scheduled).collect()
}

/// What else waits in `conversations` for a time that has passed at `now`, of each the first ones. They must be locked.
pub(crate) async fn passed(
    tx: &mut TenantTx,
    conversations: &[Uuid],
    now: Timestamp,
) -> Result<Vec<Scheduled>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT s.* FROM unnest($2::uuid[]) AS k (id) CROSS JOIN LATERAL (
             SELECT message_id, conversation_id, account_id, generation, send_time, late_seconds, policy, silent, trace
             FROM messaging.scheduled_send WHERE tenant_id = $1 AND conversation_id = k.id AND send_time <= $3
             ORDER BY send_time, message_id LIMIT $4) s",
    )
    .bind(tx.tenant().uuid())
    .bind(conversations)
    .bind(now)
    .bind(PASSED_AT_ONCE)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(scheduled).collect()
}

/// Gives a message another schedule, and with it another time.
pub(crate) async fn change(tx: &mut TenantTx, message: MessageId, to: Schedule) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH changed AS (
             UPDATE messaging.scheduled_send SET generation = $3, send_time = $4, late_seconds = $5
             WHERE tenant_id = $1 AND message_id = $2 RETURNING message_id)
         UPDATE messaging.message m SET message_time = $4
         FROM changed WHERE m.tenant_id = $1 AND m.message_id = changed.message_id",
    )
    .bind(tx.tenant().uuid())
    .bind(message.uuid())
    .bind(to.generation)
    .bind(to.send_time)
    .bind(seconds(to.late_for))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What a message says instead, and who says it.
#[derive(Clone, Copy)]
pub(crate) struct Words<'a> {
    pub(crate) object: &'a Value,
    pub(crate) quotes: Option<MessageId>,
    pub(crate) principal: Uuid,
    pub(crate) staff: Option<(Uuid, &'a str)>,
}

/// Has a message that waits say something else.
pub(crate) async fn rewrite(tx: &mut TenantTx, message: MessageId, words: Words<'_>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE messaging.message SET object = $3::text::json, quoted_message_id = $4, principal_id = $5, staff_id = $6,
             staff_display_name = $7
         WHERE tenant_id = $1 AND message_id = $2 AND state = $8",
    )
    .bind(tx.tenant().uuid())
    .bind(message.uuid())
    // As text: a value would go as `jsonb`, which holds no U+0000.
    .bind(words.object.to_string())
    .bind(words.quotes.map(MessageId::uuid))
    .bind(words.principal)
    .bind(words.staff.map(|(id, _)| id))
    .bind(words.staff.map(|(_, name)| name))
    .bind(MessageState::Scheduled.code())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Messages wait no more: each is in `state` from its moment here on.
pub(crate) async fn leave(
    tx: &mut TenantTx,
    messages: &[(MessageId, Timestamp)],
    state: MessageState,
) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = messages.iter().map(|(message, _)| message.uuid()).collect();
    let times: Vec<Timestamp> = messages.iter().map(|(_, time)| *time).collect();
    sqlx::query("DELETE FROM messaging.scheduled_send WHERE tenant_id = $1 AND message_id = ANY ($2)")
        .bind(tx.tenant().uuid())
        .bind(&ids)
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "UPDATE messaging.message m SET state = $4, message_time = t.message_time
         FROM unnest($2::uuid[], $3::timestamptz[]) AS t (message_id, message_time)
         WHERE m.tenant_id = $1 AND m.message_id = t.message_id",
    )
    .bind(tx.tenant().uuid())
    .bind(&ids)
    .bind(times)
    .bind(state.code())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Keeps why messages did not go when their time had come.
pub(crate) async fn fail(tx: &mut TenantTx, failures: &[(MessageId, Failure)]) -> Result<(), sqlx::Error> {
    for (message, failure) in failures {
        sqlx::query(
            "INSERT INTO messaging.send_failure (tenant_id, message_id, kind, line_message, line_details, line_request_id,
                 http_status, attempts)
             VALUES ($1, $2, $3, '', $4, '', 0, 0)",
        )
        .bind(tx.tenant().uuid())
        .bind(message.uuid())
        .bind(failure.kind)
        .bind(&failure.line_details)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

fn scheduled(row: &sqlx::postgres::PgRow) -> Result<Scheduled, sqlx::Error> {
    let id = |name: &str| row.try_get::<Uuid, _>(name);
    Ok(Scheduled {
        message: id("message_id")?.into(),
        conversation: id("conversation_id")?.into(),
        account: id("account_id")?.into(),
        schedule: of_row(row)?,
        policy: SendPolicy::from_code(row.try_get("policy")?),
        silent: row.try_get("silent")?,
        trace: row.try_get::<Option<Vec<u8>>, _>("trace")?.as_deref().and_then(trace::unpack),
    })
}

/// The schedule in a row that has `generation`, `send_time` and `late_seconds`.
pub(super) fn of_row(row: &sqlx::postgres::PgRow) -> Result<Schedule, sqlx::Error> {
    let late_seconds: i32 = row.try_get("late_seconds")?;
    Ok(Schedule {
        generation: row.try_get("generation")?,
        send_time: row.try_get("send_time")?,
        late_for: Duration::from_secs(late_seconds.unsigned_abs().into()),
    })
}

fn seconds(late_for: Duration) -> i32 {
    i32::try_from(late_for.as_secs()).unwrap_or(i32::MAX)
}
