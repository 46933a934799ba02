//! Timers that were not said, and why.

use chassis::postgres::{Database, TenantTx};
use kernel::Timestamp;
use scheduler_core::fire::{Miss, Taken};
use scheduler_core::{Key, Owner};
use sqlx::PgConnection;
use uuid::Uuid;

use super::row;

/// How long they are kept, in days.
const KEPT_DAYS: i32 = 30;
/// Rows removed in one statement.
const BATCH: i64 = 2_000;

/// A timer that was not said.
#[derive(Clone, Debug)]
pub(crate) struct Missed {
    /// Its place in the list.
    pub(crate) sequence: i64,
    /// Its key.
    pub(crate) key: Key,
    /// Which of its versions.
    pub(crate) generation: i64,
    /// The moment it was for.
    pub(crate) due: Timestamp,
    /// Why.
    pub(crate) reason: Miss,
    /// When that was found.
    pub(crate) found_at: Timestamp,
}

/// Records what was missed, over all tenants, as the worker role.
pub(crate) async fn record(tx: &mut PgConnection, missed: &[(Taken, Miss)]) -> Result<(), sqlx::Error> {
    if missed.is_empty() {
        return Ok(());
    }
    let timers = || missed.iter().map(|(taken, _)| &taken.timer);
    sqlx::query(
        "INSERT INTO scheduler.missed_timer (tenant_id, owner, key, generation, due, reason)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int8[], $5::timestamptz[], $6::int2[])",
    )
    .bind(missed.iter().map(|(taken, _)| taken.tenant.uuid()).collect::<Vec<Uuid>>())
    .bind(timers().map(|timer| timer.owner.as_str()).collect::<Vec<_>>())
    .bind(timers().map(|timer| timer.key.as_str()).collect::<Vec<_>>())
    .bind(timers().map(|timer| timer.generation).collect::<Vec<_>>())
    .bind(timers().map(|timer| timer.due).collect::<Vec<_>>())
    .bind(missed.iter().map(|(_, miss)| miss.code()).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

/// At most `size` of the owner's, latest first, before `before`.
pub(crate) async fn list(
    tx: &mut TenantTx,
    owner: &Owner,
    before: Option<i64>,
    size: i64,
) -> Result<Vec<Missed>, sqlx::Error> {
    let rows: Vec<(i64, String, i64, Timestamp, i16, Timestamp)> = sqlx::query_as(
        "SELECT sequence, key, generation, due, reason, missed_at FROM scheduler.missed_timer
         WHERE tenant_id = $1 AND owner = $2 AND sequence < $3 ORDER BY sequence DESC LIMIT $4",
    )
    .bind(tx.tenant().uuid())
    .bind(owner.as_str())
    .bind(before.unwrap_or(i64::MAX))
    .bind(size)
    .fetch_all(&mut **tx)
    .await?;
    let missed = |(sequence, key, generation, due, reason, found_at): (i64, String, i64, Timestamp, i16, Timestamp)| {
        Ok(Missed {
            sequence,
            key: row::key(&key)?,
            generation,
            due,
            reason: Miss::from_code(reason).ok_or_else(|| row::damaged("reason"))?,
            found_at,
        })
    };
    rows.into_iter().map(missed).collect()
}

/// Removes some whose time is over. Whether there may be more.
pub(crate) async fn prune(database: &Database) -> Result<bool, sqlx::Error> {
    let pruned = sqlx::query(
        "DELETE FROM scheduler.missed_timer WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM scheduler.missed_timer WHERE missed_at < now() - make_interval(days => $1) LIMIT $2))",
    )
    .bind(KEPT_DAYS)
    .bind(BATCH)
    .execute(database.worker())
    .await?;
    Ok(pruned.rows_affected() > 0)
}
