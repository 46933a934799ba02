//! Conversations as staff see them.

use std::collections::BTreeMap;

use chassis::postgres::TenantTx;
use kernel::{AccountId, ConversationId, CustomerId, MessageId, OrganizationId, Timestamp};
use messaging_outbox_core::chat::{Chat, ConversationKind};
use messaging_outbox_core::customer;
use messaging_outbox_core::send_gate::{SendBarrier, SendGate};
use sqlx::Row as _;
use uuid::Uuid;

use super::placing::{facts, whose};
use super::replica;
use super::settle::Settled;
use crate::change::Changed;

/// A conversation with all that decides whether something may be sent.
#[derive(Clone)]
pub(crate) struct Conversation {
    pub(crate) id: ConversationId,
    pub(crate) account: AccountId,
    pub(crate) chat: Chat,
    pub(crate) display_name: String,
    pub(crate) unread_count: i32,
    pub(crate) last_message: Option<MessageId>,
    pub(crate) last_message_time: Option<Timestamp>,
    pub(crate) activity_time: Timestamp,
    pub(crate) reply_until: Option<Timestamp>,
    pub(crate) version: i64,
    /// The customer the LINE user is linked to now, and its name.
    pub(crate) customer: Option<(CustomerId, String)>,
    /// The organization responsible now; none: only administrators see it (F-72).
    pub(crate) organization: Option<OrganizationId>,
    /// Since when it is put off.
    pub(crate) put_off: Option<Timestamp>,
    gate: SendGate,
}

impl Conversation {
    /// Whether something may be sent, and why not.
    pub(crate) fn may_send(&self) -> Result<(), SendBarrier> {
        self.gate.check()
    }
}

/// Conversations `c` of `$from` for which `$rest` holds, those with staff (kind 4) left out: they are shown nowhere. What belongs to one is looked up row by row: no plan that was made while
/// the tables were small can read the whole of them.
macro_rules! select_conversation {
    ($from:literal, $rest:literal) => {
        concat!(
            "SELECT c.conversation_id, c.account_id, c.kind, c.chat_key, c.standby, c.unread_count, c.last_message_id,
                 c.last_message_time, c.activity_time, c.version, c.put_off_time,
                 coalesce(u.display_name, g.display_name, '') AS display_name,
                 f.state AS friendship, a.state AS account_state, a.owner_organization_id, a.default_organization_id,
                 l.customer_id, n.customer_id AS heard_customer_id, n.organization_id AS customer_organization_id,
                 n.family_name, n.given_name,
                 coalesce((SELECT suspended FROM messaging.tenant_replica WHERE tenant_id = $1), false) AS suspended,
                 (SELECT max(r.usable_until) FROM messaging.reply_token r
                  WHERE r.tenant_id = $1 AND r.conversation_id = c.conversation_id AND NOT r.used
                      AND r.usable_until > $2) AS reply_until
             FROM ",
            $from,
            whose!(),
            " LEFT JOIN LATERAL (
                 SELECT state FROM messaging.friendship_replica
                 WHERE tenant_id = $1 AND account_id = c.account_id AND line_user_id = c.chat_key LIMIT 1) f ON true
             LEFT JOIN LATERAL (
                 SELECT display_name FROM messaging.line_user_replica
                 WHERE tenant_id = $1 AND provider_id = a.provider_id AND line_user_id = c.chat_key LIMIT 1) u ON true
             LEFT JOIN LATERAL (
                 SELECT display_name FROM messaging.group_name
                 WHERE c.kind = 2 AND tenant_id = $1 AND conversation_id = c.conversation_id LIMIT 1) g ON true
             WHERE c.kind <> 4 AND ",
            $rest
        )
    };
}

/// Reads conversations by their IDs, in no order.
pub(crate) async fn read(
    tx: &mut TenantTx,
    ids: &[ConversationId],
    now: Timestamp,
) -> Result<Vec<Conversation>, sqlx::Error> {
    let rows = sqlx::query(select_conversation!(
        "unnest($3::uuid[]) AS k (id) CROSS JOIN LATERAL (
             SELECT * FROM messaging.conversation WHERE tenant_id = $1 AND conversation_id = k.id LIMIT 1) c",
        "true"
    ))
    .bind(tx.tenant().uuid())
    .bind(now)
    .bind(ids.iter().map(|id| id.uuid()).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(conversation).collect()
}

