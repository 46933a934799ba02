//! Messages as staff see them.

use chassis::postgres::TenantTx;
use kernel::{AccountId, ConversationId, FriendId, MessageId, PrincipalId, StaffId, Timestamp};
use messaging_outbox_core::media::ContentState;
use messaging_outbox_core::route::SendMethod;
use messaging_outbox_core::schedule::Schedule;
use messaging_outbox_core::state::MessageState;
use serde_json::Value;
use sqlx::Row as _;
use uuid::Uuid;

use super::schedule;
use super::settle::Failure;

/// A member of a group or room.
#[derive(Clone)]
pub(crate) struct Writer {
    pub(crate) id: FriendId,
    pub(crate) line_user_id: String,
    /// Empty while it is not known.
    pub(crate) display_name: String,
}

/// A message with all that is shown of it.
#[derive(Clone)]
#[expect(clippy::struct_field_names, reason = "LINE's message is another than ours")]
pub(crate) struct Message {
    pub(crate) id: MessageId,
    pub(crate) conversation: ConversationId,
    pub(crate) account: AccountId,
    pub(crate) class: i16,
    pub(crate) outbound: bool,
    pub(crate) state: MessageState,
    pub(crate) time: Timestamp,
    pub(crate) unread: bool,
    pub(crate) method: Option<SendMethod>,
    pub(crate) edited: bool,
    pub(crate) unsent: Option<Timestamp>,
    pub(crate) accepted: Option<Timestamp>,
    pub(crate) staff: Option<(StaffId, String)>,
    pub(crate) principal: Option<PrincipalId>,
    pub(crate) quotes: Option<MessageId>,
    /// The member of a group or room who wrote it.
    pub(crate) writer: Option<Writer>,
    pub(crate) line_message: String,
    pub(crate) quote_token: Option<String>,
    pub(crate) object: Option<Value>,
    pub(crate) failure: Option<Failure>,
    /// What staff looked at when they settled it; empty: nothing said.
    pub(crate) settle_note: String,
    pub(crate) content: Option<(ContentState, String, i64)>,
    /// When it goes, while it waits for its time.
    pub(crate) schedule: Option<Schedule>,
}

/// Messages `m` of `$from` for which `$rest` holds, those to and from staff (conversations of kind 4) left out. What belongs to one
/// is looked up row by row: no plan that was made while the tables were small can read the whole of them.
macro_rules! select_message {
    ($from:literal, $rest:literal) => {
        concat!(
            "SELECT m.message_id, m.conversation_id, m.account_id, m.class, m.direction, m.state, m.message_time, m.unread,
                 m.send_method, m.edit_time, m.unsend_time, m.accept_time, m.staff_id, m.staff_display_name, m.principal_id,
                 m.quoted_message_id, m.line_message_id, m.quote_token, m.object, coalesce(m.settle_note, '') AS settle_note,
                 m.writer_line_user_id, a.provider_id, coalesce(u.display_name, '') AS writer_display_name,
                 s.state AS queue_state, coalesce(s.in_doubt, false) AS in_doubt,
                 x.kind AS failure_kind, x.line_message, x.line_details, x.line_request_id AS failure_request_id,
                 x.http_status, x.attempts, k.state AS content_state, k.content_type, k.size,
                 p.generation, p.send_time, p.late_seconds
             FROM ",
            $from,
            " LEFT JOIN LATERAL (
                 SELECT state, in_doubt FROM messaging.send
                 WHERE m.direction = 2 AND tenant_id = $1 AND account_id = m.account_id AND class = m.class
                     AND message_id = m.message_id LIMIT 1) s ON true
             LEFT JOIN LATERAL (
                 SELECT * FROM messaging.send_failure
                 WHERE m.state = ANY ($2) AND tenant_id = $1 AND message_id = m.message_id LIMIT 1) x ON true
             LEFT JOIN LATERAL (
                 SELECT provider_id FROM messaging.account_replica
                 WHERE m.writer_line_user_id IS NOT NULL AND tenant_id = $1 AND account_id = m.account_id LIMIT 1) a ON true
             LEFT JOIN LATERAL (
                 SELECT display_name FROM messaging.line_user_replica
                 WHERE tenant_id = $1 AND provider_id = a.provider_id AND line_user_id = m.writer_line_user_id
                 LIMIT 1) u ON true
             LEFT JOIN LATERAL (
                 SELECT state, content_type, size FROM messaging.content
                 WHERE tenant_id = $1 AND message_id = m.message_id LIMIT 1) k ON true
             LEFT JOIN LATERAL (
                 SELECT generation, send_time, late_seconds FROM messaging.scheduled_send
                 WHERE m.direction = 2 AND m.accept_time IS NULL AND tenant_id = $1 AND message_id = m.message_id
                 LIMIT 1) p ON true
             WHERE (SELECT kind FROM messaging.conversation
                    WHERE tenant_id = $1 AND conversation_id = m.conversation_id) <> 4 AND ",
            $rest
        )
    };
}

