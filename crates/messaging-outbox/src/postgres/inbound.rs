//! What a LINE user's events leave behind.

use std::collections::HashMap;

use chassis::postgres::TenantTx;
use kernel::{AccountId, ConversationId, MessageId, Timestamp};
use line_types::id::MessageId as LineMessageId;
use messaging_outbox_core::chat::{Chat, ConversationKind};
use messaging_outbox_core::fold::Folded;
use messaging_outbox_core::media::ContentState;
use messaging_outbox_core::state::MessageState;
use serde_json::Value;
use sqlx::Row as _;
use uuid::Uuid;

use super::placing;
use crate::change::Changed;

/// Locks messages, there or not, until the transaction ends: their events may name different chats, and each must see what the
/// other did. Comes before any conversation's row.
pub(crate) async fn lock(tx: &mut TenantTx, messages: &[MessageId]) -> Result<(), sqlx::Error> {
    let mut keys: Vec<i64> = messages.iter().map(|message| message.uuid().as_u64_pair().0.cast_signed()).collect();
    // In one order everywhere, so that two transactions do not lock each other out.
    keys.sort_unstable();
    sqlx::query("SELECT pg_advisory_xact_lock(key) FROM unnest($1::int8[]) AS k (key)")
        .bind(keys)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// What is known of a message before one of its events is kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// The chat that holds it; none: it has no row.
    pub(crate) home: Option<Chat>,
    /// When it was taken back.
    pub(crate) unsent: Option<Timestamp>,
}

/// What is known of messages, which must be locked. A subquery for each, so that no plan that was made while the tables were
/// small can read the whole of them.
pub(crate) async fn know(tx: &mut TenantTx, messages: &[MessageId]) -> Result<HashMap<MessageId, Known>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT k.message_id, c.kind, c.chat_key, (
             SELECT unsend_time FROM messaging.tombstone WHERE tenant_id = $1 AND message_id = k.message_id) AS unsend_time
         FROM unnest($2::uuid[]) AS k (message_id)
         LEFT JOIN LATERAL (
             SELECT kind, chat_key FROM messaging.conversation
             WHERE tenant_id = $1 AND conversation_id = (
                 SELECT conversation_id FROM messaging.message WHERE tenant_id = $1 AND message_id = k.message_id)
             LIMIT 1) c ON true",
    )
    .bind(tx.tenant().uuid())
    .bind(messages.iter().map(|message| message.uuid()).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    rows.iter()
        .map(|row| {
            let (kind, key): (Option<i16>, Option<String>) = (row.try_get("kind")?, row.try_get("chat_key")?);
            let kind = kind.and_then(ConversationKind::from_code);
            let home = kind.zip(key).map(|(kind, key)| Chat::new(kind, &key));
            let message: Uuid = row.try_get("message_id")?;
            Ok((MessageId::from(message), Known { home, unsent: row.try_get("unsend_time")? }))
        })
        .collect()
}

/// Brings a message from one conversation to another, which is touched already, with `token`, the reply token that came with it.
/// The first conversation goes when nothing is left in it.
pub(crate) async fn bring(
    tx: &mut TenantTx,
    message: MessageId,
    token: Option<Uuid>,
    from: ConversationId,
    to: ConversationId,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH moved AS (
             UPDATE messaging.message SET conversation_id = $4
             WHERE tenant_id = $1 AND message_id = $2 AND conversation_id = $3 RETURNING unread),
         token AS (
             UPDATE messaging.reply_token SET conversation_id = $4
             WHERE tenant_id = $1 AND reply_token_id = $5 AND conversation_id = $3)
         UPDATE messaging.conversation c
         SET unread_count = unread_count + CASE WHEN c.conversation_id = $4 THEN 1 ELSE -1 END
         WHERE c.tenant_id = $1 AND c.conversation_id IN ($3, $4) AND (SELECT unread FROM moved)",
    )
    .bind(tx.tenant().uuid())
    .bind(message.uuid())
    .bind(from.uuid())
    .bind(to.uuid())
    .bind(token)
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "DELETE FROM messaging.conversation c WHERE c.tenant_id = $1 AND c.conversation_id = $2 AND NOT EXISTS (
             SELECT FROM messaging.message m WHERE m.tenant_id = c.tenant_id AND m.conversation_id = c.conversation_id)",
    )
    .bind(tx.tenant().uuid())
    .bind(from.uuid())
    .execute(&mut **tx)
    .await?;
    // What staff answered there stays there.
    recount(tx, from, 0).await?;
    Ok(())
}