/// Which conversations a page lists.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    /// Only these accounts; empty: all.
    pub(crate) accounts: Vec<Uuid>,
    pub(crate) unread_only: bool,
    pub(crate) put_off_only: bool,
    /// Only those kept as these organizations', the nil one's for nobody's; none: all.
    pub(crate) organizations: Option<Vec<Uuid>>,
    /// Only those of LINE users that this customer is linked to now (F-24).
    pub(crate) customer: Option<CustomerId>,
    /// Behind this one.
    pub(crate) after: Option<(Timestamp, Uuid)>,
    pub(crate) limit: i64,
}

/// Lists conversations, the latest activity first.
pub(crate) async fn list(
    tx: &mut TenantTx,
    listing: &Listing,
    now: Timestamp,
) -> Result<Vec<Conversation>, sqlx::Error> {
    let (time, id) = listing.after.unzip();
    // A customer's are few, and found through its links; an organization's are read along its own index of the latest, a page of
    // each organization; all along the index of the latest.
    let query = match (listing.customer, &listing.organizations) {
        (None, None) => select_conversation!(
            "messaging.conversation c",
            "c.tenant_id = $1 AND ($3::uuid[] = '{}' OR c.account_id = ANY ($3)) AND (NOT $4 OR c.unread_count > 0)
                 AND (NOT $9 OR c.put_off_time IS NOT NULL)
                 AND (c.activity_time, c.conversation_id) < (coalesce($5::timestamptz, 'infinity'), $6) AND $8::uuid IS NULL
                 AND $10::uuid[] IS NULL
             ORDER BY c.activity_time DESC, c.conversation_id DESC LIMIT $7"
        ),
        (None, Some(_)) => select_conversation!(
            "(SELECT page.* FROM unnest($10::uuid[]) AS o (id) CROSS JOIN LATERAL (
                 SELECT * FROM messaging.conversation c
                 WHERE c.tenant_id = $1 AND c.organization_id = o.id AND c.kind <> 4
                     AND ($3::uuid[] = '{}' OR c.account_id = ANY ($3)) AND (NOT $4 OR c.unread_count > 0)
                     AND (NOT $9 OR c.put_off_time IS NOT NULL)
                     AND (NOT ($4 OR $9) OR c.unread_count > 0 OR c.put_off_time IS NOT NULL)
                     AND (c.activity_time, c.conversation_id) < (coalesce($5::timestamptz, 'infinity'), $6)
                 ORDER BY c.activity_time DESC, c.conversation_id DESC LIMIT $7) page
              ORDER BY page.activity_time DESC, page.conversation_id DESC LIMIT $7) c",
            "$8::uuid IS NULL ORDER BY c.activity_time DESC, c.conversation_id DESC"
        ),
        (Some(_), _) => select_conversation!(
            "(SELECT DISTINCT provider_id, line_user_id FROM messaging.link_replica
              WHERE tenant_id = $1 AND customer_id = $8 AND end_time IS NULL) w
             CROSS JOIN LATERAL (
                 SELECT account_id FROM messaging.account_replica WHERE tenant_id = $1 AND provider_id = w.provider_id) o
             CROSS JOIN LATERAL (
                 SELECT * FROM messaging.conversation
                 WHERE tenant_id = $1 AND account_id = o.account_id AND chat_key = w.line_user_id LIMIT 1) c",
            "l.customer_id = $8 AND ($3::uuid[] = '{}' OR c.account_id = ANY ($3)) AND (NOT $4 OR c.unread_count > 0)
                 AND (NOT $9 OR c.put_off_time IS NOT NULL) AND ($10::uuid[] IS NULL OR c.organization_id = ANY ($10))
                 AND (c.activity_time, c.conversation_id) < (coalesce($5::timestamptz, 'infinity'), $6)
             ORDER BY c.activity_time DESC, c.conversation_id DESC LIMIT $7"
        ),
    };
    let rows = sqlx::query(query)
        .bind(tx.tenant().uuid())
        .bind(now)
        .bind(&listing.accounts)
        .bind(listing.unread_only)
        .bind(time)
        .bind(id)
        .bind(listing.limit)
        .bind(listing.customer.map(CustomerId::uuid))
        .bind(listing.put_off_only)
        .bind(&listing.organizations)
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(conversation).collect()
}

