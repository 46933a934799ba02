//! Activities that came with a submission: on whom they were laid then, and by whom. One that was moved since counts no more.

use chassis::postgres::TenantTx;
use identity_linking_core::link::Telling;
use identity_linking_core::matching::Submitted;
use kernel::{ActivityId, CustomerId, FriendId};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::row;

/// Most own records of one LINE user that are looked at.
const MOST_OWN: i64 = 20;

/// How an activity came, as it is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredSubmitted {
    /// On whom it was laid, and with whose form token it came.
    pub(crate) came: Submitted,
    /// What LINE said of who came.
    pub(crate) telling: Telling,
}

fn stored(row: &PgRow) -> Result<StoredSubmitted, sqlx::Error> {
    Ok(StoredSubmitted {
        came: Submitted {
            customer: row::id(row, "customer_id")?,
            by: row::optional_id(row, "friend_id")?,
            own: row::get(row, "own")?,
        },
        telling: row::word(row, "telling", Telling::named)?,
    })
}

/// Notes how an activity came.
pub(crate) async fn insert(tx: &mut TenantTx, activity: ActivityId, came: Submitted) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO identity.submitted_activity (tenant_id, activity_id, customer_id, friend_id, own, telling)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(tx.tenant().uuid())
    .bind(activity.uuid())
    .bind(came.customer.uuid())
    .bind(came.by.map(FriendId::uuid))
    .bind(came.own)
    .bind(Telling::Waiting.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// How an activity came; none where it came otherwise, or was moved.
pub(crate) async fn find(tx: &mut TenantTx, activity: ActivityId) -> Result<Option<StoredSubmitted>, sqlx::Error> {
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

/// Keeps what LINE said of who came. The LINE user with whose form token it came is locked.
pub(crate) async fn keep_telling(tx: &mut TenantTx, activity: ActivityId, telling: Telling) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE identity.submitted_activity SET telling = $3 WHERE tenant_id = $1 AND activity_id = $2")
        .bind(tx.tenant().uuid())
        .bind(activity.uuid())
        .bind(telling.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Who told what was submitted and is on a customer's record: each once, with whose form token and what LINE said of it.
pub(crate) async fn tellings(
    tx: &mut TenantTx,
    customer: CustomerId,
) -> Result<Vec<(Option<FriendId>, Telling)>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT DISTINCT s.friend_id, s.telling FROM identity.submitted_activity s
         JOIN identity.activity a ON a.tenant_id = $1 AND a.activity_id = s.activity_id AND a.customer_id = s.customer_id
         WHERE s.tenant_id = $1 AND s.customer_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(customer.uuid())
    .fetch_all(&mut **tx)
    .await?;
    rows.iter()
        .map(|row| Ok((row::optional_id(row, "friend_id")?, row::word(row, "telling", Telling::named)?)))
        .collect()
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
