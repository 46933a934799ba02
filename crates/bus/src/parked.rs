//! Messages that were not handled when they came, in Postgres: waiting for their next try, or given up. They hold nobody up: the
//! stream goes on without them, and a restart forgets neither them nor their attempts.
//!
//! An attempt is counted when it begins and taken back when it ends without a verdict on the message, so that a message that
//! kills the process is counted too. `due_at` is also the lease of the replica that tries it.

use std::time::Duration;

use bytes::Bytes;
use chassis::postgres::{Database, TenantTx};
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use crate::incoming::Raw;

/// How long a claim lasts without being renewed.
const CLAIM_LASTS: Duration = Duration::from_secs(10);
/// How long settled messages are remembered, in days; their content is gone before.
const SETTLED_DAYS: i32 = 90;
/// Tenants served by one claim, at most.
const TENANTS: i64 = 32;
/// The longest reason that is kept, in characters.
const LONGEST_REASON: usize = 500;

/// What happens next to a message put aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is tried after this long.
    Due(Duration),
    /// It is a dead letter.
    GaveUp,
}

/// A message to put aside.
#[derive(Debug)]
pub(crate) struct Aside<'a> {
    pub(crate) message_id: Uuid,
    pub(crate) consumer: &'a str,
    pub(crate) raw: &'a Raw,
    pub(crate) event_key: Uuid,
    pub(crate) event_id: &'a str,
    pub(crate) order_key: u64,
    pub(crate) attempts: u32,
    pub(crate) next: Next,
    pub(crate) reason: &'a str,
}

/// Puts one message aside. Its event must have been taken over in this transaction.
pub(crate) async fn insert(tx: &mut TenantTx, aside: &Aside<'_>) -> Result<(), sqlx::Error> {
    let (state, due) = columns(aside.next);
    sqlx::query(AssertSqlSafe(format!(
        "INSERT INTO {}.parked_message (tenant_id, message_id, consumer, state, due_at, attempts, order_key, event_key, event_id,
            subject, headers, payload, reason, gave_up_at)
         VALUES ($1, $2, $3, $4, now() + $5 * interval '1 ms', $6, $7, $8, $9, $10, $11, $12, $13,
            CASE WHEN $5 IS NULL THEN now() END)",
        tx.schema()
    )))
    .bind(tx.tenant().uuid())
    .bind(aside.message_id)
    .bind(aside.consumer)
    .bind(state)
    .bind(due)
    .bind(i32::try_from(aside.attempts).unwrap_or(i32::MAX))
    .bind(aside.order_key.cast_signed())
    .bind(aside.event_key)
    .bind(aside.event_id)
    .bind(&aside.raw.subject)
    .bind(&aside.raw.headers)
    .bind(&aside.raw.payload[..])
    .bind(shortened(aside.reason))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Takes over and puts aside messages of many tenants at once, due now, in this order. Those taken over before are passed over.
