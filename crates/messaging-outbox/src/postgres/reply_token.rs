//! Reply tokens: short-lived credentials, kept encrypted, used once, purged soon.

use chassis::postgres::TenantTx;
use kernel::{AccountId, ConversationId, Timestamp};
use sqlx::Row as _;
use uuid::Uuid;

/// A token that may be used.
pub(crate) struct Held {
    pub(crate) id: Uuid,
    pub(crate) usable_until: Timestamp,
    pub(crate) ciphertext: Vec<u8>,
}

/// Keeps a token, and has what was put back in its conversation looked at again: it may go by reply now, free. The same event
/// again, redelivered, moves the time. Returns how many messages were put back.
pub(crate) async fn keep(
    tx: &mut TenantTx,
    account: AccountId,
    conversation: ConversationId,
    id: Uuid,
    usable_until: Timestamp,
    ciphertext: &[u8],
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "WITH kept AS (
             INSERT INTO messaging.reply_token (tenant_id, reply_token_id, conversation_id, usable_until, ciphertext)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (tenant_id, reply_token_id) DO UPDATE SET usable_until = excluded.usable_until)
         UPDATE messaging.send SET due = now()
         WHERE tenant_id = $1 AND account_id = $6 AND conversation_id = $3 AND deferred AND state = 0 AND NOT in_doubt",
    )
    .bind(tx.tenant().uuid())
    .bind(id)
    .bind(conversation.uuid())
    .bind(usable_until)
    .bind(ciphertext)
    .bind(account.uuid())
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// The tokens of `conversations` that nobody used and that are usable after `now`, the one that ends first foremost.
pub(crate) async fn usable(
    tx: &mut TenantTx,
    conversations: &[Uuid],
    now: Timestamp,
) -> Result<Vec<(ConversationId, Held)>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT conversation_id, reply_token_id, usable_until, ciphertext FROM messaging.reply_token
         WHERE tenant_id = $1 AND conversation_id = ANY ($2) AND usable_until > $3 AND NOT used
         ORDER BY usable_until",
    )
    .bind(tx.tenant().uuid())
    .bind(conversations)
    .bind(now)
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter()
        .map(|row| {
            let conversation: Uuid = row.try_get("conversation_id")?;
            Ok((ConversationId::from(conversation), held(&row)?))
        })
        .collect()
}

/// Tokens by their IDs, used or not.
pub(crate) async fn read(tx: &mut TenantTx, ids: &[Uuid]) -> Result<Vec<Held>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT reply_token_id, usable_until, ciphertext FROM messaging.reply_token
         WHERE tenant_id = $1 AND reply_token_id = ANY ($2)",
    )
    .bind(tx.tenant().uuid())
    .bind(ids)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(held).collect()
}

/// Marks tokens as used, before any call with them.
pub(crate) async fn mark_used(tx: &mut TenantTx, ids: &[Uuid]) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE messaging.reply_token SET used = true WHERE tenant_id = $1 AND reply_token_id = ANY ($2)")
        .bind(tx.tenant().uuid())
        .bind(ids)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn held(row: &sqlx::postgres::PgRow) -> Result<Held, sqlx::Error> {
    Ok(Held {
        id: row.try_get("reply_token_id")?,
        usable_until: row.try_get("usable_until")?,
        ciphertext: row.try_get("ciphertext")?,
    })
}
