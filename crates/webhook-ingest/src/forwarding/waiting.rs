//! The targets that something waits for.

use std::collections::HashSet;

use kernel::{AccountId, TenantId};
use sqlx::postgres::PgRow;
use sqlx::{PgExecutor, Row};
use uuid::Uuid;
use webhook_ingest_core::forwarding::health::DOWN_AT;

/// Targets that one look steps over, at most.
pub(super) const LOOKED_AT: i64 = 256;

/// Finds the targets behind ($1, $2) by leaping over the index from one to the next: a target with a million bodies costs as much as
/// one with a single body.
const TARGETS: &str = "
WITH RECURSIVE waiting AS (
    (SELECT tenant_id, target_id, 1 AS place FROM ingest.forwarding WHERE (tenant_id, target_id) > ($1, $2)
     ORDER BY tenant_id, target_id LIMIT 1)
    UNION ALL
    SELECT next.tenant_id, next.target_id, w.place + 1
    FROM waiting w CROSS JOIN LATERAL (
        SELECT f.tenant_id, f.target_id FROM ingest.forwarding f
        WHERE (f.tenant_id, f.target_id) > (w.tenant_id, w.target_id)
        ORDER BY f.tenant_id, f.target_id LIMIT 1) next
    WHERE w.place < $3
)
SELECT w.tenant_id, w.target_id, t.target_id IS NULL, t.pause_reason IS NOT NULL,
    (t.next_try_at IS NULL OR t.next_try_at <= now()) AND (coalesce(t.strikes, 0) >= $4 OR EXISTS (
        SELECT FROM ingest.forwarding f
        WHERE f.tenant_id = w.tenant_id AND f.target_id = w.target_id AND f.sender = f.lead AND f.due_at <= now()))
FROM waiting w LEFT JOIN ingest.forwarding_target t ON t.tenant_id = w.tenant_id AND t.target_id = w.target_id
ORDER BY w.place";

/// Of the targets of the accounts ($1, $2) and of the targets ($3, $4) those that something waits for and that may be tried now.
const OPEN: &str = "
WITH named AS (
    SELECT t.tenant_id, t.target_id, t.pause_reason, t.next_try_at, t.strikes
    FROM unnest($1::uuid[], $2::uuid[]) AS a (tenant_id, account_id) JOIN ingest.forwarding_target t USING (tenant_id, account_id)
    UNION
    SELECT t.tenant_id, t.target_id, t.pause_reason, t.next_try_at, t.strikes
    FROM unnest($3::uuid[], $4::uuid[]) AS a (tenant_id, target_id) JOIN ingest.forwarding_target t USING (tenant_id, target_id)
)
SELECT n.tenant_id, n.target_id FROM named n
WHERE n.pause_reason IS NULL AND (n.next_try_at IS NULL OR n.next_try_at <= now())
    AND EXISTS (
        SELECT FROM ingest.forwarding f WHERE f.tenant_id = n.tenant_id AND f.target_id = n.target_id AND f.sender = f.lead
            AND (f.due_at <= now() OR n.strikes >= $5))";

/// A target's place in the order of looking.
pub(super) type Place = (Uuid, Uuid);
/// A target, by its tenant and itself.
pub(super) type Named = (TenantId, Uuid);

/// A target that something waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) tenant: TenantId,
    pub(super) target: Uuid,
    /// It was deleted.
    pub(super) is_gone: bool,
    /// It is paused.
    pub(super) is_paused: bool,
    /// It may be tried now, unless it is paused, and something is due, or it is down and whatever waits may be the probe.
    pub(super) is_open: bool,
}

/// The next targets behind `behind`, and where to look from the next time: nil after the last one.
pub(super) async fn targets(worker: impl PgExecutor<'_>, behind: Place) -> Result<(Vec<Waiting>, Place), sqlx::Error> {
    let rows =
        sqlx::query(TARGETS).bind(behind.0).bind(behind.1).bind(LOOKED_AT).bind(down_at()).fetch_all(worker).await?;
    let waiting = |row: &PgRow| {
        Ok(Waiting {
            tenant: row.try_get::<Uuid, _>(0)?.into(),
            target: row.try_get(1)?,
            is_gone: row.try_get(2)?,
            is_paused: row.try_get(3)?,
            is_open: row.try_get(4)?,
        })
    };
    let found: Vec<Waiting> = rows.iter().map(waiting).collect::<Result<_, sqlx::Error>>()?;
    let is_full = i64::try_from(found.len()).is_ok_and(|count| count >= LOOKED_AT);
    let last = found.last().filter(|_| is_full);
    let next = last.map_or((Uuid::nil(), Uuid::nil()), |last| (last.tenant.uuid(), last.target));
    Ok((found, next))
}

/// Those of the accounts' targets, and of `targets`, that something waits for and that may be tried now.
pub(super) async fn open(
    worker: impl PgExecutor<'_>,
    accounts: &HashSet<(TenantId, AccountId)>,
    targets: &HashSet<Named>,
) -> Result<Vec<Named>, sqlx::Error> {
    let rows = sqlx::query(OPEN)
        .bind(accounts.iter().map(|(tenant, _)| tenant.uuid()).collect::<Vec<Uuid>>())
        .bind(accounts.iter().map(|(_, account)| account.uuid()).collect::<Vec<Uuid>>())
        .bind(targets.iter().map(|(tenant, _)| tenant.uuid()).collect::<Vec<Uuid>>())
        .bind(targets.iter().map(|(_, target)| *target).collect::<Vec<Uuid>>())
        .bind(down_at())
        .fetch_all(worker)
        .await?;
    rows.iter().map(|row| Ok((row.try_get::<Uuid, _>(0)?.into(), row.try_get(1)?))).collect()
}

/// From so many strikes on a target is down.
pub(super) fn down_at() -> i32 {
    i32::try_from(DOWN_AT).unwrap_or(i32::MAX)
}