pub(crate) async fn insert_all(
    database: &Database,
    consumer_number: i32,
    asides: &[(Uuid, Aside<'_>)],
) -> Result<(), sqlx::Error> {
    let column = |of: fn(&Aside<'_>) -> Uuid| asides.iter().map(|(_, aside)| of(aside)).collect::<Vec<_>>();
    let text = |of: for<'a> fn(&'a Aside<'_>) -> &'a str| asides.iter().map(|(_, aside)| of(aside)).collect::<Vec<_>>();
    sqlx::query(AssertSqlSafe(format!(
        "WITH given AS (
            SELECT DISTINCT ON (tenant_id, event_key) * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[],
                $6::text[], $7::bytea[], $8::int8[]) WITH ORDINALITY
                AS g (tenant_id, message_id, event_key, event_id, subject, headers, payload, order_key, place)
            ORDER BY tenant_id, event_key, place
         ), taken AS (
            INSERT INTO {schema}.inbox (tenant_id, consumer, event_key)
            SELECT tenant_id, $9, event_key FROM given ORDER BY tenant_id, event_key
            ON CONFLICT DO NOTHING RETURNING tenant_id, event_key
         )
         INSERT INTO {schema}.parked_message (tenant_id, message_id, consumer, state, due_at, event_key, event_id, subject, headers,
            payload, order_key)
         SELECT g.tenant_id, g.message_id, $10, 'due', now(), g.event_key, g.event_id, g.subject, g.headers, g.payload, g.order_key
         FROM given g JOIN taken USING (tenant_id, event_key) ORDER BY g.place",
        schema = database.schema()
    )))
    .bind(asides.iter().map(|(tenant, _)| *tenant).collect::<Vec<_>>())
    .bind(column(|aside| aside.message_id))
    .bind(column(|aside| aside.event_key))
    .bind(text(|aside| aside.event_id))
    .bind(text(|aside| &aside.raw.subject))
    .bind(text(|aside| &aside.raw.headers))
    .bind(asides.iter().map(|(_, aside)| &aside.raw.payload[..]).collect::<Vec<_>>())
    .bind(asides.iter().map(|(_, aside)| aside.order_key.cast_signed()).collect::<Vec<_>>())
    .bind(consumer_number)
    .bind(asides.first().map_or("", |(_, aside)| aside.consumer))
    .execute(database.worker())
    .await?;
    Ok(())
}

/// A message that this replica is to try now.
#[derive(Clone, Copy, Debug, FromRow)]
pub(crate) struct Claim {
    #[sqlx(rename = "tenant_id")]
    pub(crate) tenant: Uuid,
    pub(crate) message_id: Uuid,
    pub(crate) order_key: i64,
}

/// Messages that this replica is to try now.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) claims: Vec<Claim>,
    /// How many of each tenant were claimed at most.
    pub(crate) share: usize,
    /// The tenant to begin with next time; nil after the last one.
    pub(crate) next: Uuid,
}

/// Due messages of a consumer, about `limit` together, of up to 32 tenants from `from` on, as many of each.
///
/// Locked rows are changed by their place, which no statistics can turn into a join that reads the whole backlog.
pub(crate) async fn claim(database: &Database, consumer: &str, from: Uuid, limit: i64) -> Result<Claimed, sqlx::Error> {
    let rows: Vec<(Uuid, Option<Uuid>, Option<i64>)> = sqlx::query_as(AssertSqlSafe(format!(
        "WITH RECURSIVE found AS (
            (SELECT tenant_id, 1 AS place FROM {schema}.parked_message
             WHERE consumer = $1 AND due_at IS NOT NULL AND tenant_id >= $2 ORDER BY tenant_id LIMIT 1)
            UNION ALL
            SELECT (SELECT p.tenant_id FROM {schema}.parked_message p
                    WHERE p.consumer = $1 AND p.due_at IS NOT NULL AND p.tenant_id > f.tenant_id
                    ORDER BY p.tenant_id LIMIT 1), f.place + 1
            FROM found f WHERE f.tenant_id IS NOT NULL AND f.place < $3
         ), due AS (
            SELECT p.place FROM found f CROSS JOIN LATERAL (
                SELECT q.ctid AS place FROM {schema}.parked_message q
                WHERE q.consumer = $1 AND q.tenant_id = f.tenant_id AND q.due_at <= now()
                ORDER BY q.due_at, q.sequence
                LIMIT (SELECT greatest(4, $4 / greatest(1, count(tenant_id))) FROM found)
                FOR UPDATE SKIP LOCKED
            ) p WHERE f.tenant_id IS NOT NULL
         ), claimed AS (
            UPDATE {schema}.parked_message p SET due_at = now() + $5 * interval '1 ms', attempts = p.attempts + 1
            WHERE p.ctid = ANY (ARRAY(SELECT place FROM due))
            RETURNING p.tenant_id, p.message_id, p.order_key, p.sequence
         )
         SELECT f.tenant_id, c.message_id, c.order_key FROM found f LEFT JOIN claimed c USING (tenant_id)
         WHERE f.tenant_id IS NOT NULL ORDER BY f.tenant_id, c.sequence",
        schema = database.schema()
    )))
    .bind(consumer)
    .bind(from)
    .bind(TENANTS)
    .bind(limit)
    .bind(millis(CLAIM_LASTS))
    .fetch_all(database.worker())
    .await?;
    let mut tenants: Vec<Uuid> = rows.iter().map(|(tenant, ..)| *tenant).collect();
    tenants.dedup();
    let full = i64::try_from(tenants.len()).is_ok_and(|count| count >= TENANTS);
    let next =
        tenants.last().filter(|_| full).map_or(Uuid::nil(), |last| Uuid::from_u128(last.as_u128().wrapping_add(1)));
    let claims = rows.into_iter().filter_map(|(tenant, message_id, order_key)| {
        Some(Claim { tenant, message_id: message_id?, order_key: order_key? })
    });
    let share = usize::try_from(limit).unwrap_or(0) / tenants.len().max(1);
    Ok(Claimed { claims: claims.collect(), share: share.max(4), next })
}

