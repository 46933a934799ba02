//! The send queue: in, claimed, frozen. How rows leave it is in [`super::settle`].

use std::time::Duration;

use chassis::postgres::TenantTx;
use chassis::trace;
use kernel::{AccountId, ConversationId, MessageId, Timestamp, TraceParent};
use messaging_outbox_core::route::{STAFF_NOTICE, SendMethod, SendPolicy};
use messaging_outbox_core::state::MessageState;
use serde_json::Value;
use sqlx::{PgPool, Row as _};
use uuid::Uuid;

use super::account::AccountKey;
use super::replica;

/// A message that is to leave, checked against LINE's limits.
#[derive(Clone)]
pub(crate) struct Entry<'a> {
    pub(crate) message: MessageId,
    pub(crate) conversation: ConversationId,
    pub(crate) account: AccountId,
    pub(crate) class: i16,
    pub(crate) policy: SendPolicy,
    pub(crate) silent: bool,
    pub(crate) time: Timestamp,
    pub(crate) principal: Option<Uuid>,
    pub(crate) staff: Option<(Uuid, &'a str)>,
    pub(crate) quotes: Option<MessageId>,
    pub(crate) object: &'a Value,
    /// The trace of the call that queues it.
    pub(crate) trace: Option<TraceParent>,
    /// It is put back at once for so long.
    pub(crate) wait: Option<Duration>,
    /// After this it is given up.
    pub(crate) expire: Option<Timestamp>,
}

/// The row of a message in the queue.
#[derive(Clone, Debug)]
pub(crate) struct Queued {
    pub(crate) message: MessageId,
    pub(crate) conversation: ConversationId,
    pub(crate) account: AccountId,
    pub(crate) class: i16,
    pub(crate) policy: SendPolicy,
    pub(crate) silent: bool,
    pub(crate) trace: Option<TraceParent>,
    pub(crate) wait: Option<Duration>,
    pub(crate) expire: Option<Timestamp>,
    /// When it came into the queue, where its ID is older.
    pub(crate) since: Option<Timestamp>,
    /// The message that must have left the queue before it, though its ID is later.
    pub(crate) behind: Option<MessageId>,
}

/// Keeps messages and queues them, in two statements for any number.
pub(crate) async fn insert(tx: &mut TenantTx, entries: &[Entry<'_>]) -> Result<(), sqlx::Error> {
    keep(tx, entries, MessageState::Queued).await?;
    let queued = |entry: &Entry<'_>| Queued {
        message: entry.message,
        conversation: entry.conversation,
        account: entry.account,
        class: entry.class,
        policy: entry.policy,
        silent: entry.silent,
        trace: entry.trace.clone(),
        wait: entry.wait,
        expire: entry.expire,
        since: None,
        behind: None,
    };
    queue(tx, &entries.iter().map(queued).collect::<Vec<_>>()).await
}

