//! How messages leave the send queue: accepted, given up, put back, taken back.

use chassis::postgres::TenantTx;
use kernel::{AccountId, ConversationId, MessageId, Timestamp};
use messaging_outbox_core::attempt::FailureKind;
use messaging_outbox_core::route::{self, SendMethod};
use messaging_outbox_core::send_gate::SendBarrier;
use messaging_outbox_core::state::MessageState;
use sqlx::Row as _;
use uuid::Uuid;

use super::reply_token;

/// A message LINE accepted.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    pub(crate) account: AccountId,
    pub(crate) class: i16,
    pub(crate) message: MessageId,
    /// Of the holder who sent it.
    pub(crate) epoch: i64,
    pub(crate) method: SendMethod,
    /// Whether it is its request's first: LINE counts a request to one friend as one message, however many it holds.
    pub(crate) leads: bool,
    pub(crate) line_message: Option<String>,
    pub(crate) quote_token: Option<String>,
    pub(crate) line_request: Option<String>,
}

/// A message whose state changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled {
    pub(crate) message: MessageId,
    pub(crate) conversation: ConversationId,
    pub(crate) account: AccountId,
    pub(crate) class: i16,
    pub(crate) state: MessageState,
}

/// Notes what LINE accepted. Whoever holds the lane now: it is the truth. What was noted before is passed over.
pub(crate) async fn accept(
    tx: &mut TenantTx,
    accepted: &[Accepted],
    now: Timestamp,
) -> Result<Vec<Settled>, sqlx::Error> {
    let rows = sqlx::query(
        "WITH done AS (
             SELECT * FROM unnest($2::uuid[], $3::smallint[], $4::uuid[], $5::smallint[], $6::text[], $7::text[], $8::text[])
                 AS d (account_id, class, message_id, send_method, line_message_id, quote_token, line_request_id)),
         gone AS (SELECT message_id FROM messaging.send_remove($1, $2, $3, $4) AS g (message_id))
         UPDATE messaging.message m
         SET state = $9, send_method = d.send_method, line_message_id = d.line_message_id, quote_token = d.quote_token,
             line_request_id = d.line_request_id, accept_time = $10
         FROM done d JOIN gone USING (message_id)
         WHERE m.tenant_id = $1 AND m.message_id = d.message_id
         RETURNING m.message_id, m.conversation_id, m.account_id, m.class",
    )
    .bind(tx.tenant().uuid())
    .bind(accepted.iter().map(|one| one.account.uuid()).collect::<Vec<_>>())
    .bind(accepted.iter().map(|one| one.class).collect::<Vec<_>>())
    .bind(accepted.iter().map(|one| one.message.uuid()).collect::<Vec<_>>())
    .bind(accepted.iter().map(|one| one.method.code()).collect::<Vec<_>>())
    .bind(accepted.iter().map(|one| one.line_message.as_deref().map(plain)).collect::<Vec<_>>())
    .bind(accepted.iter().map(|one| one.quote_token.as_deref().map(plain)).collect::<Vec<_>>())
    .bind(accepted.iter().map(|one| one.line_request.as_deref().map(plain)).collect::<Vec<_>>())
    .bind(MessageState::Accepted.code())
    .bind(now)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(|row| settled(row, MessageState::Accepted)).collect()
}

/// A message given up: refused, uncertain, or taken back before it left.
#[derive(Clone, Debug)]
pub(crate) struct GivenUp {
    pub(crate) account: AccountId,
    pub(crate) class: i16,
    pub(crate) message: MessageId,
    pub(crate) epoch: i64,
    pub(crate) state: MessageState,
    /// None of one that was taken back.
    pub(crate) failure: Option<Failure>,
}

/// Why a message did not go, or not yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failure {
    pub(crate) kind: i16,
    pub(crate) line_message: String,
    pub(crate) line_details: Vec<String>,
    pub(crate) line_request: String,
    pub(crate) http_status: i32,
    pub(crate) attempts: i32,
}

