//! Slots of digests that have passed.

use chassis::postgres::TenantTx;
use chrono::NaiveDateTime;
use kernel::Timestamp;
use scheduler_core::slot::{Fate, Outcome};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::damaged;

/// How long a slot is remembered.
const KEPT_DAYS: i32 = 400;

/// A slot that has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PassedSlot {
    /// Its moment.
    pub(crate) moment: Timestamp,
    /// What the wall clock showed then.
    pub(crate) local: NaiveDateTime,
    /// What became of it.
    pub(crate) fate: Fate,
    /// When that was decided.
    pub(crate) record_time: Timestamp,
    /// How many right before it had the same fate and are not kept.
    pub(crate) unlisted_before: i32,
}

fn read(row: &PgRow) -> Result<PassedSlot, sqlx::Error> {
    Ok(PassedSlot {
        moment: row.try_get("slot_time")?,
        local: row.try_get("local_time")?,
        fate: Fate::from_code(row.try_get("state")?).ok_or_else(|| damaged("state", "no fate has this number"))?,
        record_time: row.try_get("record_time")?,
        unlisted_before: row.try_get("unlisted_before")?,
    })
}

/// Records what became of slots, decided at `now`, and forgets those of long ago.
pub(crate) async fn record(tx: &mut TenantTx, outcome: &Outcome, now: Timestamp) -> Result<(), sqlx::Error> {
    if outcome.fates.is_empty() {
        return Ok(());
    }
    let slots = || outcome.fates.iter().map(|(slot, _)| slot);
    sqlx::query(
        "WITH forgotten AS (
             DELETE FROM scheduler.digest_slot WHERE tenant_id = $1 AND slot_time < $5 - make_interval(days => $7)
         ) INSERT INTO scheduler.digest_slot (tenant_id, slot_time, local_time, state, record_time, unlisted_before)
         SELECT $1, slot_time, local_time, state, $5, CASE WHEN place = 1 THEN $6 ELSE 0 END
         FROM unnest($2::timestamptz[], $3::timestamp[], $4::smallint[])
             WITH ORDINALITY AS s (slot_time, local_time, state, place)",
    )
    .bind(tx.tenant().uuid())
    .bind(slots().map(|slot| slot.moment).collect::<Vec<_>>())
    .bind(slots().map(|slot| slot.local).collect::<Vec<_>>())
    .bind(outcome.fates.iter().map(|(_, fate)| fate.code()).collect::<Vec<_>>())
    .bind(now)
    .bind(i32::try_from(outcome.unnamed).unwrap_or(i32::MAX))
    .bind(KEPT_DAYS)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Slots of the transaction's tenant that have passed, the latest first: of one fate or of all, before a moment.
pub(crate) async fn list(
    tx: &mut TenantTx,
    fate: Option<Fate>,
    before: Option<Timestamp>,
    rows: i64,
) -> Result<Vec<PassedSlot>, sqlx::Error> {
    let found = sqlx::query(
        "SELECT * FROM scheduler.digest_slot
         WHERE tenant_id = $1 AND ($2::smallint IS NULL OR state = $2) AND slot_time < coalesce($3, 'infinity')
         ORDER BY slot_time DESC LIMIT $4",
    )
    .bind(tx.tenant().uuid())
    .bind(fate.map(Fate::code))
    .bind(before)
    .bind(rows)
    .fetch_all(&mut **tx)
    .await?;
    found.iter().map(read).collect()
}
