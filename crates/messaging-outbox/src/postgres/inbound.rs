//! What a LINE user's events leave behind.

use chassis::postgres::TenantTx;
use kernel::{AccountId, ConversationId, MessageId, Timestamp};
use messaging_outbox_core::chat::{Chat, ConversationKind};
use messaging_outbox_core::fold::Folded;
use messaging_outbox_core::media::ContentState;
use messaging_outbox_core::state::MessageState;
use sqlx::Row as _;

use crate::change::Changed;

/// Locks a message, there or not, until the transaction ends: its events may name different chats, and each must see what the
/// other did. Comes before any conversation's row.
pub(crate) async fn lock(tx: &mut TenantTx, message: MessageId) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(message.uuid().as_u64_pair().0.cast_signed())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The chat that holds a message. The message must be locked.
pub(crate) async fn home(tx: &mut TenantTx, message: MessageId) -> Result<Option<Chat>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT c.kind, c.chat_key FROM messaging.message m JOIN messaging.conversation c USING (tenant_id, conversation_id)
         WHERE m.tenant_id = $1 AND m.message_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(message.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let (kind, key): (i16, String) = (row.try_get("kind")?, row.try_get("chat_key")?);
    Ok(Some(Chat::new(ConversationKind::from_code(kind).unwrap_or(ConversationKind::User), &key)))
}

/// Brings a message from one conversation to another, which is touched already, with the reply tokens it brought. The first
/// one goes when nothing is left in it.
pub(crate) async fn bring(
    tx: &mut TenantTx,
    message: MessageId,
    from: ConversationId,
    to: ConversationId,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH moved AS (
             UPDATE messaging.message SET conversation_id = $4
             WHERE tenant_id = $1 AND message_id = $2 AND conversation_id = $3 RETURNING unread),
         token AS (UPDATE messaging.reply_token SET conversation_id = $4 WHERE tenant_id = $1 AND conversation_id = $3)
         UPDATE messaging.conversation c
         SET unread_count = unread_count + CASE WHEN c.conversation_id = $4 THEN 1 ELSE -1 END
         WHERE c.tenant_id = $1 AND c.conversation_id IN ($3, $4) AND (SELECT unread FROM moved)",
    )
    .bind(tx.tenant().uuid())
    .bind(message.uuid())
    .bind(from.uuid())
    .bind(to.uuid())
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

/// Touches the conversation, which is made when it is not there. The row stays locked until the transaction ends, so that
/// events of one conversation are folded one after another.
pub(crate) async fn touch(
    tx: &mut TenantTx,
    account: AccountId,
    chat: &Chat,
    standby: bool,
    occur_time: Timestamp,
) -> Result<Changed, sqlx::Error> {
    let row = sqlx::query(
        "INSERT INTO messaging.conversation AS c
             (tenant_id, conversation_id, account_id, kind, chat_key, standby, standby_time, activity_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
         ON CONFLICT (tenant_id, account_id, chat_key) DO UPDATE
         SET version = c.version + 1,
             standby = CASE WHEN excluded.standby_time >= c.standby_time THEN excluded.standby ELSE c.standby END,
             standby_time = greatest(c.standby_time, excluded.standby_time),
             activity_time = greatest(c.activity_time, excluded.activity_time)
         RETURNING version, unread_count",
    )
    .bind(tx.tenant().uuid())
    .bind(chat.conversation(account).uuid())
    .bind(account.uuid())
    .bind(chat.kind().code())
    .bind(chat.key())
    .bind(standby)
    .bind(occur_time)
    .fetch_one(&mut **tx)
    .await?;
    Ok(Changed {
        conversation: chat.conversation(account),
        account,
        version: row.try_get("version")?,
        unread_count: row.try_get("unread_count")?,
        message: None,
    })
}

/// A message as kept so far.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) folded: Folded,
    /// It has a row, and not only a tombstone.
    pub(crate) exists: bool,
    pub(crate) unread: bool,
}

