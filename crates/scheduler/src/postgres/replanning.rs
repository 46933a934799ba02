//! Tenants whose reservations are to be planned anew, and how far that has gone.

use std::time::Duration;

use chassis::postgres::{Database, TenantTx};
use kernel::{ActivityId, TenantId, Timestamp};
use uuid::Uuid;

/// The place of a reservation: its start and its ID.
pub(crate) type Place = (Timestamp, ActivityId);

/// Has the reservations of the transaction's tenant that begin after `start` planned anew, from the first one on.
pub(crate) async fn want(tx: &mut TenantTx, start: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO scheduler.replanning AS r (tenant_id, after_start, after_activity) VALUES ($1, $2, $3)
         ON CONFLICT (tenant_id) DO UPDATE
         SET after_start = excluded.after_start, after_activity = excluded.after_activity, due = now()",
    )
    .bind(tx.tenant().uuid())
    .bind(start)
    .bind(Uuid::nil())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Tenants with something to be planned anew, behind the place of the last one seen, at most so many.
pub(crate) async fn due(
    database: &Database,
    after: (Timestamp, Uuid),
    most: i64,
) -> Result<Vec<(Timestamp, TenantId)>, sqlx::Error> {
    let rows: Vec<(Timestamp, Uuid)> = sqlx::query_as(
        "SELECT due, tenant_id FROM scheduler.replanning WHERE due <= now() AND (due, tenant_id) > ($1, $2)
         ORDER BY due, tenant_id LIMIT $3",
    )
    .bind(after.0)
    .bind(after.1)
    .bind(most)
    .fetch_all(database.worker())
    .await?;
    Ok(rows.into_iter().map(|(due, tenant)| (due, tenant.into())).collect())
}

/// Behind which reservation to go on for the transaction's tenant, unless another does.
pub(crate) async fn lock(tx: &mut TenantTx) -> Result<Option<Place>, sqlx::Error> {
    let row: Option<(Timestamp, Uuid)> = sqlx::query_as(
        "SELECT after_start, after_activity FROM scheduler.replanning
         WHERE tenant_id = $1 AND due <= now() FOR UPDATE SKIP LOCKED",
    )
    .bind(tx.tenant().uuid())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|(start, activity)| (start, activity.into())))
}

/// Notes how far it has gone; none: to the end. It is locked.
pub(crate) async fn settle(tx: &mut TenantTx, place: Option<Place>) -> Result<(), sqlx::Error> {
    let tenant = tx.tenant().uuid();
    let query = match place {
        Some((start, activity)) => {
            let text = "UPDATE scheduler.replanning SET after_start = $2, after_activity = $3, due = now() WHERE tenant_id = $1";
            sqlx::query(text).bind(tenant).bind(start).bind(activity.uuid())
        }
        None => sqlx::query("DELETE FROM scheduler.replanning WHERE tenant_id = $1").bind(tenant),
    };
    query.execute(&mut **tx).await?;
    Ok(())
}

/// Puts it off, after something about this tenant went wrong.
pub(crate) async fn put_off(tx: &mut TenantTx, wait: Duration) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE scheduler.replanning SET due = now() + make_interval(secs => $2) WHERE tenant_id = $1")
        .bind(tx.tenant().uuid())
        .bind(wait.as_secs_f64())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// For how many seconds the oldest job has been due, over all tenants; 0 where none is.
pub(crate) async fn overdue(database: &Database) -> Result<f64, sqlx::Error> {
    let text = "SELECT greatest(0, coalesce(extract(epoch FROM now() - (
        SELECT min(due) FROM scheduler.replanning)), 0))::float8";
    sqlx::query_scalar(text).fetch_one(database.worker()).await
}
