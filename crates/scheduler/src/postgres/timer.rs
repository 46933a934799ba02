//! Timers of one tenant: made, moved, cancelled, read. Whoever changes them wakes whoever fires them, once it is committed.

use chassis::postgres::TenantTx;
use scheduler_core::calendar::NEAR;
use scheduler_core::timer::Timer;
use scheduler_core::{Key, Owner, turn};

use super::row::{self, Arrays, Columns};
use crate::wake;

/// Timers that one call of [`cancel_prefix`] cancels at most.
pub(crate) const MOST_CANCELLED: i64 = 10_000;
/// Timers that one call of [`standing`] tells at most.
const MOST_STANDING: i64 = 1_000;

const INSERT: &str = "INSERT INTO scheduler.timer AS t
        (tenant_id, owner, key, generation, due, policy, late_seconds, merge_key, part, near)
    SELECT $1, owner, key, generation, due, policy, late_seconds, merge_key, $2, due < now() + $3
    FROM unnest($4::text[], $5::text[], $6::int8[], $7::timestamptz[], $8::int2[], $9::int4[], $10::text[])
        WITH ORDINALITY AS e (owner, key, generation, due, policy, late_seconds, merge_key, place)
    ORDER BY place ";

/// As `scheduler_core::generation::next` has it: a version that is higher than the standing one's.
const REPLACE: &str = "ON CONFLICT (tenant_id, owner, key) DO UPDATE SET
        generation = greatest(excluded.generation, t.generation + 1), due = excluded.due, policy = excluded.policy,
        late_seconds = excluded.late_seconds, merge_key = excluded.merge_key, near = excluded.near
    RETURNING owner, key, generation, due, policy, late_seconds, merge_key";

const ADD: &str = "ON CONFLICT DO NOTHING
    RETURNING owner, key, generation, due, policy, late_seconds, merge_key";

/// Makes timers, each in the place of one with the same owner and key, if there is one: with its own generation, or the next after the
/// replaced one's, whichever is higher. No two may have the same owner and key. Returns them as they stand, by owner and key.
pub(crate) async fn put_all(tx: &mut TenantTx, timers: &[Timer]) -> Result<Vec<Timer>, sqlx::Error> {
    insert(tx, timers, REPLACE).await
}

/// Makes timers whose owner and key none has; returns those made, by owner and key. Fewer than were given: some are taken.
pub(crate) async fn add_all(tx: &mut TenantTx, timers: &[Timer]) -> Result<Vec<Timer>, sqlx::Error> {
    insert(tx, timers, ADD).await
}

async fn insert(tx: &mut TenantTx, timers: &[Timer], otherwise: &'static str) -> Result<Vec<Timer>, sqlx::Error> {
    let Some(first) = timers.iter().map(|timer| timer.due).min() else { return Ok(Vec::new()) };
    let (tenant, part) = (tx.tenant(), turn::part(tx.tenant()));
    let arrays = Arrays::of(timers);
    let text = sqlx::AssertSqlSafe(format!("{INSERT}{otherwise}"));
    let rows: Vec<Columns> = sqlx::query_as(text)
        .bind(tx.tenant().uuid())
        .bind(part)
        .bind(NEAR)
        .bind(arrays.owners)
        .bind(arrays.keys)
        .bind(arrays.generations)
        .bind(arrays.dues)
        .bind(arrays.policies)
        .bind(arrays.late_seconds)
        .bind(arrays.merge_keys)
        .fetch_all(&mut **tx)
        .await?;
    tx.after_commit(move || wake::due_at(tenant, first));
    rows.into_iter().map(row::timer).collect()
}

/// Cancels those of these keys that stand; returns how many.
pub(crate) async fn cancel(tx: &mut TenantTx, owner: &Owner, keys: &[Key]) -> Result<u64, sqlx::Error> {
    const LOCK: &str = "SELECT count(*) FROM unnest($3::text[]) k (key) CROSS JOIN LATERAL (
        SELECT FROM scheduler.timer WHERE tenant_id = $1 AND owner = $2 AND key = k.key LIMIT 1 FOR UPDATE) t";
    const DELETE: &str = "DELETE FROM scheduler.timer WHERE ctid = ANY (ARRAY(
        SELECT t.ctid FROM unnest($3::text[]) k (key) CROSS JOIN LATERAL (
            SELECT ctid FROM scheduler.timer WHERE tenant_id = $1 AND owner = $2 AND key = k.key LIMIT 1) t))";
    let mut keys: Vec<&str> = keys.iter().map(Key::as_str).collect();
    // In one order, so that no two who cancel the same lock each other out.
    keys.sort_unstable();
    let (tenant, mut cancelled) = (tx.tenant().uuid(), 0);
    // Locked by a statement of their own: one that waits for a row finds it in another place then, where it does not look any more.
    for statement in [LOCK, DELETE] {
        let query = sqlx::query(statement).bind(tenant).bind(owner.as_str()).bind(&keys);
        cancelled = query.execute(&mut **tx).await?.rows_affected();
    }
    Ok(cancelled)
}