fn conversation(row: &sqlx::postgres::PgRow) -> Result<Conversation, sqlx::Error> {
    let kind: i16 = row.try_get("kind")?;
    let chat_key: String = row.try_get("chat_key")?;
    let chat = Chat::new(ConversationKind::from_code(kind).unwrap_or(ConversationKind::User), &chat_key);
    let reply_until: Option<Timestamp> = row.try_get("reply_until")?;
    let gate = SendGate {
        tenant_suspended: row.try_get("suspended")?,
        account_connected: replica::is_connected(row.try_get("account_state")?),
        friend_blocked: replica::is_blocked(row.try_get("friendship")?),
        standby: row.try_get("standby")?,
        has_recipient: chat.recipient().is_some(),
        has_reply_token: reply_until.is_some(),
    };
    let (id, account): (Uuid, Uuid) = (row.try_get("conversation_id")?, row.try_get("account_id")?);
    Ok(Conversation {
        id: id.into(),
        account: account.into(),
        chat,
        display_name: row.try_get("display_name")?,
        unread_count: row.try_get("unread_count")?,
        last_message: row.try_get::<Option<Uuid>, _>("last_message_id")?.map(MessageId::from),
        last_message_time: row.try_get("last_message_time")?,
        activity_time: row.try_get("activity_time")?,
        reply_until,
        version: row.try_get("version")?,
        customer: customer_of(row)?,
        organization: facts(row)?.responsible(),
        put_off: row.try_get("put_off_time")?,
        gate,
    })
}

/// The customer the LINE user is linked to, and its name; empty while the customer has not been heard of.
fn customer_of(row: &sqlx::postgres::PgRow) -> Result<Option<(CustomerId, String)>, sqlx::Error> {
    let Some(id) = row.try_get::<Option<Uuid>, _>("customer_id")? else { return Ok(None) };
    let name = |of: &str| Ok::<_, sqlx::Error>(row.try_get::<Option<String>, _>(of)?.unwrap_or_default());
    Ok(Some((id.into(), customer::display_name(&name("family_name")?, &name("given_name")?))))
}

/// What is known of a chat whose conversation may not be there yet; none while its account is not known.
pub(crate) async fn gate(tx: &mut TenantTx, account: AccountId, chat: &Chat) -> Result<Option<SendGate>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT a.state AS account_state, f.state AS friendship, coalesce(c.standby, false) AS standby,
             coalesce((SELECT suspended FROM messaging.tenant_replica WHERE tenant_id = $1), false) AS suspended
         FROM messaging.account_replica a
         LEFT JOIN LATERAL (
             SELECT state FROM messaging.friendship_replica
             WHERE tenant_id = $1 AND account_id = $2 AND line_user_id = $3 LIMIT 1) f ON true
         LEFT JOIN LATERAL (
             SELECT standby FROM messaging.conversation WHERE tenant_id = $1 AND conversation_id = $4 LIMIT 1) c ON true
         WHERE a.tenant_id = $1 AND a.account_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(chat.key())
    .bind(chat.conversation(account).uuid())
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(SendGate {
        tenant_suspended: row.try_get("suspended")?,
        account_connected: replica::is_connected(row.try_get("account_state")?),
        friend_blocked: replica::is_blocked(row.try_get("friendship")?),
        standby: row.try_get("standby")?,
        has_recipient: chat.recipient().is_some(),
        has_reply_token: false,
    }))
}

/// When the last message of a conversation was.
pub(crate) async fn last_message_time(tx: &mut TenantTx, id: ConversationId) -> Result<Option<Timestamp>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT last_message_time FROM messaging.conversation WHERE tenant_id = $1 AND conversation_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(id.uuid())
    .fetch_one(&mut **tx)
    .await
}

/// The conversation got an outbound message.
pub(crate) async fn wrote(
    tx: &mut TenantTx,
    id: ConversationId,
    message: MessageId,
    time: Timestamp,
) -> Result<Changed, sqlx::Error> {
    let row = sqlx::query(
        "UPDATE messaging.conversation
         SET version = version + 1, activity_time = greatest(activity_time, $4),
             last_message_id = CASE WHEN last_message_time IS NULL OR (last_message_time, last_message_id) < ($4, $3)
                 THEN $3 ELSE last_message_id END,
             last_message_time = greatest(last_message_time, $4)
         WHERE tenant_id = $1 AND conversation_id = $2
         RETURNING conversation_id, account_id, version, unread_count",
    )
    .bind(tx.tenant().uuid())
    .bind(id.uuid())
    .bind(message.uuid())
    .bind(time)
    .fetch_one(&mut **tx)
    .await?;
    changed(&row, Some(message))
}

