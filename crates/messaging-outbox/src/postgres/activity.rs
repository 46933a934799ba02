//! The replica of reservations, of which customers are reminded (F-107). The highest version wins.

use std::collections::HashMap;

use chassis::postgres::TenantTx;
use contracts::events::v1::ActivityReplica;
use kernel::{ActivityId, CustomerId, Timestamp};
use messaging_outbox_core::reminder::Reservation;
use uuid::Uuid;

use super::replica::text;

/// Keeps a reservation, unless it is known as it is now; whether it was not. `activity` and `customer` are the replica's IDs, parsed.
pub(crate) async fn put(
    tx: &mut TenantTx,
    activity: ActivityId,
    customer: CustomerId,
    replica: &ActivityReplica,
) -> Result<bool, sqlx::Error> {
    let put = sqlx::query(
        "INSERT INTO messaging.activity_replica AS a (tenant_id, activity_id, version, customer_id, state, start_time)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (tenant_id, activity_id) DO UPDATE
         SET version = excluded.version, customer_id = excluded.customer_id, state = excluded.state,
             start_time = excluded.start_time, heard_at = now()
         WHERE a.version < excluded.version",
    )
    .bind(tx.tenant().uuid())
    .bind(activity.uuid())
    .bind(replica.version)
    .bind(customer.uuid())
    .bind(text(&replica.state))
    .bind(replica.start_time.as_ref().and_then(contracts::to_timestamp))
    .execute(&mut **tx)
    .await?;
    Ok(put.rows_affected() > 0)
}

/// Reads those of `activities` that are known, each with its customer, in this order. They stay as they are until the transaction ends:
/// whoever changes one finds what was made of it.
pub(crate) async fn read(
    tx: &mut TenantTx,
    activities: &[Uuid],
) -> Result<HashMap<ActivityId, (CustomerId, Reservation)>, sqlx::Error> {
    let rows: Vec<(Uuid, Uuid, String, Option<Timestamp>, i64)> = sqlx::query_as(
        "SELECT a.activity_id, a.customer_id, a.state, a.start_time, a.version
         FROM unnest($2::uuid[]) AS k (activity_id)
         CROSS JOIN LATERAL (
             SELECT activity_id, customer_id, state, start_time, version FROM messaging.activity_replica
             WHERE tenant_id = $1 AND activity_id = k.activity_id LIMIT 1 FOR SHARE) a",
    )
    .bind(tx.tenant().uuid())
    .bind(activities)
    .fetch_all(&mut **tx)
    .await?;
    let reservation = |(activity, customer, state, start, version): (Uuid, Uuid, String, Option<Timestamp>, i64)| {
        (activity.into(), (customer.into(), Reservation { active: state == "ACTIVE", start, version }))
    };
    Ok(rows.into_iter().map(reservation).collect())
}