/// Reads messages by their IDs, in no order.
pub(crate) async fn read(tx: &mut TenantTx, ids: &[MessageId]) -> Result<Vec<Message>, sqlx::Error> {
    let rows = sqlx::query(select_message!(
        "unnest($3::uuid[]) AS i (id) CROSS JOIN LATERAL (
             SELECT * FROM messaging.message WHERE tenant_id = $1 AND message_id = i.id LIMIT 1) m",
        "true"
    ))
    .bind(tx.tenant().uuid())
    .bind(with_failure())
    .bind(ids.iter().map(|id| id.uuid()).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(message).collect()
}

/// Lists a conversation's messages, the latest first, behind `after`.
pub(crate) async fn list(
    tx: &mut TenantTx,
    conversation: ConversationId,
    after: Option<(Timestamp, Uuid)>,
    limit: i64,
) -> Result<Vec<Message>, sqlx::Error> {
    let (time, id) = after.unzip();
    let rows = sqlx::query(select_message!(
        "messaging.message m",
        "m.tenant_id = $1 AND m.conversation_id = $3
             AND (m.message_time, m.message_id) < (coalesce($4::timestamptz, 'infinity'), $5)
         ORDER BY m.message_time DESC, m.message_id DESC LIMIT $6"
    ))
    .bind(tx.tenant().uuid())
    .bind(with_failure())
    .bind(conversation.uuid())
    .bind(time)
    .bind(id)
    .bind(limit)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(message).collect()
}

/// Which outbound messages a page lists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outbound {
    pub(crate) state: Option<MessageState>,
    pub(crate) account: Option<AccountId>,
    pub(crate) conversation: Option<ConversationId>,
    /// Behind this one; for the first page, what sorts behind every ID of this moment.
    pub(crate) before: Uuid,
    pub(crate) limit: i64,
}