/// Queues messages that are kept already. Whatever joins a conversation in which messages leave behind others leaves behind the last of
/// those, for its ID alone would have it overtake them.
pub(crate) async fn queue(tx: &mut TenantTx, queued: &[Queued]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messaging.send (tenant_id, account_id, class, message_id, conversation_id, policy, silent, trace,
             expire_time, since, behind, deferred, due)
         SELECT $1, s.account_id, s.class, s.message_id, s.conversation_id, s.policy, s.silent, s.trace, s.expire_time, s.since,
             coalesce(s.behind, (
                 SELECT q.message_id FROM messaging.send q JOIN messaging.message m USING (tenant_id, message_id)
                 WHERE q.tenant_id = $1 AND q.account_id = s.account_id AND q.conversation_id = s.conversation_id
                     AND q.class = s.class AND q.behind IS NOT NULL
                 ORDER BY m.message_time DESC, q.message_id DESC LIMIT 1)),
             s.wait IS NOT NULL, now() + make_interval(secs => s.wait)
         FROM unnest($2::uuid[], $3::smallint[], $4::uuid[], $5::uuid[], $6::smallint[], $7::bool[], $8::bytea[],
             $9::timestamptz[], $10::float8[], $11::timestamptz[], $12::uuid[]) AS s (account_id, class, message_id,
             conversation_id, policy, silent, trace, expire_time, wait, since, behind)",
    )
    .bind(tx.tenant().uuid())
    .bind(queued.iter().map(|one| one.account.uuid()).collect::<Vec<_>>())
    .bind(queued.iter().map(|one| one.class).collect::<Vec<_>>())
    .bind(queued.iter().map(|one| one.message.uuid()).collect::<Vec<_>>())
    .bind(queued.iter().map(|one| one.conversation.uuid()).collect::<Vec<_>>())
    .bind(queued.iter().map(|one| one.policy.code()).collect::<Vec<_>>())
    .bind(queued.iter().map(|one| one.silent).collect::<Vec<_>>())
    .bind(queued.iter().map(|one| one.trace.as_ref().and_then(trace::pack)).collect::<Vec<_>>())
    .bind(queued.iter().map(|one| one.expire).collect::<Vec<_>>())
    .bind(queued.iter().map(|one| one.wait.map(|wait| wait.as_secs_f64())).collect::<Vec<_>>())
    .bind(queued.iter().map(|one| one.since).collect::<Vec<_>>())
    .bind(queued.iter().map(|one| one.behind.map(MessageId::uuid)).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Keeps outbound messages that stand in `state`, without queueing them.
pub(crate) async fn keep(tx: &mut TenantTx, entries: &[Entry<'_>], state: MessageState) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messaging.message (tenant_id, direction, state, message_id, conversation_id, account_id, class,
             message_time, principal_id, staff_id, staff_display_name, quoted_message_id, object)
         SELECT $1, 2, $2, m.message_id, m.conversation_id, m.account_id, m.class, m.message_time, m.principal_id, m.staff_id,
             m.staff_display_name, m.quoted_message_id, m.object::json
         FROM unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::smallint[], $7::timestamptz[], $8::uuid[], $9::uuid[],
             $10::text[], $11::uuid[], $12::text[])
             AS m (message_id, conversation_id, account_id, class, message_time, principal_id, staff_id, staff_display_name,
                 quoted_message_id, object)",
    )
    .bind(tx.tenant().uuid())
    .bind(state.code())
    .bind(entries.iter().map(|entry| entry.message.uuid()).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.conversation.uuid()).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.account.uuid()).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.class).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.time).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.principal).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.staff.map(|(id, _)| id)).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.staff.map(|(_, name)| name)).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.quotes.map(MessageId::uuid)).collect::<Vec<_>>())
    // As text: a value would go as `jsonb`, which holds no U+0000.
    .bind(entries.iter().map(|entry| entry.object.to_string()).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// How much a lane's holder takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Want {
    pub(crate) key: AccountKey,
    pub(crate) epoch: i64,
    /// At most so many messages.
    pub(crate) room: i32,
    /// Only of this class and those before it.
    pub(crate) last_class: i16,
}

/// A message in the hands of its lane's holder.
#[derive(Clone, Debug)]
pub(crate) struct Claimed {
    pub(crate) key: AccountKey,
    pub(crate) class: i16,
    pub(crate) message: MessageId,
    pub(crate) conversation: ConversationId,
    pub(crate) policy: SendPolicy,
    pub(crate) silent: bool,
    /// How often it was claimed or sent, this time included.
    pub(crate) attempts: u16,
    /// When it was claimed first: no attempt was earlier.
    pub(crate) first_time: Timestamp,
    /// An attempt's outcome is unknown.
    pub(crate) in_doubt: bool,
    /// How the request goes that it is frozen into.
    pub(crate) method: Option<SendMethod>,
    pub(crate) pack: Option<Uuid>,
    pub(crate) reply_token: Option<Uuid>,
    /// The trace of the call that queued it.
    pub(crate) trace: Option<TraceParent>,
    /// After this it is given up, unless it is in doubt.
    pub(crate) expire: Option<Timestamp>,
    /// When it was claimed, by the database's clock.
    pub(crate) claim_time: Timestamp,
}

