//! Activities.

use chassis::postgres::TenantTx;
use identity_linking_core::activity::{Activity, ActivityKind, ActivityState};
use identity_linking_core::{ExternalReference, Line};
use kernel::{ActivityId, CustomerId, OrganizationId};
use sqlx::postgres::PgRow;

use super::key_lock;
use super::row::{self, Position};

/// An activity as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct StoredActivity {
    /// The ID.
    pub(crate) id: ActivityId,
    /// Rises with every change, from 1.
    pub(crate) version: i64,
    /// The value.
    pub(crate) value: Activity,
}

fn stored(row: &PgRow) -> Result<StoredActivity, sqlx::Error> {
    Ok(StoredActivity {
        id: row::id(row, "activity_id")?,
        version: row::get(row, "version")?,
        value: Activity {
            customer: row::id(row, "customer_id")?,
            kind: row::word(row, "kind", ActivityKind::named)?,
            external_reference: row::read(row, "external_reference", Line::parse)?,
            state: row::word(row, "state", ActivityState::named)?,
            title: row::read(row, "title", Line::optional)?,
            start: row::get(row, "start_time")?,
            end: row::get(row, "end_time")?,
            organization: row::optional_id(row, "organization_id")?,
        },
    })
}

/// Keeps an activity whose kind and reference are not kept yet; whether that was so.
pub(crate) async fn insert_if_new(tx: &mut TenantTx, activity: &StoredActivity) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query(
        "INSERT INTO identity.activity
             (tenant_id, activity_id, version, customer_id, kind, external_reference, state, title, start_time, end_time,
              organization_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (tenant_id, kind, external_reference) DO NOTHING",
    )
    .bind(tx.tenant().uuid())
    .bind(activity.id.uuid())
    .bind(activity.version)
    .bind(activity.value.customer.uuid())
    .bind(activity.value.kind.as_str())
    .bind(activity.value.external_reference.as_str())
    .bind(activity.value.state.as_str())
    .bind(activity.value.title.as_ref().map(Line::as_str))
    .bind(activity.value.start)
    .bind(activity.value.end)
    .bind(activity.value.organization.map(OrganizationId::uuid))
    .execute(&mut **tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Keeps an activity's new version. Kind and reference never change.
pub(crate) async fn update(tx: &mut TenantTx, activity: &StoredActivity) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE identity.activity
         SET version = $3, customer_id = $4, state = $5, title = $6, start_time = $7, end_time = $8, organization_id = $9
         WHERE tenant_id = $1 AND activity_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(activity.id.uuid())
    .bind(activity.version)
    .bind(activity.value.customer.uuid())
    .bind(activity.value.state.as_str())
    .bind(activity.value.title.as_ref().map(Line::as_str))
    .bind(activity.value.start)
    .bind(activity.value.end)
    .bind(activity.value.organization.map(OrganizationId::uuid))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// An activity, by ID.
pub(crate) async fn find(tx: &mut TenantTx, id: ActivityId) -> Result<Option<StoredActivity>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM identity.activity WHERE tenant_id = $1 AND activity_id = $2")
        .bind(tx.tenant().uuid())
        .bind(id.uuid())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(stored).transpose()
}

/// Waits for whoever submits an activity of the same kind and reference. Held until the transaction ends.
pub(crate) async fn lock_reference(
    tx: &mut TenantTx,
    kind: ActivityKind,
    reference: &ExternalReference,
) -> Result<(), sqlx::Error> {
    let key = format!("{}/activity/{}/{}", tx.tenant(), kind.as_str(), reference.as_str());
    key_lock::take(tx, vec![key]).await
}

/// An activity, by kind and reference.
pub(crate) async fn find_by_reference(
    tx: &mut TenantTx,
    kind: ActivityKind,
    reference: &ExternalReference,
) -> Result<Option<StoredActivity>, sqlx::Error> {
    let row =
        sqlx::query("SELECT * FROM identity.activity WHERE tenant_id = $1 AND kind = $2 AND external_reference = $3")
            .bind(tx.tenant().uuid())
            .bind(kind.as_str())
            .bind(reference.as_str())
            .fetch_optional(&mut **tx)
            .await?;
    row.as_ref().map(stored).transpose()
}

/// The same, locked until the transaction ends.
pub(crate) async fn lock_by_reference(
    tx: &mut TenantTx,
    kind: ActivityKind,
    reference: &ExternalReference,
) -> Result<Option<StoredActivity>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT * FROM identity.activity WHERE tenant_id = $1 AND kind = $2 AND external_reference = $3 FOR NO KEY UPDATE",
    )
    .bind(tx.tenant().uuid())
    .bind(kind.as_str())
    .bind(reference.as_str())
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(stored).transpose()
}

/// At most `size` activities of a customer, latest start first, behind `after`.
pub(crate) async fn list(
    tx: &mut TenantTx,
    customer: CustomerId,
    after: Option<Position>,
    size: i64,
) -> Result<Vec<StoredActivity>, sqlx::Error> {
    let (time, id) = after.unzip();
    let rows = sqlx::query(
        "SELECT * FROM identity.activity
         WHERE tenant_id = $1 AND customer_id = $2
             AND (start_time, activity_id) < (coalesce($3::timestamptz, 'infinity'), $4)
         ORDER BY start_time DESC, activity_id DESC LIMIT $5",
    )
    .bind(tx.tenant().uuid())
    .bind(customer.uuid())
    .bind(time)
    .bind(id)
    .bind(size)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(stored).collect()
}

/// At most `size` activities of all customers behind `after`, by ID.
pub(crate) async fn list_by_id(
    tx: &mut TenantTx,
    after: Option<ActivityId>,
    size: i64,
) -> Result<Vec<StoredActivity>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT * FROM identity.activity WHERE tenant_id = $1 AND activity_id > coalesce($2::uuid, '00000000-0000-0000-0000-000000000000')
         ORDER BY activity_id LIMIT $3",
    )
    .bind(tx.tenant().uuid())
    .bind(after.map(ActivityId::uuid))
    .bind(size)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(stored).collect()
}
