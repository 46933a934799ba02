//! Claiming what may go to one target next.

use kernel::{BodyId, TenantId, Timestamp};
use line_types::signature::Signature;
use sqlx::{PgConnection, Row};
use tokio::time::Instant;
use uuid::Uuid;
use webhook_ingest_core::forwarding::AT_ONCE;
use webhook_ingest_core::forwarding::choice::{Front, Pace, choose};
use webhook_ingest_core::forwarding::health::Health;
use webhook_ingest_core::forwarding::share::Room;

use super::LEASE;
use super::waiting::Named;

/// Lanes that one claim looks at, at most.
const LOOKED_AT: i64 = 128;

/// One claims for a target at a time, so that no two replicas choose of the same lane.
const TARGET: &str = "
SELECT failures, strikes, failing_since, next_try_at, now() FROM ingest.forwarding_target
WHERE tenant_id = $1 AND target_id = $2 AND pause_reason IS NULL FOR NO KEY UPDATE SKIP LOCKED";

const ON_THEIR_WAY: &str = "
SELECT count(*) FROM ingest.forwarding
WHERE tenant_id = $1 AND target_id = $2 AND claim IS NOT NULL AND due_at > now()";

/// A body of more senders goes when nothing before it waits for the target: to look into each of its lanes would cost too much.
const MOST_LANES: i32 = 32;

/// What stands first in the lanes from $3 on: leaps from lane to lane, so that a long one costs as much as a short one. A body counts
/// in its lead's lane alone: where it does not stand first there, it may not go.
const FRONTS: &str = "
WITH RECURSIVE lane AS (
    (SELECT f.sender, f.body_id, f.lead, f.senders, f.due_at, f.claim, f.size, 1 AS place FROM ingest.forwarding f
     WHERE f.tenant_id = $1 AND f.target_id = $2 AND f.sender >= $3 ORDER BY f.sender, f.body_id LIMIT 1)
    UNION ALL
    SELECT next.sender, next.body_id, next.lead, next.senders, next.due_at, next.claim, next.size, l.place + 1
    FROM lane l CROSS JOIN LATERAL (
        SELECT f.sender, f.body_id, f.lead, f.senders, f.due_at, f.claim, f.size FROM ingest.forwarding f
        WHERE f.tenant_id = $1 AND f.target_id = $2 AND f.sender > l.sender ORDER BY f.sender, f.body_id LIMIT 1) next
    WHERE l.place < $4
)
SELECT l.sender, l.lead = l.sender, l.body_id, l.due_at, l.claim IS NOT NULL,
    CASE WHEN l.lead <> l.sender THEN '{}' WHEN cardinality(l.senders) = 1 THEN ARRAY[l.body_id]
        WHEN cardinality(l.senders) > $5 THEN ARRAY(
            SELECT f.body_id FROM ingest.forwarding f
            WHERE f.tenant_id = $1 AND f.target_id = $2 AND f.sender = f.lead ORDER BY f.body_id LIMIT 1)
        ELSE ARRAY(
            SELECT (SELECT f.body_id FROM ingest.forwarding f
                    WHERE f.tenant_id = $1 AND f.target_id = $2 AND f.sender = s.sender ORDER BY f.body_id LIMIT 1)
            FROM unnest(l.senders) AS s (sender)) END, l.size
FROM lane l ORDER BY l.place";

const CLAIM: &str = "
UPDATE ingest.forwarding f
SET claim = gen_random_uuid(), due_at = now() + make_interval(secs => $5), calls = least(f.calls + 1, 30000),
    first_call_at = coalesce(f.first_call_at, now())
FROM unnest($3::uuid[], $4::uuid[]) AS chosen (lead, body_id)
WHERE f.tenant_id = $1 AND f.target_id = $2 AND f.sender = chosen.lead AND f.body_id = chosen.body_id
RETURNING f.body_id, f.lead, f.signature, f.claim, f.calls, f.first_call_at, f.size";

/// A body that is ours to forward until the claim runs out.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) tenant: TenantId,
    pub(super) target: Uuid,
    pub(super) body: BodyId,
    /// In whose lane it is told how the body stands.
    pub(super) lead: Uuid,
    /// Its bytes.
    pub(super) size: usize,
    /// What the body came with.
    pub(super) signature: Signature,
    /// Tells this claim from every other.
    pub(super) claim: Uuid,
    /// Which call of this body it is, from 1.
    pub(super) calls: u16,
    pub(super) first_call_at: Timestamp,
    /// Not after the claim began, by this process's own watch.
    pub(super) since: Instant,
    /// The target was down: this shows whether it still is.
    pub(super) is_probe: bool,
}

/// What a claim gave.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    pub(super) jobs: Vec<Job>,
    /// The lane to look from the next time; nil after the last one.
    pub(super) next_lane: Uuid,
}

