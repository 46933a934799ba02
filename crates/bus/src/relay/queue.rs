//! The relay's queue in Postgres. The worker role sees which rows wait, of all tenants; what they say is read under each row's
//! own tenant.

use std::collections::HashMap;

use bytes::Bytes;
use chassis::postgres::Database;
use kernel::Timestamp;
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use crate::stream::Stream;

/// Tenants served by one batch, at most.
const TENANTS: i64 = 64;
/// Batches put back into the queue at once after a stream was lost.
const REFILL: i64 = 50;

/// An entry of the queue.
#[derive(Clone, Copy, Debug, FromRow)]
pub(super) struct Entry {
    #[sqlx(rename = "tenant_id")]
    pub(super) tenant: Uuid,
    pub(super) sequence: i64,
}

impl Entry {
    pub(super) fn key(&self) -> (Uuid, i64) {
        (self.tenant, self.sequence)
    }
}

/// A batch of entries.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) rows: Vec<Entry>,
    /// The tenant to begin the next batch with; nil after the last one.
    pub(super) next: Uuid,
}

impl Claimed {
    pub(super) fn by_key(&self) -> HashMap<(Uuid, i64), Entry> {
        self.rows.iter().map(|entry| (entry.key(), *entry)).collect()
    }
}

/// An event.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) tenant: Uuid,
    pub(super) sequence: i64,
    pub(super) event: Uuid,
    pub(super) order_key: i64,
    pub(super) time: Timestamp,
    pub(super) happened: String,
    pub(super) trace: Option<Vec<u8>>,
    pub(super) payload: Bytes,
}

impl Row {
    pub(super) fn key(&self) -> (Uuid, i64) {
        (self.tenant, self.sequence)
    }
}

type Columns = (Uuid, i64, Uuid, i64, Timestamp, String, Option<Vec<u8>>, Vec<u8>);

#[derive(Clone, Debug)]
pub(super) struct Queue {
    database: Database,
    claim: String,
    complete: String,
}

impl Queue {
    pub(super) fn new(database: &Database) -> Self {
        let schema = database.schema();
        Self { database: database.clone(), claim: claim_text(schema), complete: complete_text(schema) }
    }

    pub(super) fn schema(&self) -> &'static str {
        self.database.schema()
    }

    /// Entries of up to 64 tenants from `from` on, about `limit` together, as many of each, each tenant's in order. No lock is
    /// taken and none is skipped: an entry somebody else works on is repeated rather than overtaken.
    pub(super) async fn claim(&self, from: Uuid, limit: i64) -> Result<Claimed, sqlx::Error> {
        let rows: Vec<Entry> = sqlx::query_as(AssertSqlSafe(self.claim.as_str()))
            .bind(from)
            .bind(TENANTS)
            .bind(limit)
            .fetch_all(self.database.worker())
            .await?;
        let last = rows.last().map(|entry| entry.tenant);
        let mut tenants: Vec<Uuid> = rows.iter().map(|entry| entry.tenant).collect();
        tenants.dedup();
        let full = i64::try_from(tenants.len()).is_ok_and(|count| count >= TENANTS);
        let after = |tenant: Uuid| Uuid::from_u128(tenant.as_u128().wrapping_add(1));
        Ok(Claimed { rows, next: last.filter(|_| full).map_or(Uuid::nil(), after) })
    }

    /// The events of a batch, by tenant and number.
    pub(super) async fn read(&self, claimed: &Claimed) -> Result<HashMap<(Uuid, i64), Row>, sqlx::Error> {
        let Some(first) = claimed.rows.first() else { return Ok(HashMap::new()) };
        let (tenants, sequences): (Vec<Uuid>, Vec<i64>) = claimed.rows.iter().map(Entry::key).unzip();
        let mut tx = self.database.tenant(first.tenant.into()).await?;
        let rows: Vec<Columns> = sqlx::query_as(AssertSqlSafe(format!(
            "SELECT tenant_id, sequence, event_id, order_key, time, happened, trace, payload FROM {}.outbox_read($1, $2)",
            self.schema()
        )))
        .bind(tenants)
        .bind(sequences)
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(rows.into_iter().map(row).map(|row| (row.key(), row)).collect())
    }

    /// Takes published entries off the queue, notes when they were published, and remembers the stream's number. When the
    /// stream has lost something meanwhile, they stay in the queue.
    pub(super) async fn complete(
        &self,
        done: &[Entry],
        epoch: i64,
        stream: Stream,
        last_sequence: u64,
    ) -> Result<(), sqlx::Error> {
        if done.is_empty() {
            return Ok(());
        }
        // In one order, for another relay may be at the same ones.
        let mut keys: Vec<(Uuid, i64)> = done.iter().map(Entry::key).collect();
        keys.sort_unstable();
        let (tenants, sequences): (Vec<Uuid>, Vec<i64>) = keys.into_iter().unzip();
        sqlx::query(AssertSqlSafe(self.complete.as_str()))
            .bind(tenants)
            .bind(sequences)
            .bind(epoch)
            .bind(stream.name())
            .bind(last_sequence.cast_signed())
            .execute(self.database.worker())
            .await?;
        Ok(())
    }

    /// Puts some of what was published since `from`, in an earlier epoch, back into the queue. Whether there may be more.
    pub(super) async fn refill(&self, epoch: i64, from: Timestamp) -> Result<bool, sqlx::Error> {
        let moved = sqlx::query(AssertSqlSafe(format!(
            "WITH lost AS (
                DELETE FROM {schema}.outbox_published WHERE (tenant_id, batch) IN (
                    SELECT tenant_id, batch FROM {schema}.outbox_published
                    WHERE last_published_at >= $3 AND epoch < $1 ORDER BY last_published_at LIMIT $2)
                RETURNING tenant_id, sequences, published_at
            ) INSERT INTO {schema}.outbox_pending (tenant_id, sequence, published_at)
              SELECT l.tenant_id, s.sequence, l.published_at FROM lost l, unnest(l.sequences) s (sequence)
              ORDER BY l.tenant_id, s.sequence
              ON CONFLICT DO NOTHING",
            schema = self.schema()
        )))
        .bind(epoch)
        .bind(REFILL)
        .bind(from)
        .execute(self.database.worker())
        .await?;
        Ok(moved.rows_affected() > 0)
    }
}