impl Failure {
    /// A failure of which LINE said nothing.
    pub(crate) fn of(kind: FailureKind) -> Self {
        Self { kind: kind.code(), ..Self::default() }
    }

    /// Nothing may be sent in the conversation.
    pub(crate) fn barred(barrier: SendBarrier) -> Self {
        Self { line_details: vec![barrier.reason().to_owned()], ..Self::of(FailureKind::Refused) }
    }
}

/// Gives one message up, unless another holder has it by now.
pub(crate) async fn give_up(tx: &mut TenantTx, given_up: &GivenUp) -> Result<Option<Settled>, sqlx::Error> {
    let failure = given_up.failure.as_ref();
    let line_request = failure.map(|failure| plain(&failure.line_request)).unwrap_or_default();
    let row = sqlx::query(
        "WITH gone AS (
             DELETE FROM messaging.send
             WHERE tenant_id = $1 AND account_id = $2 AND class = $3 AND message_id = $4 AND epoch = $5
             RETURNING message_id),
         failure AS (
             INSERT INTO messaging.send_failure (tenant_id, message_id, kind, line_message, line_details, line_request_id,
                 http_status, attempts)
             SELECT $1, message_id, $7, $8, $9, $10, $11, $12 FROM gone WHERE $7::smallint IS NOT NULL
             ON CONFLICT (tenant_id, message_id) DO UPDATE
             SET kind = excluded.kind, line_message = excluded.line_message, line_details = excluded.line_details,
                 line_request_id = excluded.line_request_id, http_status = excluded.http_status, attempts = excluded.attempts)
         UPDATE messaging.message m SET state = $6, line_request_id = nullif($10, '')
         FROM gone WHERE m.tenant_id = $1 AND m.message_id = gone.message_id
         RETURNING m.message_id, m.conversation_id, m.account_id, m.class",
    )
    .bind(tx.tenant().uuid())
    .bind(given_up.account.uuid())
    .bind(given_up.class)
    .bind(given_up.message.uuid())
    .bind(given_up.epoch)
    .bind(given_up.state.code())
    .bind(failure.map(|failure| failure.kind))
    .bind(failure.map(|failure| plain(&failure.line_message)))
    .bind(failure.map(|failure| failure.line_details.iter().map(|detail| plain(detail)).collect::<Vec<_>>()))
    .bind(line_request)
    .bind(failure.map(|failure| failure.http_status))
    .bind(failure.map(|failure| failure.attempts))
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|row| settled(&row, given_up.state)).transpose()
}

/// A message put back into the queue for a while.
#[derive(Clone, Debug)]
pub(crate) struct PutBack {
    pub(crate) account: AccountId,
    pub(crate) class: i16,
    pub(crate) message: MessageId,
    pub(crate) epoch: i64,
    pub(crate) wait: std::time::Duration,
    pub(crate) attempts: u16,
    pub(crate) in_doubt: bool,
    /// It stays the same request: the same key or token, and the same messages in it.
    pub(crate) frozen: bool,
    /// It waits for quota, and why; none: it is queued as before.
    pub(crate) short: Option<Failure>,
    /// It goes by push, and may yet go by reply where a token is left.
    pub(crate) may_yet_reply: bool,
}