/// Claims bodies of the target, as many as fit into `room`, looking at the lanes from `lane` on. None while somebody else claims for it, it is
/// paused, gone, or left alone for a while.
pub(super) async fn claim(
    worker: &mut PgConnection,
    (tenant, target): Named,
    lane: Uuid,
    room: Room,
) -> Result<Claimed, sqlx::Error> {
    use sqlx::Connection;
    let since = Instant::now();
    let mut tx = worker.begin().await?;
    let row = sqlx::query(TARGET).bind(tenant.uuid()).bind(target).fetch_optional(&mut *tx).await?;
    let Some(row) = row else { return Ok(Claimed { next_lane: lane, ..Claimed::default() }) };
    let (health, now) = (health(&row)?, row.try_get::<Timestamp, _>(4)?);
    let Some(pace) = health.pace(now) else { return Ok(Claimed::default()) };
    let on_their_way: i64 =
        sqlx::query_scalar(ON_THEIR_WAY).bind(tenant.uuid()).bind(target).fetch_one(&mut *tx).await?;
    let on_their_way = usize::try_from(on_their_way).unwrap_or(usize::MAX);
    let room = room.of_at_most(AT_ONCE.saturating_sub(on_their_way));
    if room.calls == 0 {
        return Ok(Claimed { next_lane: lane, ..Claimed::default() });
    }
    let query = sqlx::query(FRONTS).bind(tenant.uuid()).bind(target).bind(lane).bind(LOOKED_AT).bind(MOST_LANES);
    let rows = query.fetch_all(&mut *tx).await?;
    let mut fronts = Vec::with_capacity(rows.len());
    let mut leads = Vec::with_capacity(rows.len());
    for row in &rows {
        if row.try_get(1)? {
            let front = front(row)?;
            leads.push((front.body, row.try_get::<Uuid, _>(0)?));
            fronts.push(front);
        }
    }
    let is_last = i64::try_from(rows.len()).is_ok_and(|count| count < LOOKED_AT);
    let last = rows.last().filter(|_| !is_last).map(|row| row.try_get::<Uuid, _>(0)).transpose()?;
    let next_lane = last.map_or(Uuid::nil(), |last| Uuid::from_u128(last.as_u128().wrapping_add(1)));
    let chosen = choose(&fronts, pace, on_their_way, room, now);
    if chosen.is_empty() {
        return Ok(Claimed { jobs: Vec::new(), next_lane });
    }
    let lead = |body: &BodyId| leads.iter().find(|(known, _)| known == body).map(|(_, lead)| *lead);
    let (leads, bodies): (Vec<Uuid>, Vec<Uuid>) =
        chosen.iter().filter_map(|body| Some((lead(body)?, body.uuid()))).unzip();
    let query = sqlx::query(CLAIM).bind(tenant.uuid()).bind(target).bind(leads).bind(bodies).bind(LEASE.as_secs_f64());
    let rows = query.fetch_all(&mut *tx).await?;
    let job = |row: &sqlx::postgres::PgRow| {
        Ok(Job {
            tenant,
            target,
            body: row.try_get::<Uuid, _>(0)?.into(),
            lead: row.try_get(1)?,
            size: size(row, 6)?,
            signature: Signature::from_bytes(row.try_get(2)?)
                .ok_or_else(|| sqlx::Error::Decode("a signature has 32 bytes".into()))?,
            claim: row.try_get(3)?,
            calls: u16::try_from(row.try_get::<i16, _>(4)?).unwrap_or(1),
            first_call_at: row.try_get(5)?,
            since,
            is_probe: pace == Pace::Probe,
        })
    };
    let jobs = rows.iter().map(job).collect::<Result<_, sqlx::Error>>()?;
    tx.commit().await?;
    Ok(Claimed { jobs, next_lane })
}

/// How a target does, of a row that begins with it.
pub(super) fn health(row: &sqlx::postgres::PgRow) -> Result<Health, sqlx::Error> {
    let count = |at| row.try_get::<i32, usize>(at).map(|count| u32::try_from(count).unwrap_or(0));
    Ok(Health { failures: count(0)?, strikes: count(1)?, failing_since: row.try_get(2)?, next_try: row.try_get(3)? })
}

fn front(row: &sqlx::postgres::PgRow) -> Result<Front, sqlx::Error> {
    Ok(Front {
        body: row.try_get::<Uuid, _>(2)?.into(),
        due: row.try_get(3)?,
        claimed: row.try_get(4)?,
        firsts: row.try_get::<Vec<Uuid>, _>(5)?.into_iter().map(BodyId::from).collect(),
        size: size(row, 6)?,
    })
}

fn size(row: &sqlx::postgres::PgRow, at: usize) -> Result<usize, sqlx::Error> {
    Ok(usize::try_from(row.try_get::<i32, _>(at)?).unwrap_or(0))
}