fn row((tenant, sequence, event, order_key, time, happened, trace, payload): Columns) -> Row {
    Row { tenant, sequence, event, order_key, time, happened, trace, payload: payload.into() }
}

/// Walks from tenant to tenant through the primary key, so that it reads as many entries as it returns, however many wait.
fn claim_text(schema: &str) -> String {
    format!(
        "WITH RECURSIVE found AS (
            (SELECT tenant_id, 1 AS place FROM {schema}.outbox_pending WHERE tenant_id >= $1 ORDER BY tenant_id LIMIT 1)
            UNION ALL
            SELECT (SELECT p.tenant_id FROM {schema}.outbox_pending p WHERE p.tenant_id > f.tenant_id
                    ORDER BY p.tenant_id LIMIT 1), f.place + 1
            FROM found f WHERE f.tenant_id IS NOT NULL AND f.place < $2
         )
         SELECT p.tenant_id, p.sequence FROM found f CROSS JOIN LATERAL (
            SELECT q.tenant_id, q.sequence FROM {schema}.outbox_pending q WHERE q.tenant_id = f.tenant_id
            ORDER BY q.sequence LIMIT (SELECT greatest(4, $3 / greatest(1, count(tenant_id))) FROM found)
         ) p WHERE f.tenant_id IS NOT NULL ORDER BY p.tenant_id, p.sequence"
    )
}

/// Not waiting for the disk: what a crash forgets of it is published again, which everybody bears.
fn complete_text(schema: &str) -> String {
    format!(
        "WITH done AS (
            SELECT d.* FROM set_config('synchronous_commit', 'off', true),
                {schema}.outbox_take_off($1, $2) d (tenant_id, sequence, published_at)
            WHERE EXISTS (SELECT FROM {schema}.stream_state WHERE stream = $4 AND epoch = $3)
         ), noted AS (
            INSERT INTO {schema}.outbox_published (tenant_id, epoch, published_at, last_published_at, sequences)
            SELECT tenant_id, $3, published_at, now(), array_agg(sequence ORDER BY sequence)
            FROM done GROUP BY tenant_id, published_at
         )
         UPDATE {schema}.stream_state SET last_sequence = $5 WHERE stream = $4 AND epoch = $3 AND last_sequence < $5"
    )
}