/// Puts one message back, unless another holder has it by now: not for long where a reply token came while it was in hand. Its
/// conversation must be locked then. Returns it when its shown state changed.
pub(crate) async fn put_back(
    tx: &mut TenantTx,
    back: &PutBack,
    now: Timestamp,
) -> Result<Option<Settled>, sqlx::Error> {
    let token_until = if back.may_yet_reply { reply_token::unused_until(tx, back.message).await? } else { None };
    let wait = route::wait_beside_token(back.wait, token_until, now);
    let state = if back.short.is_some() { MessageState::WaitingForQuota } else { MessageState::Queued };
    let short = back.short.as_ref();
    let row = sqlx::query(
        "WITH back AS (
             UPDATE messaging.send
             SET state = 0, deferred = $6 > 0, due = now() + make_interval(secs => $6), attempts = $7, in_doubt = $8,
                 send_method = CASE WHEN $9 THEN send_method END, pack_id = CASE WHEN $9 THEN pack_id END,
                 reply_token_id = CASE WHEN $9 THEN reply_token_id END,
                 first_time = CASE WHEN $8 THEN first_time END
             WHERE tenant_id = $1 AND account_id = $2 AND class = $3 AND message_id = $4 AND epoch = $5 AND state = 1
             RETURNING message_id),
         failure AS (
             INSERT INTO messaging.send_failure (tenant_id, message_id, kind, line_message, line_details, line_request_id,
                 http_status, attempts)
             SELECT $1, message_id, $11, $12, '{}', $13, $14, $7 FROM back WHERE $11 IS NOT NULL
             ON CONFLICT (tenant_id, message_id) DO UPDATE
             SET kind = excluded.kind, line_message = excluded.line_message, line_request_id = excluded.line_request_id,
                 http_status = excluded.http_status, attempts = excluded.attempts)
         UPDATE messaging.message m SET state = $10
         FROM back WHERE m.tenant_id = $1 AND m.message_id = back.message_id AND m.state <> $10
         RETURNING m.message_id, m.conversation_id, m.account_id, m.class",
    )
    .bind(tx.tenant().uuid())
    .bind(back.account.uuid())
    .bind(back.class)
    .bind(back.message.uuid())
    .bind(back.epoch)
    .bind(wait.as_secs_f64())
    .bind(i16::try_from(back.attempts).unwrap_or(i16::MAX))
    .bind(back.in_doubt)
    .bind(back.frozen)
    .bind(state.code())
    .bind(short.map(|failure| failure.kind))
    .bind(short.map(|failure| plain(&failure.line_message)).unwrap_or_default())
    .bind(short.map(|failure| plain(&failure.line_request)).unwrap_or_default())
    .bind(short.map_or(0, |failure| failure.http_status))
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|row| settled(&row, state)).transpose()
}

/// What taking a message back came to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TakenBack {
    /// It will not leave.
    Cancelled(Settled),
    /// It is on its way, or an attempt's outcome is unknown.
    TooLate,
}

/// Takes a queued message back. The queue's row is locked, so the lane either has it or never will.
pub(crate) async fn take_back(
    tx: &mut TenantTx,
    account: AccountId,
    class: i16,
    message: MessageId,
) -> Result<TakenBack, sqlx::Error> {
    let row = sqlx::query(
        "WITH gone AS (
             DELETE FROM messaging.send
             WHERE tenant_id = $1 AND account_id = $2 AND class = $3 AND message_id = $4 AND state = 0 AND NOT in_doubt
             RETURNING message_id)
         UPDATE messaging.message m SET state = $5
         FROM gone WHERE m.tenant_id = $1 AND m.message_id = gone.message_id
         RETURNING m.message_id, m.conversation_id, m.account_id, m.class",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(class)
    .bind(message.uuid())
    .bind(MessageState::Cancelled.code())
    .fetch_optional(&mut **tx)
    .await?;
    let taken = row.map(|row| settled(&row, MessageState::Cancelled)).transpose()?;
    Ok(taken.map_or(TakenBack::TooLate, TakenBack::Cancelled))
}

/// LINE's words without U+0000, which no `text` holds.
fn plain(words: &str) -> String {
    words.replace('\0', "")
}

fn settled(row: &sqlx::postgres::PgRow, state: MessageState) -> Result<Settled, sqlx::Error> {
    let id = |name: &str| row.try_get::<Uuid, _>(name);
    Ok(Settled {
        message: id("message_id")?.into(),
        conversation: id("conversation_id")?.into(),
        account: id("account_id")?.into(),
        class: row.try_get("class")?,
        state,
    })
}