/// Prolongs claims of work in hand.
pub(crate) async fn renew(database: &Database, claims: &[(Uuid, Uuid)]) -> Result<(), sqlx::Error> {
    change_claims(database, claims, "due_at = now() + $3 * interval '1 ms'").await
}

/// Gives claims back untried.
pub(crate) async fn give_back(database: &Database, claims: &[(Uuid, Uuid)]) -> Result<(), sqlx::Error> {
    change_claims(database, claims, "due_at = now() + 0 * $3 * interval '1 ms', attempts = greatest(0, p.attempts - 1)")
        .await
}

/// The rows are locked in the order in which [`open`] locks them, so that neither waits for the other in a circle.
async fn change_claims(database: &Database, claims: &[(Uuid, Uuid)], change: &str) -> Result<(), sqlx::Error> {
    let (tenants, messages): (Vec<Uuid>, Vec<Uuid>) = claims.iter().copied().unzip();
    sqlx::query(AssertSqlSafe(format!(
        "WITH claimed AS (
            SELECT p.tenant_id, p.message_id FROM {schema}.parked_message p
            JOIN unnest($1::uuid[], $2::uuid[]) c (tenant_id, message_id) USING (tenant_id, message_id)
            WHERE p.due_at IS NOT NULL ORDER BY p.sequence FOR UPDATE OF p
         )
         UPDATE {schema}.parked_message p SET {change} FROM claimed c
         WHERE p.tenant_id = c.tenant_id AND p.message_id = c.message_id AND p.due_at IS NOT NULL",
        schema = database.schema()
    )))
    .bind(tenants)
    .bind(messages)
    .bind(millis(CLAIM_LASTS))
    .execute(database.worker())
    .await?;
    Ok(())
}

/// A parked message, locked by the transaction that tries it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) raw: Raw,
    /// This attempt included.
    pub(crate) attempts: u32,
    /// Since it was put aside, by the database's clock.
    pub(crate) age: Duration,
    /// Whether somebody asked for this attempt, after it was given up.
    pub(crate) replaying: bool,
}

/// Opens claimed messages, locking them in the order in which they were put aside. Those that somebody has settled meanwhile are
/// missing.
pub(crate) async fn open(tx: &mut TenantTx, messages: &[Uuid]) -> Result<Vec<Opened>, sqlx::Error> {
    type Columns = (String, Option<String>, Option<Vec<u8>>, i32, f64, bool);
    let rows: Vec<Columns> = sqlx::query_as(AssertSqlSafe(format!(
        "SELECT subject, headers, payload, attempts, extract(epoch FROM now() - created_at)::float8,
            state = 'replaying'
         FROM {}.parked_message WHERE tenant_id = $1 AND message_id = ANY ($2) AND due_at IS NOT NULL
         ORDER BY sequence FOR UPDATE",
        tx.schema()
    )))
    .bind(tx.tenant().uuid())
    .bind(messages)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(subject, headers, payload, attempts, age, replaying)| Opened {
            raw: Raw {
                subject,
                headers: headers.unwrap_or_default(),
                payload: Bytes::from(payload.unwrap_or_default()),
            },
            attempts: u32::try_from(attempts).unwrap_or(0),
            age: Duration::try_from_secs_f64(age).unwrap_or_default(),
            replaying,
        })
        .collect())
}

