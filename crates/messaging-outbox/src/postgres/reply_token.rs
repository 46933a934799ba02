//! Reply tokens: short-lived credentials, kept encrypted, used once, purged soon.

use std::collections::HashSet;

use chassis::postgres::TenantTx;
use kernel::{AccountId, ConversationId, MessageId, Timestamp};
use messaging_outbox_core::answer::Tokens;
use messaging_outbox_core::pack;
use messaging_outbox_core::route;
use sqlx::Row as _;
use uuid::Uuid;

/// A token that may be used.
pub(crate) struct Held {
    pub(crate) id: Uuid,
    pub(crate) usable_until: Timestamp,
    pub(crate) ciphertext: Vec<u8>,
}

/// A token that came with an event.
pub(crate) struct Fresh {
    pub(crate) id: Uuid,
    pub(crate) account: AccountId,
    pub(crate) conversation: ConversationId,
    pub(crate) usable_until: Timestamp,
    pub(crate) ciphertext: Vec<u8>,
}

/// Keeps tokens, and has what was put back in their conversations looked at again: it may go by reply now, free. The same event
/// again, redelivered, moves the time. Returns the accounts of messages that were put back.
pub(crate) async fn keep(tx: &mut TenantTx, tokens: &[Fresh]) -> Result<HashSet<AccountId>, sqlx::Error> {
    let all = |of: fn(&Fresh) -> Uuid| tokens.iter().map(of).collect::<Vec<_>>();
    // In the order of the index of what was put back: no plan that was made while the queue was empty reads the whole of it.
    let put_back: Vec<(Uuid, i16, Uuid)> = sqlx::query_as(
        "WITH kept AS (
             INSERT INTO messaging.reply_token (tenant_id, reply_token_id, conversation_id, usable_until, ciphertext)
             SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $5::timestamptz[], $6::bytea[])
             ON CONFLICT (tenant_id, reply_token_id) DO UPDATE SET usable_until = excluded.usable_until)
         SELECT c.account_id, s.class, s.message_id FROM (
             SELECT account_id, conversation_id, count(*) AS tokens
             FROM unnest($3::uuid[], $4::uuid[]) AS t (conversation_id, account_id) GROUP BY 1, 2) c
         CROSS JOIN LATERAL (
             SELECT class, message_id FROM messaging.send
             WHERE tenant_id = $1 AND account_id = c.account_id AND conversation_id = c.conversation_id
                 AND deferred AND due > now() AND state = 0 AND NOT in_doubt AND class = $8
             ORDER BY message_id LIMIT $7 * c.tokens) s",
    )
    .bind(tx.tenant().uuid())
    .bind(all(|token| token.id))
    .bind(all(|token| token.conversation.uuid()))
    .bind(all(|token| token.account.uuid()))
    .bind(tokens.iter().map(|token| token.usable_until).collect::<Vec<_>>())
    .bind(tokens.iter().map(|token| token.ciphertext.as_slice()).collect::<Vec<_>>())
    // As many of a conversation as replies with these tokens hold.
    .bind(i64::try_from(pack::LARGEST).unwrap_or(i64::MAX))
    .bind(route::CONVERSATION)
    .fetch_all(&mut **tx)
    .await?;
    for (account, class, message) in &put_back {
        // One by one, for there is hardly ever one.
        sqlx::query(
            "UPDATE messaging.send SET due = now() WHERE tenant_id = $1 AND account_id = $2 AND class = $3 AND message_id = $4
                 AND deferred AND state = 0 AND NOT in_doubt",
        )
        .bind(tx.tenant().uuid())
        .bind(account)
        .bind(class)
        .bind(message)
        .execute(&mut **tx)
        .await?;
    }
    Ok(put_back.into_iter().map(|(account, ..)| AccountId::from(account)).collect())
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

/// The tokens of a conversation as an answer asks for them. `own`: the ID of the one that comes with the event it answers.
pub(crate) async fn at_hand(
    tx: &mut TenantTx,
    conversation: ConversationId,
    own: Option<Uuid>,
) -> Result<Tokens, sqlx::Error> {
    let (own_kept, unused_until) = sqlx::query_as(
        "SELECT EXISTS (SELECT FROM messaging.reply_token WHERE tenant_id = $1 AND reply_token_id = $3),
             (SELECT max(usable_until) FROM messaging.reply_token
              WHERE tenant_id = $1 AND conversation_id = $2 AND NOT used)",
    )
    .bind(tx.tenant().uuid())
    .bind(conversation.uuid())
    .bind(own)
    .fetch_one(&mut **tx)
    .await?;
    Ok(Tokens { own_kept, unused_until })
}

/// Until when an unused token of a message's conversation is usable.
pub(crate) async fn unused_until(tx: &mut TenantTx, message: MessageId) -> Result<Option<Timestamp>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT max(usable_until) FROM messaging.reply_token
         WHERE tenant_id = $1 AND NOT used AND conversation_id = (
             SELECT conversation_id FROM messaging.message WHERE tenant_id = $1 AND message_id = $2)",
    )
    .bind(tx.tenant().uuid())
    .bind(message.uuid())
    .fetch_one(&mut **tx)
    .await
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
