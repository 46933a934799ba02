//! Inquiries: inbound messages that LINE has no ID of. Erasing one takes its object, as every message's.

use chassis::postgres::TenantTx;
use kernel::{AccountId, ConversationId, MessageId, Timestamp};
use messaging_outbox_core::state::MessageState;
use serde_json::Value;

/// Reads what an inquiry's message says: the outer none where there is none, the inner one where it was erased.
pub(crate) async fn read(tx: &mut TenantTx, message: MessageId) -> Result<Option<Option<Value>>, sqlx::Error> {
    sqlx::query_scalar("SELECT object FROM messaging.message WHERE tenant_id = $1 AND message_id = $2")
        .bind(tx.tenant().uuid())
        .bind(message.uuid())
        .fetch_optional(&mut **tx)
        .await
}

/// Writes an inquiry's message, which is not there yet, unread.
pub(crate) async fn write(
    tx: &mut TenantTx,
    message: MessageId,
    conversation: ConversationId,
    account: AccountId,
    time: Timestamp,
    object: &Value,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messaging.message (tenant_id, message_id, conversation_id, account_id, message_time, direction, state,
             unread, object)
         VALUES ($1, $2, $3, $4, $5, 1, $6, true, $7::text::json)",
    )
    .bind(tx.tenant().uuid())
    .bind(message.uuid())
    .bind(conversation.uuid())
    .bind(account.uuid())
    .bind(time)
    .bind(MessageState::Received.code())
    // As text: a value would go as `jsonb`, which holds no U+0000.
    .bind(object.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Changes what an inquiry's message says, unless it was erased.
pub(crate) async fn change(tx: &mut TenantTx, message: MessageId, object: &Value) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE messaging.message SET object = $3::text::json
         WHERE tenant_id = $1 AND message_id = $2 AND object IS NOT NULL",
    )
    .bind(tx.tenant().uuid())
    .bind(message.uuid())
    .bind(object.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}