/// Claims messages of several lanes in one statement: those that wait, and those another holder left in hand, in the lanes' order;
/// behind a message that was put back, its conversation waits, and so does what is to leave behind a later one. A lane this holder
/// has lost gives nothing. What another holder left in hand is in doubt when it was frozen, or [`SendPolicy::is_push_alone`].
pub(crate) async fn claim(worker: &PgPool, holder: Uuid, wants: &[Want]) -> Result<Vec<Claimed>, sqlx::Error> {
    let rows = sqlx::query(
        "WITH want AS (
             SELECT w.* FROM unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::int[], $6::smallint[])
                 AS w (tenant_id, account_id, epoch, room, last_class)
             JOIN messaging.lane l USING (tenant_id, account_id)
             WHERE l.holder = $1 AND l.epoch = w.epoch AND l.lease_until > now()),
         picked AS (
             SELECT s.*, w.epoch FROM want w CROSS JOIN LATERAL (
                 SELECT q.tenant_id, q.account_id, q.class, q.message_id FROM messaging.send q
                 WHERE q.tenant_id = w.tenant_id AND q.account_id = w.account_id AND q.class <= w.last_class
                     AND (q.state = 0 OR q.epoch < w.epoch) AND NOT (q.deferred AND q.due > now())
                     AND NOT EXISTS (
                         SELECT FROM messaging.send e
                         WHERE e.deferred AND e.due > now() AND e.tenant_id = q.tenant_id AND e.account_id = q.account_id
                             AND e.conversation_id = q.conversation_id AND e.class = q.class
                             AND e.message_id < q.message_id)
                     AND NOT EXISTS (
                         SELECT FROM messaging.send b
                         WHERE q.behind IS NOT NULL AND b.tenant_id = q.tenant_id AND b.account_id = q.account_id
                             AND b.class = q.class AND b.message_id = q.behind)
                 ORDER BY q.class, q.message_id LIMIT w.room FOR UPDATE OF q SKIP LOCKED) s)
         SELECT s.tenant_id, s.account_id, s.class, s.message_id, s.conversation_id, s.policy, s.silent, s.attempts,
             s.first_time, s.in_doubt, s.send_method, s.pack_id, s.reply_token_id, s.trace, s.expire_time,
             clock_timestamp() AS claim_time
         FROM picked p
         CROSS JOIN LATERAL messaging.send_take(p.tenant_id, p.account_id, p.class, p.message_id, p.epoch, $7::smallint) s",
    )
    .bind(holder)
    .bind(wants.iter().map(|want| want.key.tenant.uuid()).collect::<Vec<_>>())
    .bind(wants.iter().map(|want| want.key.account.uuid()).collect::<Vec<_>>())
    .bind(wants.iter().map(|want| want.epoch).collect::<Vec<_>>())
    .bind(wants.iter().map(|want| want.room).collect::<Vec<_>>())
    .bind(wants.iter().map(|want| want.last_class).collect::<Vec<_>>())
    .bind(SendPolicy::PushOnly.code())
    .fetch_all(worker)
    .await?;
    let mut claimed = rows.iter().map(claimed).collect::<Result<Vec<_>, _>>()?;
    claimed.sort_by_key(|row| (row.key, row.class, row.message));
    Ok(claimed)
}

fn claimed(row: &sqlx::postgres::PgRow) -> Result<Claimed, sqlx::Error> {
    let id = |name: &str| row.try_get::<Uuid, _>(name);
    let (policy, attempts): (i16, i16) = (row.try_get("policy")?, row.try_get("attempts")?);
    let method: Option<i16> = row.try_get("send_method")?;
    Ok(Claimed {
        key: AccountKey { tenant: id("tenant_id")?.into(), account: id("account_id")?.into() },
        class: row.try_get("class")?,
        message: id("message_id")?.into(),
        conversation: id("conversation_id")?.into(),
        policy: SendPolicy::from_code(policy),
        silent: row.try_get("silent")?,
        attempts: attempts.unsigned_abs(),
        first_time: row.try_get("first_time")?,
        in_doubt: row.try_get("in_doubt")?,
        method: method.and_then(SendMethod::from_code),
        pack: row.try_get("pack_id")?,
        reply_token: row.try_get("reply_token_id")?,
        trace: row.try_get::<Option<Vec<u8>>, _>("trace")?.as_deref().and_then(trace::unpack),
        expire: row.try_get("expire_time")?,
        claim_time: row.try_get("claim_time")?,
    })
}

/// What a claimed message says, and to whom.
#[derive(Clone)]
pub(crate) struct Body {
    pub(crate) message: MessageId,
    pub(crate) object: Option<Value>,
    pub(crate) kind: i16,
    pub(crate) chat_key: String,
    pub(crate) standby: bool,
    /// The LINE user blocked the account; or, of a notice, is no longer the staff member whom it is for.
    pub(crate) friend_blocked: bool,
}