/// Reads a message and its tombstone. The message must be locked.
pub(crate) async fn read(tx: &mut TenantTx, message: MessageId) -> Result<Kept, sqlx::Error> {
    let row = sqlx::query(
        "SELECT m.message_time, m.original_seen, m.edit_time, m.edit_event, m.quoted_message_id, m.unread, m.object,
             m.writer_line_user_id, coalesce(m.unsend_time, t.unsend_time) AS unsend_time,
             c.state IS NOT NULL AND c.state <> $3 AS kept_by_line
         FROM (SELECT $1::uuid AS tenant_id, $2::uuid AS message_id) k
         LEFT JOIN messaging.message m USING (tenant_id, message_id)
         LEFT JOIN messaging.tombstone t USING (tenant_id, message_id)
         LEFT JOIN messaging.content c USING (tenant_id, message_id)",
    )
    .bind(tx.tenant().uuid())
    .bind(message.uuid())
    .bind(ContentState::External.code())
    .fetch_one(&mut **tx)
    .await?;
    let time: Option<Timestamp> = row.try_get("message_time")?;
    let original_seen: Option<bool> = row.try_get("original_seen")?;
    let edit_time: Option<Timestamp> = row.try_get("edit_time")?;
    let edit_event: Option<String> = row.try_get("edit_event")?;
    let quotes: Option<uuid::Uuid> = row.try_get("quoted_message_id")?;
    let folded = Folded {
        written: time.filter(|_| original_seen == Some(true)),
        edited: edit_time.zip(edit_event),
        unsent: row.try_get("unsend_time")?,
        object: row.try_get("object")?,
        kept_by_line: row.try_get("kept_by_line")?,
        quotes: quotes.map(MessageId::from),
        writer: row.try_get("writer_line_user_id")?,
    };
    let unread: Option<bool> = row.try_get("unread")?;
    Ok(Kept { folded, exists: time.is_some(), unread: unread.unwrap_or(false) })
}

/// Writes the message as `folded` has it, and what follows for its conversation; returns the conversation as it is then.
pub(crate) async fn write(
    tx: &mut TenantTx,
    changed: &Changed,
    message: MessageId,
    line_message: &str,
    kept: &Kept,
    folded: &Folded,
) -> Result<Changed, sqlx::Error> {
    let Some(time) = folded.time() else { return Ok(*changed) };
    let state = if folded.unsent.is_some() { MessageState::Unsent } else { MessageState::Received };
    let unread = folded.can_be_unread() && (kept.unread || !kept.exists);
    sqlx::query(
        "INSERT INTO messaging.message (tenant_id, message_id, conversation_id, account_id, message_time, direction, state,
             unread, original_seen, edit_time, edit_event, unsend_time, quoted_message_id, line_message_id, object,
             writer_line_user_id)
         VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $8, $9, $10, $11, $12, $13, $14::json, $15)
         ON CONFLICT (tenant_id, message_id) DO UPDATE
         SET message_time = excluded.message_time, state = excluded.state, unread = excluded.unread,
             original_seen = excluded.original_seen, edit_time = excluded.edit_time, edit_event = excluded.edit_event,
             unsend_time = excluded.unsend_time, quoted_message_id = excluded.quoted_message_id, object = excluded.object,
             writer_line_user_id = excluded.writer_line_user_id",
    )
    .bind(tx.tenant().uuid())
    .bind(message.uuid())
    .bind(changed.conversation.uuid())
    .bind(changed.account.uuid())
    .bind(time)
    .bind(state.code())
    .bind(unread)
    .bind(folded.written.is_some())
    .bind(folded.edited.as_ref().map(|(time, _)| *time))
    .bind(folded.edited.as_ref().map(|(_, event)| event.as_str()))
    .bind(folded.unsent)
    .bind(folded.quotes.map(MessageId::uuid))
    .bind(line_message)
    // As text: a value would go as `jsonb`, which holds no U+0000.
    .bind(folded.object.as_ref().map(serde_json::Value::to_string))
    .bind(folded.writer.as_deref())
    .execute(&mut **tx)
    .await?;
    let delta = i32::from(unread) - i32::from(kept.unread);
    let unread_count = if kept.exists {
        recount(tx, changed.conversation, delta).await?.unwrap_or(changed.unread_count)
    } else {
        append(tx, changed, message, time, delta).await?
    };
    Ok(Changed { unread_count, message: Some(message), ..*changed })
}

/// A message that was not there before: it is the latest unless a later one is.
async fn append(
    tx: &mut TenantTx,
    changed: &Changed,
    message: MessageId,
    time: Timestamp,
    delta: i32,
) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar(
        "UPDATE messaging.conversation
         SET unread_count = unread_count + $3,
             last_message_id = CASE WHEN last_message_time IS NULL OR (last_message_time, last_message_id) < ($4, $5)
                 THEN $5 ELSE last_message_id END,
             last_message_time = greatest(last_message_time, $4)
         WHERE tenant_id = $1 AND conversation_id = $2
         RETURNING unread_count",
    )
    .bind(tx.tenant().uuid())
    .bind(changed.conversation.uuid())
    .bind(delta)
    .bind(time)
    .bind(message.uuid())
    .fetch_one(&mut **tx)
    .await
}

/// A message that was there: its time may have moved, for its edit came before it. None when the conversation is gone.
async fn recount(tx: &mut TenantTx, conversation: ConversationId, delta: i32) -> Result<Option<i32>, sqlx::Error> {
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