/// Settles opened messages that were handled: what nobody ever saw goes, a dead letter stays as a record without content.
pub(crate) async fn handled(tx: &mut TenantTx, messages: &[Uuid]) -> Result<(), sqlx::Error> {
    sqlx::query(AssertSqlSafe(format!(
        "WITH gone AS (
            DELETE FROM {schema}.parked_message WHERE tenant_id = $1 AND message_id = ANY ($2) AND state = 'due'
         )
         UPDATE {schema}.parked_message SET state = 'handled', settled_at = now(), due_at = NULL, headers = NULL, payload = NULL
         WHERE tenant_id = $1 AND message_id = ANY ($2) AND state = 'replaying'",
        schema = tx.schema()
    )))
    .bind(tx.tenant().uuid())
    .bind(messages)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Puts an opened message back. `counted`: whether the attempt says something about the message.
pub(crate) async fn put_back(
    tx: &mut TenantTx,
    message: Uuid,
    next: Next,
    counted: bool,
    reason: &str,
) -> Result<(), sqlx::Error> {
    let (state, due) = columns(next);
    sqlx::query(AssertSqlSafe(format!(
        "UPDATE {}.parked_message SET reason = $6, due_at = now() + $4 * interval '1 ms',
            state = CASE WHEN $4 IS NULL THEN $3 ELSE state END,
            gave_up_at = CASE WHEN $4 IS NULL THEN coalesce(gave_up_at, now()) ELSE gave_up_at END,
            attempts = CASE WHEN $5 THEN attempts ELSE greatest(0, attempts - 1) END
         WHERE tenant_id = $1 AND message_id = $2 AND due_at IS NOT NULL",
        tx.schema()
    )))
    .bind(tx.tenant().uuid())
    .bind(message)
    .bind(state)
    .bind(due)
    .bind(counted)
    .bind(shortened(reason))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// How many messages of a consumer wait for a try, and how many are given up and wait for somebody's decision; 100,000 of each
/// at most.
pub(crate) async fn count(database: &Database, consumer: &str) -> Result<(i64, i64), sqlx::Error> {
    sqlx::query_as(AssertSqlSafe(format!(
        "SELECT (SELECT count(*) FROM (SELECT FROM {schema}.parked_message
                 WHERE consumer = $1 AND due_at IS NOT NULL LIMIT 100000) d),
            (SELECT count(*) FROM (SELECT FROM {schema}.parked_message
             WHERE consumer = $1 AND state = 'waiting' AND gave_up_at IS NOT NULL LIMIT 100000) w)",
        schema = database.schema()
    )))
    .bind(consumer)
    .fetch_one(database.worker())
    .await
}

/// Forgets some messages settled long ago. Whether there may be more.
pub(crate) async fn prune(database: &Database) -> Result<bool, sqlx::Error> {
    let text = format!(
        "DELETE FROM {schema}.parked_message WHERE (tenant_id, message_id) IN (
            SELECT tenant_id, message_id FROM {schema}.parked_message
            WHERE settled_at < now() - $1 * interval '1 day' LIMIT 500 FOR UPDATE SKIP LOCKED)",
        schema = database.schema()
    );
    let pruned = sqlx::query(AssertSqlSafe(text)).bind(SETTLED_DAYS).execute(database.worker()).await?;
    Ok(pruned.rows_affected() > 0)
}

fn columns(next: Next) -> (&'static str, Option<i64>) {
    match next {
        Next::Due(pause) => ("due", Some(millis(pause))),
        Next::GaveUp => ("waiting", None),
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A reason without control characters, not longer than is useful.
fn shortened(reason: &str) -> String {
    reason.chars().filter(|c| !c.is_control()).take(LONGEST_REASON).collect()
}
