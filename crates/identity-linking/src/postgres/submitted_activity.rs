//! Activities that came with a submission: on whom they were laid then, and by whom. One that was moved since counts no more.

use chassis::postgres::TenantTx;
use identity_linking_core::matching::Submitted;
use kernel::{ActivityId, CustomerId, FriendId};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::row;

/// Most own records of one LINE user that are looked at.
const MOST_OWN: i64 = 20;

fn stored(row: &PgRow) -> Result<Submitted, sqlx::Error> {
    Ok(Submitted {
        customer: row::id(row, "customer_id")?,
        by: row::optional_id(row, "friend_id")?,
        own: row::get(row, "own")?,
    })
}

/// Notes how an activity came.
pub(crate) async fn insert(tx: &mut TenantTx, activity: ActivityId, came: Submitted) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO identity.submitted_activity (tenant_id, activity_id, customer_id, friend_id, own)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(tx.tenant().uuid())
    .bind(activity.uuid())
    .bind(came.customer.uuid())
    .bind(came.by.map(FriendId::uuid))
    .bind(came.own)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// How an activity came; none where it came otherwise, or was moved.
pub(crate) async fn find(tx: &mut TenantTx, activity: ActivityId) -> Result<Option<Submitted>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT s.* FROM identity.submitted_activity s
         JOIN identity.activity a ON a.tenant_id = $1 AND a.activity_id = s.activity_id AND a.customer_id = s.customer_id
         WHERE s.tenant_id = $1 AND s.activity_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(activity.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(stored).transpose()
}

/// The own records of a LINE user that nobody is linked to, those made first first.
pub(crate) async fn own_records(tx: &mut TenantTx, friend: FriendId) -> Result<Vec<CustomerId>, sqlx::Error> {
    let rows: Vec<Uuid> = sqlx::query_scalar(
        "SELECT DISTINCT s.customer_id FROM identity.submitted_activity s
         JOIN identity.activity a ON a.tenant_id = $1 AND a.activity_id = s.activity_id AND a.customer_id = s.customer_id
         WHERE s.tenant_id = $1 AND s.friend_id = $2 AND s.own AND NOT EXISTS (
             SELECT FROM identity.link l WHERE l.tenant_id = $1 AND l.customer_id = s.customer_id AND l.end_time IS NULL)
         ORDER BY s.customer_id LIMIT $3",
    )
    .bind(tx.tenant().uuid())
    .bind(friend.uuid())
    .bind(MOST_OWN)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(CustomerId::from).collect())
}