/// Marks inbound messages as read, up to the one at `up_to` (time and ID), or all. None when there is no such conversation.
pub(crate) async fn mark_read(
    tx: &mut TenantTx,
    id: ConversationId,
    up_to: Option<(Timestamp, MessageId)>,
) -> Result<Option<Changed>, sqlx::Error> {
    let (time, message) = up_to.unzip();
    // The conversation's row first, as every writer does: its lock orders them.
    let row = sqlx::query(
        "UPDATE messaging.conversation SET version = version + 1 WHERE tenant_id = $1 AND conversation_id = $2
         RETURNING conversation_id, account_id, version, unread_count",
    )
    .bind(tx.tenant().uuid())
    .bind(id.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let read = sqlx::query(
        "UPDATE messaging.message SET unread = false
         WHERE tenant_id = $1 AND conversation_id = $2 AND unread
             AND (message_time, message_id) <= (coalesce($3::timestamptz, 'infinity'), $4)",
    )
    .bind(tx.tenant().uuid())
    .bind(id.uuid())
    .bind(time)
    .bind(message.map(MessageId::uuid))
    .execute(&mut **tx)
    .await?;
    let read = i32::try_from(read.rows_affected()).unwrap_or(i32::MAX);
    sqlx::query("UPDATE messaging.conversation SET unread_count = unread_count - $3 WHERE tenant_id = $1 AND conversation_id = $2")
        .bind(tx.tenant().uuid())
        .bind(id.uuid())
        .bind(read)
        .execute(&mut **tx)
        .await?;
    let mut changed = changed(&row, None)?;
    changed.unread_count -= read;
    Ok(Some(changed))
}

/// Locks the conversations of messages, in one order: whoever changes both the queue and a conversation does so first, as those
/// who fold inbound events do, so that two never wait for each other.
pub(crate) async fn lock_of(tx: &mut TenantTx, messages: &[Uuid]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "SELECT FROM (
             SELECT DISTINCT (SELECT conversation_id FROM messaging.message WHERE tenant_id = $1 AND message_id = k.message_id)
             FROM unnest($2::uuid[]) AS k (message_id) ORDER BY 1) AS c (id)
         CROSS JOIN LATERAL (
             SELECT FROM messaging.conversation WHERE tenant_id = $1 AND conversation_id = c.id FOR NO KEY UPDATE) locked",
    )
    .bind(tx.tenant().uuid())
    .bind(messages)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Counts a change of each conversation whose messages changed their state; one [`Changed`] for each message. Those with
/// staff change nothing that is shown.
pub(crate) async fn bump(tx: &mut TenantTx, settled: &[Settled]) -> Result<Vec<Changed>, sqlx::Error> {
    if settled.is_empty() {
        return Ok(Vec::new());
    }
    let mut ids: Vec<Uuid> = settled.iter().map(|one| one.conversation.uuid()).collect();
    ids.sort_unstable();
    ids.dedup();
    let rows = sqlx::query(
        "UPDATE messaging.conversation SET version = version + 1
         WHERE tenant_id = $1 AND conversation_id = ANY ($2) AND kind <> 4
         RETURNING conversation_id, account_id, version, unread_count",
    )
    .bind(tx.tenant().uuid())
    .bind(&ids)
    .fetch_all(&mut **tx)
    .await?;
    let mut bumped = BTreeMap::new();
    for row in &rows {
        let one = changed(row, None)?;
        bumped.insert(one.conversation, one);
    }
    let of = |one: &Settled| Some(Changed { message: Some(one.message), ..*bumped.get(&one.conversation)? });
    Ok(settled.iter().filter_map(of).collect())
}

pub(super) fn changed(row: &sqlx::postgres::PgRow, message: Option<MessageId>) -> Result<Changed, sqlx::Error> {
    let (conversation, account): (Uuid, Uuid) = (row.try_get("conversation_id")?, row.try_get("account_id")?);
    Ok(Changed {
        conversation: conversation.into(),
        account: account.into(),
        version: row.try_get("version")?,
        unread_count: row.try_get("unread_count")?,
        message,
    })
}
