//! Invitations of staff to LINE, by the hashes of their codes. Whoever changes one holds its staff member's row.

use chassis::postgres::{Database, TenantTx};
use identity_linking_core::staff::{Invitation, InvitationCode};
use kernel::{StaffId, StaffInvitationId, Timestamp};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::row::{self, Position};

/// An invitation as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct StoredInvitation {
    /// The ID.
    pub(crate) id: StaffInvitationId,
    /// When it was made.
    pub(crate) create_time: Timestamp,
    /// The invitation.
    pub(crate) value: Invitation,
}

fn invitation(row: &PgRow) -> Result<StoredInvitation, sqlx::Error> {
    Ok(StoredInvitation {
        id: row::id(row, "staff_invitation_id")?,
        create_time: row::get(row, "create_time")?,
        value: Invitation {
            staff: row::id(row, "staff_id")?,
            expire_time: row::get(row, "expire_time")?,
            use_time: row::get(row, "use_time")?,
            revoke_time: row::get(row, "revoke_time")?,
        },
    })
}

/// Keeps an invitation that is made.
pub(crate) async fn insert(
    tx: &mut TenantTx,
    stored: &StoredInvitation,
    code: &InvitationCode,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO identity.staff_invitation
             (tenant_id, staff_invitation_id, staff_id, hash, create_time, expire_time)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(tx.tenant().uuid())
    .bind(stored.id.uuid())
    .bind(stored.value.staff.uuid())
    .bind(code.hash().as_slice())
    .bind(stored.create_time)
    .bind(stored.value.expire_time)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The invitation with a code.
pub(crate) async fn with_code(
    tx: &mut TenantTx,
    code: &InvitationCode,
) -> Result<Option<StoredInvitation>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM identity.staff_invitation WHERE tenant_id = $1 AND hash = $2")
        .bind(tx.tenant().uuid())
        .bind(code.hash().as_slice())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(invitation).transpose()
}

/// An invitation.
pub(crate) async fn find(tx: &mut TenantTx, id: StaffInvitationId) -> Result<Option<StoredInvitation>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM identity.staff_invitation WHERE tenant_id = $1 AND staff_invitation_id = $2")
        .bind(tx.tenant().uuid())
        .bind(id.uuid())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(invitation).transpose()
}

/// Keeps how an invitation ended.
pub(crate) async fn update(tx: &mut TenantTx, stored: &StoredInvitation) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE identity.staff_invitation SET use_time = $3, revoke_time = $4
         WHERE tenant_id = $1 AND staff_invitation_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(stored.id.uuid())
    .bind(stored.value.use_time)
    .bind(stored.value.revoke_time)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A member's invitations that nobody was bound by and nobody took back, old ones too.
pub(crate) async fn unended(tx: &mut TenantTx, staff: StaffId) -> Result<Vec<StoredInvitation>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT * FROM identity.staff_invitation
         WHERE tenant_id = $1 AND staff_id = $2 AND use_time IS NULL AND revoke_time IS NULL
         ORDER BY create_time DESC, staff_invitation_id DESC",
    )
    .bind(tx.tenant().uuid())
    .bind(staff.uuid())
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(invitation).collect()
}

/// Takes back whatever invitations of the tenant are open at `now`; how many.
pub(crate) async fn revoke_all(tx: &mut TenantTx, now: Timestamp) -> Result<u64, sqlx::Error> {
    let revoked = sqlx::query(
        "UPDATE identity.staff_invitation SET revoke_time = $2
         WHERE tenant_id = $1 AND use_time IS NULL AND revoke_time IS NULL AND expire_time > $2",
    )
    .bind(tx.tenant().uuid())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(revoked.rows_affected())
}

/// At most `size` invitations, of one member or of all, the latest first, behind `after`.
pub(crate) async fn list(
    tx: &mut TenantTx,
    of: Option<StaffId>,
    after: Option<Position>,
    size: i64,
) -> Result<Vec<StoredInvitation>, sqlx::Error> {
    let (time, id) = after.unzip();
    // Each along its own index.
    let query = match of {
        Some(_) => {
            "SELECT * FROM identity.staff_invitation
             WHERE tenant_id = $1 AND staff_id = $5
                 AND (create_time, staff_invitation_id) < (coalesce($2::timestamptz, 'infinity'), $3)
             ORDER BY create_time DESC, staff_invitation_id DESC LIMIT $4"
        }
        None => {
            "SELECT * FROM identity.staff_invitation
             WHERE tenant_id = $1 AND $5::uuid IS NULL
                 AND (create_time, staff_invitation_id) < (coalesce($2::timestamptz, 'infinity'), $3)
             ORDER BY create_time DESC, staff_invitation_id DESC LIMIT $4"
        }
    };
    let rows = sqlx::query(query)
        .bind(tx.tenant().uuid())
        .bind(time)
        .bind(id.unwrap_or(Uuid::max()))
        .bind(size)
        .bind(of.map(StaffId::uuid))
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(invitation).collect()
}

/// Drops at most `size` invitations, of any tenant, whose time was over before `ended`, however they ended; how many.
pub(crate) async fn drop_ended(database: &Database, ended: Timestamp, size: i64) -> Result<u64, sqlx::Error> {
    let dropped = sqlx::query(
        "DELETE FROM identity.staff_invitation WHERE (tenant_id, staff_invitation_id) IN (
             SELECT tenant_id, staff_invitation_id FROM identity.staff_invitation
             WHERE expire_time < $1 ORDER BY expire_time LIMIT $2)",
    )
    .bind(ended)
    .bind(size)
    .execute(database.worker())
    .await?;
    Ok(dropped.rows_affected())
}
