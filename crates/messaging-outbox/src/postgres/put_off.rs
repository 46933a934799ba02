//! Conversations that are put off (F-29).

use chassis::postgres::TenantTx;
use kernel::{ConversationId, Timestamp};

use super::conversation::changed;
use crate::change::Changed;

/// Puts a conversation off at `now`; none where it is put off already.
pub(crate) async fn put_off(
    tx: &mut TenantTx,
    id: ConversationId,
    now: Timestamp,
) -> Result<Option<Changed>, sqlx::Error> {
    let row = sqlx::query(
        "UPDATE messaging.conversation SET put_off_time = $3, version = version + 1
         WHERE tenant_id = $1 AND conversation_id = $2 AND put_off_time IS NULL
         RETURNING conversation_id, account_id, version, unread_count",
    )
    .bind(tx.tenant().uuid())
    .bind(id.uuid())
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|row| changed(&row, None)).transpose()
}

/// A conversation is done with; none where it is not put off.
pub(crate) async fn clear(tx: &mut TenantTx, id: ConversationId) -> Result<Option<Changed>, sqlx::Error> {
    let row = sqlx::query(
        "UPDATE messaging.conversation SET put_off_time = NULL, version = version + 1
         WHERE tenant_id = $1 AND conversation_id = $2 AND put_off_time IS NOT NULL
         RETURNING conversation_id, account_id, version, unread_count",
    )
    .bind(tx.tenant().uuid())
    .bind(id.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|row| changed(&row, None)).transpose()
}