/// Reads what messages say and to whom.
pub(crate) async fn bodies(tx: &mut TenantTx, messages: &[Uuid]) -> Result<Vec<Body>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT k.message_id, m.object, c.kind, c.chat_key, c.standby, f.state AS friendship,
             CASE WHEN m.class = $3 THEN NOT EXISTS (
                 SELECT FROM messaging.staff_contact
                 WHERE tenant_id = $1 AND account_id = c.account_id AND line_user_id = c.chat_key) ELSE false END AS unbound
         FROM unnest($2::uuid[]) AS k (message_id)
         CROSS JOIN LATERAL (
             SELECT conversation_id, object, class FROM messaging.message
             WHERE tenant_id = $1 AND message_id = k.message_id LIMIT 1) m
         CROSS JOIN LATERAL (
             SELECT account_id, kind, chat_key, standby FROM messaging.conversation
             WHERE tenant_id = $1 AND conversation_id = m.conversation_id LIMIT 1) c
         LEFT JOIN LATERAL (
             SELECT state FROM messaging.friendship_replica
             WHERE tenant_id = $1 AND account_id = c.account_id AND line_user_id = c.chat_key LIMIT 1) f ON true",
    )
    .bind(tx.tenant().uuid())
    .bind(messages)
    .bind(STAFF_NOTICE)
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Body {
                message: row.try_get::<Uuid, _>("message_id")?.into(),
                object: row.try_get("object")?,
                kind: row.try_get("kind")?,
                chat_key: row.try_get("chat_key")?,
                standby: row.try_get("standby")?,
                friend_blocked: replica::is_blocked(row.try_get("friendship")?) || row.try_get("unbound")?,
            })
        })
        .collect()
}

/// One message of a frozen request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frozen {
    pub(crate) account: AccountId,
    pub(crate) class: i16,
    pub(crate) message: MessageId,
    pub(crate) epoch: i64,
    pub(crate) method: SendMethod,
    pub(crate) pack: Uuid,
    pub(crate) reply_token: Option<Uuid>,
}

/// Freezes requests before their call. Returns whether every message is still in this holder's hands.
pub(crate) async fn freeze(tx: &mut TenantTx, frozen: &[Frozen]) -> Result<bool, sqlx::Error> {
    let done: i32 = sqlx::query_scalar("SELECT messaging.send_freeze($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(tx.tenant().uuid())
        .bind(frozen.iter().map(|row| row.account.uuid()).collect::<Vec<_>>())
        .bind(frozen.iter().map(|row| row.class).collect::<Vec<_>>())
        .bind(frozen.iter().map(|row| row.message.uuid()).collect::<Vec<_>>())
        .bind(frozen.iter().map(|row| row.epoch).collect::<Vec<_>>())
        .bind(frozen.iter().map(|row| row.method.code()).collect::<Vec<_>>())
        .bind(frozen.iter().map(|row| row.pack).collect::<Vec<_>>())
        .bind(frozen.iter().map(|row| row.reply_token).collect::<Vec<_>>())
        .fetch_one(&mut **tx)
        .await?;
    Ok(usize::try_from(done).is_ok_and(|count| count == frozen.len()))
}

/// The messages of `packs` that the lane's holder does not have yet.
pub(crate) async fn gather(tx: &mut TenantTx, want: &Want, packs: &[Uuid]) -> Result<Vec<Claimed>, sqlx::Error> {
    let rows = sqlx::query(
        "UPDATE messaging.send s SET state = 1, epoch = $3, attempts = least(s.attempts + 1, 30000), deferred = false,
             in_doubt = true
         WHERE tenant_id = $1 AND account_id = $2 AND pack_id = ANY ($4) AND (state = 0 OR epoch < $3)
         RETURNING s.tenant_id, s.account_id, s.class, s.message_id, s.conversation_id, s.policy, s.silent, s.attempts,
             s.first_time, s.in_doubt, s.send_method, s.pack_id, s.reply_token_id, s.trace, s.expire_time,
             clock_timestamp() AS claim_time",
    )
    .bind(want.key.tenant.uuid())
    .bind(want.key.account.uuid())
    .bind(want.epoch)
    .bind(packs)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(claimed).collect()
}