/// Lists outbound messages, the latest first. Their IDs carry their time; inbound ones are spread over all of the space, and
/// hardly any lie below the present. What waits to leave is found through the queue, however long the past is: put in order first,
/// then looked up until the page is full.
pub(crate) async fn list_outbound(tx: &mut TenantTx, outbound: &Outbound) -> Result<Vec<Message>, sqlx::Error> {
    let query = match outbound.state {
        Some(state) if MessageState::FOR_ATTENTION.contains(&state) => select_message!(
            "messaging.message m",
            "m.tenant_id = $1 AND m.message_id < $3 AND m.attention = $4
                 AND ($5::uuid IS NULL OR m.account_id = $5) AND ($7::uuid IS NULL OR m.conversation_id = $7)
             ORDER BY m.message_id DESC LIMIT $6"
        ),
        Some(MessageState::Sending) => select_message!(
            "(SELECT message_id FROM messaging.send
              WHERE tenant_id = $1 AND message_id < $3 AND (state = 1 OR in_doubt) AND ($5::uuid IS NULL OR account_id = $5)
                  AND ($7::uuid IS NULL OR conversation_id = $7)
              ORDER BY message_id DESC) q
             CROSS JOIN LATERAL (
                 SELECT * FROM messaging.message WHERE tenant_id = $1 AND message_id = q.message_id LIMIT 1) m",
            "$4::smallint IS NOT NULL ORDER BY q.message_id DESC LIMIT $6"
        ),
        Some(MessageState::Queued) => select_message!(
            "(SELECT message_id FROM messaging.send
              WHERE tenant_id = $1 AND message_id < $3 AND state = 0 AND NOT in_doubt AND ($5::uuid IS NULL OR account_id = $5)
                  AND ($7::uuid IS NULL OR conversation_id = $7)
              ORDER BY message_id DESC) q
             CROSS JOIN LATERAL (
                 SELECT * FROM messaging.message WHERE tenant_id = $1 AND message_id = q.message_id LIMIT 1) m",
            "m.state = $4 ORDER BY q.message_id DESC LIMIT $6"
        ),
        // Those of a conversation are found through its index, and put in order then (`OFFSET 0`): along the key the whole tenant's
        // would be read.
        _ if outbound.conversation.is_some() => select_message!(
            "(SELECT * FROM messaging.message WHERE tenant_id = $1 AND conversation_id = $7 AND direction = 2 OFFSET 0) m",
            "m.message_id < $3 AND ($4::smallint IS NULL OR m.state = $4) AND ($5::uuid IS NULL OR m.account_id = $5)
             ORDER BY m.message_id DESC LIMIT $6"
        ),
        _ => select_message!(
            "messaging.message m",
            "m.tenant_id = $1 AND m.message_id < $3 AND m.direction = 2 AND ($4::smallint IS NULL OR m.state = $4)
                 AND ($5::uuid IS NULL OR m.account_id = $5) AND $7::uuid IS NULL
             ORDER BY m.message_id DESC LIMIT $6"
        ),
    };
    let rows = sqlx::query(query)
        .bind(tx.tenant().uuid())
        .bind(with_failure())
        .bind(outbound.before)
        .bind(outbound.state.map(MessageState::code))
        .bind(outbound.account.map(AccountId::uuid))
        .bind(outbound.limit)
        .bind(outbound.conversation.map(ConversationId::uuid))
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(message).collect()
}

/// Which of the messages that wait for their time a page lists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    pub(crate) account: Option<AccountId>,
    pub(crate) conversation: Option<ConversationId>,
    /// Behind this one.
    pub(crate) after: Option<(Timestamp, Uuid)>,
    pub(crate) limit: i64,
}

/// Lists messages that wait for their time, the next one first.
pub(crate) async fn list_scheduled(tx: &mut TenantTx, waiting: &Waiting) -> Result<Vec<Message>, sqlx::Error> {
    let (time, id) = waiting.after.unzip();
    let rows = sqlx::query(select_message!(
        "(SELECT message_id, send_time AS due FROM messaging.scheduled_send
          WHERE tenant_id = $1 AND (send_time, message_id) > (coalesce($3::timestamptz, '-infinity'),
                  coalesce($4, '00000000-0000-0000-0000-000000000000'))
              AND ($5::uuid IS NULL OR account_id = $5) AND ($7::uuid IS NULL OR conversation_id = $7)
          ORDER BY send_time, message_id LIMIT $6) q
         CROSS JOIN LATERAL (
             SELECT * FROM messaging.message WHERE tenant_id = $1 AND message_id = q.message_id LIMIT 1) m",
        "true ORDER BY q.due, q.message_id"
    ))
    .bind(tx.tenant().uuid())
    .bind(with_failure())
    .bind(time)
    .bind(id)
    .bind(waiting.account.map(AccountId::uuid))
    .bind(waiting.limit)
    .bind(waiting.conversation.map(ConversationId::uuid))
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(message).collect()
}

/// The states whose messages show why they did not go.
fn with_failure() -> Vec<i16> {
    MessageState::WITH_FAILURE.map(MessageState::code).to_vec()
}

