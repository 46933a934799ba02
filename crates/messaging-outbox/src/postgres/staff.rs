//! Staff as notices see them: who works where, and how each can be reached.

use chassis::postgres::TenantTx;
use contracts::events::v1::StaffContactReplica;
use kernel::{AccountId, OrganizationId, StaffId};
use messaging_outbox_core::notice::recipient::Member;
use sqlx::Row as _;
use uuid::Uuid;

use super::replica::text;

/// Where somebody is on LINE. Personal data.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct OnLine {
    pub(crate) account: AccountId,
    pub(crate) line_user: String,
}

/// How a staff member can be reached now.
#[derive(Clone)]
pub(crate) struct Contact {
    pub(crate) staff: StaffId,
    pub(crate) active: bool,
    /// Empty: nowhere.
    pub(crate) email: String,
    pub(crate) line: Option<OnLine>,
}

/// Keeps how a staff member can be reached; tells whether that was news. `staff` and `account` are the replica's IDs, parsed.
pub(crate) async fn put_contact(
    tx: &mut TenantTx,
    staff: StaffId,
    account: Option<Uuid>,
    replica: &StaffContactReplica,
) -> Result<bool, sqlx::Error> {
    let kept = sqlx::query(
        "INSERT INTO messaging.staff_contact AS c (tenant_id, staff_id, version, email_address, account_id, line_user_id)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (tenant_id, staff_id) DO UPDATE
         SET version = excluded.version, email_address = excluded.email_address, account_id = excluded.account_id,
             line_user_id = excluded.line_user_id
         WHERE c.version < excluded.version",
    )
    .bind(tx.tenant().uuid())
    .bind(staff.uuid())
    .bind(replica.version)
    .bind(text(&replica.email_address))
    .bind(account)
    .bind(text(&replica.line_user_id))
    .execute(&mut **tx)
    .await?;
    Ok(kept.rows_affected() > 0)
}

/// Where a staff member is on LINE.
pub(crate) async fn line_of(tx: &mut TenantTx, staff: StaffId) -> Result<Option<OnLine>, sqlx::Error> {
    Ok(contacts(tx, &[staff.uuid()]).await?.pop().and_then(|contact| contact.line))
}

/// How these can be reached, in no order; nobody is left out who is known at all.
pub(crate) async fn contacts(tx: &mut TenantTx, staff: &[Uuid]) -> Result<Vec<Contact>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT k.staff_id, s.active, coalesce(c.email_address, '') AS email_address, c.account_id,
             coalesce(c.line_user_id, '') AS line_user_id
         FROM unnest($2::uuid[]) AS k (staff_id)
         CROSS JOIN LATERAL (
             SELECT active FROM messaging.staff_replica WHERE tenant_id = $1 AND staff_id = k.staff_id LIMIT 1) s
         LEFT JOIN LATERAL (
             SELECT * FROM messaging.staff_contact WHERE tenant_id = $1 AND staff_id = k.staff_id LIMIT 1) c ON true",
    )
    .bind(tx.tenant().uuid())
    .bind(staff)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter()
        .map(|row| {
            let (account, line_user): (Option<Uuid>, String) =
                (row.try_get("account_id")?, row.try_get("line_user_id")?);
            let line = account.filter(|_| !line_user.is_empty());
            Ok(Contact {
                staff: row.try_get::<Uuid, _>("staff_id")?.into(),
                active: row.try_get("active")?,
                email: row.try_get("email_address")?,
                line: line.map(|account| OnLine { account: account.into(), line_user }),
            })
        })
        .collect()
}

/// Those who work for an organization, active or not, by their IDs.
pub(crate) async fn members(
    tx: &mut TenantTx,
    organization: OrganizationId,
) -> Result<Vec<(StaffId, Member)>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT staff_id, active, organization_ids FROM messaging.staff_replica
         WHERE tenant_id = $1 AND $2 = ANY (organization_ids) ORDER BY staff_id",
    )
    .bind(tx.tenant().uuid())
    .bind(organization.uuid())
    .fetch_all(&mut **tx)
    .await?;
    rows.iter()
        .map(|row| {
            let organizations: Vec<Uuid> = row.try_get("organization_ids")?;
            let organizations = organizations.into_iter().map(OrganizationId::from).collect();
            let staff: Uuid = row.try_get("staff_id")?;
            Ok((staff.into(), Member { active: row.try_get("active")?, organizations }))
        })
        .collect()
}

/// The names to tell a matter by: the LINE user's, and the official account's. Empty where unknown.
pub(crate) async fn names(
    tx: &mut TenantTx,
    account: Option<Uuid>,
    line_user: &str,
) -> Result<(String, String), sqlx::Error> {
    let row = sqlx::query(
        "SELECT a.display_name AS account, coalesce(u.display_name, '') AS who
         FROM messaging.account_replica a
         LEFT JOIN LATERAL (
             SELECT display_name FROM messaging.line_user_replica
             WHERE tenant_id = $1 AND provider_id = a.provider_id AND line_user_id = $3 LIMIT 1) u ON true
         WHERE a.tenant_id = $1 AND a.account_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(account)
    .bind(text(line_user))
    .fetch_optional(&mut **tx)
    .await?;
    row.map_or_else(|| Ok(Default::default()), |row| Ok((row.try_get("who")?, row.try_get("account")?)))
}