/// Whether staff have read these conversations up to these moments: something from then or later is read, or is an answer of theirs that
/// LINE took.
pub(crate) async fn are_read(
    tx: &mut TenantTx,
    moments: &[(ConversationId, Timestamp)],
) -> Result<Vec<bool>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (
             SELECT FROM messaging.message m
             WHERE m.tenant_id = $1 AND m.conversation_id = k.conversation_id AND m.message_time >= k.moment
                 AND (m.direction = 1 AND NOT m.unread AND m.unsend_time IS NULL
                     OR m.staff_id IS NOT NULL AND m.accept_time IS NOT NULL))
         FROM unnest($2::uuid[], $3::timestamptz[]) WITH ORDINALITY AS k (conversation_id, moment, place) ORDER BY k.place",
    )
    .bind(tx.tenant().uuid())
    .bind(moments.iter().map(|(conversation, _)| conversation.uuid()).collect::<Vec<_>>())
    .bind(moments.iter().map(|(_, moment)| *moment).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await
}

/// Something that happened in a conversation.
pub(crate) struct Touch<'a> {
    pub(crate) account: AccountId,
    pub(crate) chat: &'a Chat,
    /// Whether another module channel holds the chat, where LINE told it with this.
    pub(crate) standby: Option<bool>,
    pub(crate) occur_time: Timestamp,
    /// The message that came with it and was not there before, and when it was written.
    pub(crate) arrival: Option<(MessageId, Timestamp)>,
    /// Whether that is unread.
    pub(crate) unread: bool,
}

/// Touches conversations, no two of them the same; those that are not there are made. The rows stay locked until the
/// transaction ends, so that events of one conversation are folded one after another. In the order of `touches`.
pub(crate) async fn touch(tx: &mut TenantTx, touches: &[Touch<'_>]) -> Result<Vec<Changed>, sqlx::Error> {
    let conversations: Vec<Uuid> = touches.iter().map(|touch| touch.chat.conversation(touch.account).uuid()).collect();
    let rows = sqlx::query(
        "INSERT INTO messaging.conversation AS c
             (tenant_id, conversation_id, account_id, kind, chat_key, standby, standby_time, activity_time, unread_count,
              last_message_id, last_message_time)
         SELECT $1, conversation_id, account_id, kind, chat_key, coalesce(standby, false),
             CASE WHEN standby IS NULL THEN '-infinity' ELSE occur_time END, occur_time, unread::int, message_id, message_time
         FROM unnest($2::uuid[], $3::uuid[], $4::int2[], $5::text[], $6::bool[], $7::timestamptz[], $8::bool[], $9::uuid[],
             $10::timestamptz[]) AS t (conversation_id, account_id, kind, chat_key, standby, occur_time, unread, message_id,
             message_time)
         ORDER BY conversation_id
         ON CONFLICT (tenant_id, account_id, chat_key) DO UPDATE
         SET version = c.version + 1,
             standby = CASE WHEN excluded.standby_time >= c.standby_time THEN excluded.standby ELSE c.standby END,
             standby_time = greatest(c.standby_time, excluded.standby_time),
             activity_time = greatest(c.activity_time, excluded.activity_time),
             unread_count = c.unread_count + excluded.unread_count,
             last_message_id = CASE WHEN excluded.last_message_id IS NULL
                     OR (c.last_message_time, c.last_message_id) > (excluded.last_message_time, excluded.last_message_id)
                 THEN c.last_message_id ELSE excluded.last_message_id END,
             last_message_time = greatest(c.last_message_time, excluded.last_message_time)
         RETURNING conversation_id, version, unread_count",
    )
    .bind(tx.tenant().uuid())
    .bind(&conversations)
    .bind(touches.iter().map(|touch| touch.account.uuid()).collect::<Vec<_>>())
    .bind(touches.iter().map(|touch| touch.chat.kind().code()).collect::<Vec<_>>())
    .bind(touches.iter().map(|touch| touch.chat.key()).collect::<Vec<_>>())
    .bind(touches.iter().map(|touch| touch.standby).collect::<Vec<_>>())
    .bind(touches.iter().map(|touch| touch.occur_time).collect::<Vec<_>>())
    .bind(touches.iter().map(|touch| touch.unread).collect::<Vec<_>>())
    .bind(touches.iter().map(|touch| touch.arrival.map(|(message, _)| message.uuid())).collect::<Vec<_>>())
    .bind(touches.iter().map(|touch| touch.arrival.map(|(_, time)| time)).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    let mut touched: HashMap<Uuid, (i64, i32)> = HashMap::new();
    for row in rows {
        touched.insert(row.try_get("conversation_id")?, (row.try_get("version")?, row.try_get("unread_count")?));
    }
    let made: Vec<Uuid> = touched.iter().filter(|(_, (version, _))| *version == 1).map(|(id, _)| *id).collect();
    placing::made(tx, &made).await?;
    let changed = |(touch, conversation): (&Touch<'_>, Uuid)| {
        let (version, unread_count) = *touched.get(&conversation).ok_or(sqlx::Error::RowNotFound)?;
        let message = touch.arrival.map(|(message, _)| message);
        Ok(Changed { conversation: conversation.into(), account: touch.account, version, unread_count, message })
    };
    touches.iter().zip(conversations).map(changed).collect()
}

/// A message as kept so far.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) folded: Folded,
    pub(crate) unread: bool,
}

/// Reads a message and its tombstone; none where only the tombstone is there, or nothing. The message and its conversation must
/// be locked.
pub(crate) async fn read(tx: &mut TenantTx, message: MessageId) -> Result<Option<Kept>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT m.message_time, m.original_seen, m.edit_time, m.edit_event, m.quoted_message_id, m.unread, m.object,
             m.writer_line_user_id, coalesce(m.unsend_time, t.unsend_time) AS unsend_time,
             c.state IS NOT NULL AND c.state <> $3 AS kept_by_line
         FROM messaging.message m
         LEFT JOIN messaging.tombstone t ON t.tenant_id = $1 AND t.message_id = $2
         LEFT JOIN messaging.content c ON c.tenant_id = $1 AND c.message_id = $2
         WHERE m.tenant_id = $1 AND m.message_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(message.uuid())
    .bind(ContentState::External.code())
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let time: Timestamp = row.try_get("message_time")?;
    let original_seen: bool = row.try_get("original_seen")?;
    let edit_time: Option<Timestamp> = row.try_get("edit_time")?;
    let edit_event: Option<String> = row.try_get("edit_event")?;
    let quotes: Option<Uuid> = row.try_get("quoted_message_id")?;
    let folded = Folded {
        written: original_seen.then_some(time),
        edited: edit_time.zip(edit_event),
        unsent: row.try_get("unsend_time")?,
        object: row.try_get("object")?,
        kept_by_line: row.try_get("kept_by_line")?,
        quotes: quotes.map(MessageId::from),
        writer: row.try_get("writer_line_user_id")?,
    };
    Ok(Some(Kept { folded, unread: row.try_get("unread")? }))
}

