//! Reservations, as identity-linking says they are.

use chassis::postgres::{Database, TenantTx};
use kernel::{ActivityId, Timestamp};
use scheduler_core::reminder::Reservation;
use uuid::Uuid;

/// How long a reservation is remembered after it began and after it was heard of, in days: longer than any event comes again.
const KEPT_DAYS: i32 = 60;
/// Rows removed in one statement.
const BATCH: i64 = 2_000;

/// Keeps a reservation, unless a newer version of it is kept; whether it was.
pub(crate) async fn put(tx: &mut TenantTx, version: i64, reservation: &Reservation) -> Result<bool, sqlx::Error> {
    let put = sqlx::query(
        "INSERT INTO scheduler.reservation AS r (tenant_id, activity_id, version, active, start_time)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant_id, activity_id) DO UPDATE
         SET version = excluded.version, active = excluded.active, start_time = excluded.start_time, heard_at = now()
         WHERE r.version < excluded.version",
    )
    .bind(tx.tenant().uuid())
    .bind(reservation.activity.uuid())
    .bind(version)
    .bind(reservation.active)
    .bind(reservation.start)
    .execute(&mut **tx)
    .await?;
    Ok(put.rows_affected() > 0)
}

/// The active reservations behind the place of the last one seen, by start and ID, at most so many.
pub(crate) async fn ahead(
    tx: &mut TenantTx,
    after: (Timestamp, ActivityId),
    most: i64,
) -> Result<Vec<(Timestamp, ActivityId)>, sqlx::Error> {
    let rows: Vec<(Timestamp, Uuid)> = sqlx::query_as(
        "SELECT start_time, activity_id FROM scheduler.reservation
         WHERE tenant_id = $1 AND active AND (start_time, activity_id) > ($2, $3)
         ORDER BY start_time, activity_id LIMIT $4",
    )
    .bind(tx.tenant().uuid())
    .bind(after.0)
    .bind(after.1.uuid())
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|(start, activity)| (start, activity.into())).collect())
}

/// These reservations as they stand, locked until the transaction ends, in the order in which events of several lock them.
pub(crate) async fn lock(tx: &mut TenantTx, activities: &[Uuid]) -> Result<Vec<Reservation>, sqlx::Error> {
    let rows: Vec<(Uuid, bool, Timestamp)> = sqlx::query_as(
        "SELECT activity_id, active, start_time FROM scheduler.reservation
         WHERE tenant_id = $1 AND activity_id = ANY ($2) ORDER BY activity_id FOR UPDATE",
    )
    .bind(tx.tenant().uuid())
    .bind(activities)
    .fetch_all(&mut **tx)
    .await?;
    let reservation =
        |(activity, active, start): (Uuid, _, _)| Reservation { activity: activity.into(), active, start };
    Ok(rows.into_iter().map(reservation).collect())
}

/// Forgets some that began long ago, whatever became of them: nobody is reminded of them any more. Whether there may be more.
pub(crate) async fn prune(database: &Database) -> Result<bool, sqlx::Error> {
    // The times once more beside the key: one that is heard of at this moment stays.
    let pruned = sqlx::query(
        "DELETE FROM scheduler.reservation r USING (
             SELECT tenant_id, activity_id FROM scheduler.reservation
             WHERE start_time < now() - make_interval(days => $1) AND heard_at < now() - make_interval(days => $1)
             ORDER BY start_time LIMIT $2) old
         WHERE (r.tenant_id, r.activity_id) = (old.tenant_id, old.activity_id)
             AND r.start_time < now() - make_interval(days => $1) AND r.heard_at < now() - make_interval(days => $1)",
    )
    .bind(KEPT_DAYS)
    .bind(BATCH)
    .execute(database.worker())
    .await?;
    Ok(pruned.rows_affected() > 0)
}
