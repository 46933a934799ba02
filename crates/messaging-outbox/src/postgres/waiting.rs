//! What waits for the staff: conversations with unread messages, and those that are put off.

use std::collections::{BTreeMap, BTreeSet};

use chassis::postgres::TenantTx;
use contracts::access_proto::v1::Right;
use kernel::{OrganizationId, Sight, StaffId};
use messaging_outbox_core::digest::Waiting;
use sqlx::Row as _;
use uuid::Uuid;

use super::placing;

/// The organizations in which anything waits; none among them: something that is nobody's. The cost is by organizations, not by
/// conversations.
pub(crate) async fn organizations(tx: &mut TenantTx) -> Result<BTreeSet<Option<OrganizationId>>, sqlx::Error> {
    let found: Vec<Uuid> = sqlx::query_scalar(
        "WITH RECURSIVE waiting AS (
             (SELECT organization_id FROM messaging.conversation
              WHERE tenant_id = $1 AND kind <> 4 AND (unread_count > 0 OR put_off_time IS NOT NULL)
              ORDER BY organization_id LIMIT 1)
             UNION ALL
             SELECT (SELECT c.organization_id FROM messaging.conversation c
                     WHERE c.tenant_id = $1 AND c.organization_id > w.organization_id AND c.kind <> 4
                         AND (c.unread_count > 0 OR c.put_off_time IS NOT NULL)
                     ORDER BY c.organization_id LIMIT 1)
             FROM waiting w WHERE w.organization_id IS NOT NULL)
         SELECT organization_id FROM waiting WHERE organization_id IS NOT NULL",
    )
    .bind(tx.tenant().uuid())
    .fetch_all(&mut **tx)
    .await?;
    Ok(found.into_iter().map(placing::read).collect())
}

/// Whether anything waits that each of these staff members sees; nothing does for who is not known or not active.
pub(crate) async fn of_staff(tx: &mut TenantTx, staff: &[StaffId]) -> Result<BTreeMap<StaffId, bool>, sqlx::Error> {
    let waiting = organizations(tx).await?;
    let rows = sqlx::query(
        "SELECT staff_id, administrator, organization_ids, rights FROM messaging.staff_replica
         WHERE tenant_id = $1 AND staff_id = ANY ($2) AND active",
    )
    .bind(tx.tenant().uuid())
    .bind(staff.iter().map(|id| id.uuid()).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    let mut found: BTreeMap<StaffId, bool> = staff.iter().map(|id| (*id, false)).collect();
    for row in &rows {
        let sight = sight_of(row)?;
        let any = waiting.iter().any(|organization| sight.takes_in(*organization));
        found.insert(row.try_get::<Uuid, _>("staff_id")?.into(), any);
    }
    Ok(found)
}

/// What waits in each organization, counted at one moment.
pub(crate) async fn by_organization(
    tx: &mut TenantTx,
) -> Result<BTreeMap<Option<OrganizationId>, Waiting>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT c.organization_id, count(*) AS conversations, sum(c.unread_count)::bigint AS messages,
             count(*) FILTER (WHERE c.kind = 1 AND NOT c.linked) AS unlinked,
             count(*) FILTER (WHERE c.put_off_time IS NOT NULL) AS put_off, min(least(m.message_time, c.put_off_time)) AS oldest
         FROM messaging.conversation c LEFT JOIN LATERAL (
             SELECT message_time FROM messaging.message
             WHERE tenant_id = $1 AND conversation_id = c.conversation_id AND unread ORDER BY message_time LIMIT 1) m ON true
         WHERE c.tenant_id = $1 AND c.kind <> 4 AND (c.unread_count > 0 OR c.put_off_time IS NOT NULL)
         GROUP BY c.organization_id",
    )
    .bind(tx.tenant().uuid())
    .fetch_all(&mut **tx)
    .await?;
    let count =
        |row: &sqlx::postgres::PgRow, name: &str| Ok::<_, sqlx::Error>(row.try_get::<i64, _>(name)?.unsigned_abs());
    rows.iter()
        .map(|row| {
            let waiting = Waiting {
                conversations: count(row, "conversations")?,
                messages: count(row, "messages")?,
                unlinked: count(row, "unlinked")?,
                put_off: count(row, "put_off")?,
                oldest: row.try_get("oldest")?,
            };
            Ok((placing::read(row.try_get("organization_id")?), waiting))
        })
        .collect()
}

/// What the staff member of a row sees: nothing without the right to read conversations.
pub(crate) fn sight_of(row: &sqlx::postgres::PgRow) -> Result<Sight, sqlx::Error> {
    let rights: Vec<i32> = row.try_get("rights")?;
    if !rights.contains(&Right::ConversationsRead.into()) {
        return Ok(Sight::nothing());
    }
    let organizations: Vec<Uuid> = row.try_get("organization_ids")?;
    Ok(Sight::of_staff(row.try_get("administrator")?, organizations.into_iter().map(OrganizationId::from)))
}