/// A message to be written as `folded` has it.
pub(crate) struct Written<'a> {
    pub(crate) message: MessageId,
    pub(crate) line_message: &'a LineMessageId,
    pub(crate) conversation: ConversationId,
    pub(crate) account: AccountId,
    /// When it was written, as far as known.
    pub(crate) time: Timestamp,
    pub(crate) unread: bool,
    pub(crate) folded: &'a Folded,
}

impl Written<'_> {
    fn state(&self) -> MessageState {
        if self.folded.unsent.is_some() { MessageState::Unsent } else { MessageState::Received }
    }
}

/// Writes messages, no two of them the same.
pub(crate) async fn write(tx: &mut TenantTx, messages: &[Written<'_>]) -> Result<(), sqlx::Error> {
    let uuids = |of: fn(&Written<'_>) -> Uuid| messages.iter().map(of).collect::<Vec<_>>();
    let edited = |one: &Written<'_>| one.folded.edited.clone();
    sqlx::query(
        "INSERT INTO messaging.message (tenant_id, message_id, conversation_id, account_id, message_time, direction, state,
             unread, original_seen, edit_time, edit_event, unsend_time, quoted_message_id, line_message_id, object,
             writer_line_user_id)
         SELECT $1, message_id, conversation_id, account_id, message_time, 1, state, unread, original_seen, edit_time,
             edit_event, unsend_time, quoted_message_id, line_message_id, object::json, writer_line_user_id
         FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::int2[], $7::bool[], $8::bool[],
             $9::timestamptz[], $10::text[], $11::timestamptz[], $12::uuid[], $13::text[], $14::text[], $15::text[])
             AS m (message_id, conversation_id, account_id, message_time, state, unread, original_seen, edit_time, edit_event,
             unsend_time, quoted_message_id, line_message_id, object, writer_line_user_id)
         ON CONFLICT (tenant_id, message_id) DO UPDATE
         SET message_time = excluded.message_time, state = excluded.state, unread = excluded.unread,
             original_seen = excluded.original_seen, edit_time = excluded.edit_time, edit_event = excluded.edit_event,
             unsend_time = excluded.unsend_time, quoted_message_id = excluded.quoted_message_id, object = excluded.object,
             writer_line_user_id = excluded.writer_line_user_id",
    )
    .bind(tx.tenant().uuid())
    .bind(uuids(|one| one.message.uuid()))
    .bind(uuids(|one| one.conversation.uuid()))
    .bind(uuids(|one| one.account.uuid()))
    .bind(messages.iter().map(|one| one.time).collect::<Vec<_>>())
    .bind(messages.iter().map(|one| one.state().code()).collect::<Vec<_>>())
    .bind(messages.iter().map(|one| one.unread).collect::<Vec<_>>())
    .bind(messages.iter().map(|one| one.folded.written.is_some()).collect::<Vec<_>>())
    .bind(messages.iter().map(|one| edited(one).map(|(time, _)| time)).collect::<Vec<_>>())
    .bind(messages.iter().map(|one| edited(one).map(|(_, event)| event)).collect::<Vec<_>>())
    .bind(messages.iter().map(|one| one.folded.unsent).collect::<Vec<_>>())
    .bind(messages.iter().map(|one| one.folded.quotes.map(MessageId::uuid)).collect::<Vec<_>>())
    .bind(messages.iter().map(|one| one.line_message.as_str()).collect::<Vec<_>>())
    // As text: a value would go as `jsonb`, which holds no U+0000.
    .bind(messages.iter().map(|one| one.folded.object.as_ref().map(Value::to_string)).collect::<Vec<_>>())
    .bind(messages.iter().map(|one| one.folded.writer.as_deref()).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Counts anew what is latest in a conversation, and `delta` more messages as unread: a message that was there may have got
/// another time, for its edit came before it. The count; none when the conversation is gone.
pub(crate) async fn recount(
    tx: &mut TenantTx,
    conversation: ConversationId,
    delta: i32,
) -> Result<Option<i32>, sqlx::Error> {
    sqlx::query_scalar(
        "UPDATE messaging.conversation c
         SET unread_count = unread_count + $3, (last_message_id, last_message_time) = (
                 SELECT m.message_id, m.message_time FROM messaging.message m
                 WHERE m.tenant_id = c.tenant_id AND m.conversation_id = c.conversation_id
                 ORDER BY m.message_time DESC, m.message_id DESC LIMIT 1)
         WHERE tenant_id = $1 AND conversation_id = $2
         RETURNING unread_count",
    )
    .bind(tx.tenant().uuid())
    .bind(conversation.uuid())
    .bind(delta)
    .fetch_optional(&mut **tx)
    .await
}

/// Whether a message is known to be taken back. The message must be locked.
pub(crate) async fn is_buried(tx: &mut TenantTx, message: MessageId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM messaging.tombstone WHERE tenant_id = $1 AND message_id = $2)")
        .bind(tx.tenant().uuid())
        .bind(message.uuid())
        .fetch_one(&mut **tx)
        .await
}

/// Keeps in mind that a message was taken back, and removes the bytes of its content. Its object goes with [`write`].
pub(crate) async fn bury(tx: &mut TenantTx, message: MessageId, unsent: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH chunk AS (DELETE FROM messaging.content_chunk WHERE tenant_id = $1 AND message_id = $2),
              job AS (DELETE FROM messaging.content_job WHERE tenant_id = $1 AND message_id = $2),
              content AS (UPDATE messaging.content SET state = $4, content_type = '', size = 0
                          WHERE tenant_id = $1 AND message_id = $2)
         INSERT INTO messaging.tombstone AS t (tenant_id, message_id, unsend_time) VALUES ($1, $2, $3)
         ON CONFLICT (tenant_id, message_id) DO UPDATE SET unsend_time = least(t.unsend_time, excluded.unsend_time)",
    )
    .bind(tx.tenant().uuid())
    .bind(message.uuid())
    .bind(unsent)
    .bind(ContentState::Gone.code())
    .execute(&mut **tx)
    .await?;
    Ok(())
}
