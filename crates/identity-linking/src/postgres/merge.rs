//! Customers that absorbed others.

use chassis::postgres::TenantTx;
use identity_linking_core::Line;
use identity_linking_core::link::Note;
use kernel::{CustomerId, LinkAttemptId, LinkId, MergeId, Timestamp};
use sqlx::postgres::PgRow;

use super::row::{self, Position};

/// A merge as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct StoredMerge {
    pub(crate) id: MergeId,
    pub(crate) survivor: CustomerId,
    pub(crate) absorbed: CustomerId,
    pub(crate) attempt: LinkAttemptId,
    /// The absorbed one's link, which ended.
    pub(crate) ended_link: LinkId,
    /// The survivor's link, which took its place.
    pub(crate) new_link: LinkId,
    pub(crate) create_time: Timestamp,
    pub(crate) undo_time: Option<Timestamp>,
    pub(crate) note: Option<Note>,
}

fn stored(row: &PgRow) -> Result<StoredMerge, sqlx::Error> {
    Ok(StoredMerge {
        id: row::id(row, "merge_id")?,
        survivor: row::id(row, "survivor_id")?,
        absorbed: row::id(row, "absorbed_id")?,
        attempt: row::id(row, "link_attempt_id")?,
        ended_link: row::id(row, "ended_link_id")?,
        new_link: row::id(row, "new_link_id")?,
        create_time: row::get(row, "create_time")?,
        undo_time: row::get(row, "undo_time")?,
        note: row::read(row, "note", Line::optional)?,
    })
}

/// Adds a merge.
pub(crate) async fn insert(tx: &mut TenantTx, merge: &StoredMerge) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO identity.merge
             (tenant_id, merge_id, survivor_id, absorbed_id, link_attempt_id, ended_link_id, new_link_id, create_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(tx.tenant().uuid())
    .bind(merge.id.uuid())
    .bind(merge.survivor.uuid())
    .bind(merge.absorbed.uuid())
    .bind(merge.attempt.uuid())
    .bind(merge.ended_link.uuid())
    .bind(merge.new_link.uuid())
    .bind(merge.create_time)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Notes that a merge was undone.
pub(crate) async fn undo(tx: &mut TenantTx, merge: &StoredMerge) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE identity.merge SET undo_time = $3, note = $4 WHERE tenant_id = $1 AND merge_id = $2")
        .bind(tx.tenant().uuid())
        .bind(merge.id.uuid())
        .bind(merge.undo_time)
        .bind(merge.note.as_ref().map(Line::as_str))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// A merge.
pub(crate) async fn find(tx: &mut TenantTx, id: MergeId) -> Result<Option<StoredMerge>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM identity.merge WHERE tenant_id = $1 AND merge_id = $2")
        .bind(tx.tenant().uuid())
        .bind(id.uuid())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(stored).transpose()
}

/// At most `size` merges, latest first, behind `after`.
pub(crate) async fn list(
    tx: &mut TenantTx,
    customer: Option<CustomerId>,
    after: Option<Position>,
    size: i64,
) -> Result<Vec<StoredMerge>, sqlx::Error> {
    let (time, behind) = after.unzip();
    // Two texts, for a customer is found by either side of a merge, and each has an index.
    let rows = sqlx::query(match customer {
        Some(_) => {
            "SELECT * FROM (
                 SELECT * FROM identity.merge WHERE tenant_id = $1 AND survivor_id = $2
                 UNION ALL
                 SELECT * FROM identity.merge WHERE tenant_id = $1 AND absorbed_id = $2) m
             WHERE (create_time, merge_id) < (coalesce($3::timestamptz, 'infinity'), $4)
             ORDER BY create_time DESC, merge_id DESC LIMIT $5"
        }
        None => {
            "SELECT * FROM identity.merge
             WHERE tenant_id = $1 AND $2::uuid IS NULL
                 AND (create_time, merge_id) < (coalesce($3::timestamptz, 'infinity'), $4)
             ORDER BY create_time DESC, merge_id DESC LIMIT $5"
        }
    })
    .bind(tx.tenant().uuid())
    .bind(customer.map(CustomerId::uuid))
    .bind(time)
    .bind(behind)
    .bind(size)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(stored).collect()
}