/// Settles an uncertain message, with what staff looked at; returns whether it still was uncertain. Nothing is kept about a message
/// whose content is erased.
pub(crate) async fn settle(
    tx: &mut TenantTx,
    id: MessageId,
    to: MessageState,
    note: &str,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE messaging.message SET state = $3, settle_note = CASE WHEN object IS NOT NULL THEN nullif($5, '') END
         WHERE tenant_id = $1 AND message_id = $2 AND state = $4",
    )
    .bind(tx.tenant().uuid())
    .bind(id.uuid())
    .bind(to.code())
    .bind(MessageState::Uncertain.code())
    .bind(note)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

fn message(row: &sqlx::postgres::PgRow) -> Result<Message, sqlx::Error> {
    let id = |name: &str| row.try_get::<Option<Uuid>, _>(name);
    let required = |name: &str| row.try_get::<Uuid, _>(name);
    let kept: i16 = row.try_get("state")?;
    let queue_state: Option<i16> = row.try_get("queue_state")?;
    let in_doubt: bool = row.try_get("in_doubt")?;
    let sending = queue_state == Some(1) || in_doubt;
    let kept = MessageState::from_code(kept).unwrap_or(MessageState::Received);
    let direction: i16 = row.try_get("direction")?;
    let method: Option<i16> = row.try_get("send_method")?;
    let staff_name: Option<String> = row.try_get("staff_display_name")?;
    let content_state: Option<i16> = row.try_get("content_state")?;
    let content_state = content_state.and_then(ContentState::from_code);
    let content = match content_state {
        Some(state) => Some((state, row.try_get("content_type")?, row.try_get("size")?)),
        None => None,
    };
    Ok(Message {
        id: required("message_id")?.into(),
        conversation: required("conversation_id")?.into(),
        account: required("account_id")?.into(),
        class: row.try_get("class")?,
        outbound: direction == 2,
        state: if sending { MessageState::Sending } else { kept },
        time: row.try_get("message_time")?,
        unread: row.try_get("unread")?,
        method: method.and_then(SendMethod::from_code),
        edited: row.try_get::<Option<Timestamp>, _>("edit_time")?.is_some(),
        unsent: row.try_get("unsend_time")?,
        accepted: row.try_get("accept_time")?,
        staff: id("staff_id")?.map(|staff| (StaffId::from(staff), staff_name.unwrap_or_default())),
        principal: id("principal_id")?.map(PrincipalId::from),
        quotes: id("quoted_message_id")?.map(MessageId::from),
        writer: writer(row)?,
        line_message: row.try_get::<Option<String>, _>("line_message_id")?.unwrap_or_default(),
        quote_token: row.try_get("quote_token")?,
        object: row.try_get("object")?,
        failure: failure(row)?,
        settle_note: row.try_get("settle_note")?,
        content,
        schedule: match row.try_get::<Option<i64>, _>("generation")? {
            Some(_) => Some(schedule::of_row(row)?),
            None => None,
        },
    })
}

fn writer(row: &sqlx::postgres::PgRow) -> Result<Option<Writer>, sqlx::Error> {
    let line_user_id: Option<String> = row.try_get("writer_line_user_id")?;
    let provider: Option<Uuid> = row.try_get("provider_id")?;
    let display_name: String = row.try_get("writer_display_name")?;
    Ok(line_user_id.zip(provider).map(|(line_user_id, provider)| Writer {
        id: FriendId::derived(provider, &line_user_id),
        line_user_id,
        display_name,
    }))
}

fn failure(row: &sqlx::postgres::PgRow) -> Result<Option<Failure>, sqlx::Error> {
    let Some(kind) = row.try_get::<Option<i16>, _>("failure_kind")? else { return Ok(None) };
    Ok(Some(Failure {
        kind,
        line_message: row.try_get("line_message")?,
        line_details: row.try_get("line_details")?,
        line_request: row.try_get("failure_request_id")?,
        http_status: row.try_get("http_status")?,
        attempts: row.try_get("attempts")?,
    }))
}