/// Cancels the owner's timers whose keys begin so, 10,000 at most; returns how many.
pub(crate) async fn cancel_prefix(tx: &mut TenantTx, owner: &Owner, prefix: &str) -> Result<u64, sqlx::Error> {
    const LOCK: &str = "SELECT count(*) FROM (
        SELECT FROM scheduler.timer WHERE tenant_id = $1 AND owner = $2 AND key >= $3 AND key < $4
        ORDER BY key LIMIT $5 FOR UPDATE) t";
    const DELETE: &str = "DELETE FROM scheduler.timer WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM scheduler.timer WHERE tenant_id = $1 AND owner = $2 AND key >= $3 AND key < $4
        ORDER BY key LIMIT $5 FOR UPDATE))";
    let (tenant, behind, mut cancelled) = (tx.tenant().uuid(), Key::behind(prefix), 0);
    // Locked first, as in `cancel`. What was made since then is nobody else's yet.
    for statement in [LOCK, DELETE] {
        let query = sqlx::query(statement).bind(tenant).bind(owner.as_str()).bind(prefix);
        cancelled = query.bind(&behind).bind(MOST_CANCELLED).execute(&mut **tx).await?.rows_affected();
    }
    Ok(cancelled)
}

/// The owner's timers whose keys begin so, by key, 1,000 at most, locked until the transaction ends.
pub(crate) async fn standing(tx: &mut TenantTx, owner: &Owner, prefix: &str) -> Result<Vec<Timer>, sqlx::Error> {
    let rows: Vec<Columns> = sqlx::query_as(
        "SELECT owner, key, generation, due, policy, late_seconds, merge_key FROM scheduler.timer
         WHERE tenant_id = $1 AND owner = $2 AND key >= $3 AND key < $4 ORDER BY key LIMIT $5 FOR UPDATE",
    )
    .bind(tx.tenant().uuid())
    .bind(owner.as_str())
    .bind(prefix)
    .bind(Key::behind(prefix))
    .bind(MOST_STANDING)
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(row::timer).collect()
}

/// A timer.
pub(crate) async fn find(tx: &mut TenantTx, owner: &Owner, key: &Key) -> Result<Option<Timer>, sqlx::Error> {
    let row: Option<Columns> = sqlx::query_as(
        "SELECT owner, key, generation, due, policy, late_seconds, merge_key FROM scheduler.timer
         WHERE tenant_id = $1 AND owner = $2 AND key = $3",
    )
    .bind(tx.tenant().uuid())
    .bind(owner.as_str())
    .bind(key.as_str())
    .fetch_optional(&mut **tx)
    .await?;
    row.map(row::timer).transpose()
}

/// The same, locked until the transaction ends.
pub(crate) async fn lock(tx: &mut TenantTx, owner: &Owner, key: &Key) -> Result<Option<Timer>, sqlx::Error> {
    let row: Option<Columns> = sqlx::query_as(
        "SELECT owner, key, generation, due, policy, late_seconds, merge_key FROM scheduler.timer
         WHERE tenant_id = $1 AND owner = $2 AND key = $3 FOR UPDATE",
    )
    .bind(tx.tenant().uuid())
    .bind(owner.as_str())
    .bind(key.as_str())
    .fetch_optional(&mut **tx)
    .await?;
    row.map(row::timer).transpose()
}

/// At most `size` of the owner's timers whose keys begin so, by key, behind `after`.
pub(crate) async fn list(
    tx: &mut TenantTx,
    owner: &Owner,
    prefix: &str,
    after: Option<&Key>,
    size: i64,
) -> Result<Vec<Timer>, sqlx::Error> {
    let rows: Vec<Columns> = sqlx::query_as(
        "SELECT owner, key, generation, due, policy, late_seconds, merge_key FROM scheduler.timer
         WHERE tenant_id = $1 AND owner = $2 AND key >= $3 AND key < $4 AND key > $5 ORDER BY key LIMIT $6",
    )
    .bind(tx.tenant().uuid())
    .bind(owner.as_str())
    .bind(prefix)
    .bind(Key::behind(prefix))
    .bind(after.map(Key::as_str).unwrap_or_default())
    .bind(size)
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(row::timer).collect()
}
