//! The table of replays.

use std::time::Duration;

use bus::stream::Stream;
use chassis::postgres::{Database, TenantTx};
use kernel::{TenantId, Timestamp};
use sqlx::Row as _;
use uuid::Uuid;
use webhook_ingest_core::replay::{Filter, Mode, Place};

use super::consumers::Outcome;
use super::row::{Phase, Replay};

/// The constraint of a tenant's one open replay.
pub(super) const ONE_OPEN: &str = "replay_open";

/// How long a replay that has ended is kept, in days.
const KEPT_DAYS: i32 = 180;

/// What was received up to a minute after publishing began is among what a rebuild publishes: the replicas' clocks differ, and an
/// event that a consumer heard of while it got ready must not be missed.
const CLOCKS_APART: Duration = Duration::from_mins(1);

/// A replay that somebody starts.
pub(super) struct Started<'a> {
    pub(super) id: Uuid,
    pub(super) mode: Mode,
    pub(super) filter: &'a Filter,
    pub(super) received_before: Timestamp,
    pub(super) planned: i64,
    pub(super) principal: Uuid,
    pub(super) staff: Option<Uuid>,
}

/// Keeps a replay that is to run.
pub(super) async fn insert(tx: &mut TenantTx, started: &Started<'_>) -> Result<Replay, sqlx::Error> {
    let (phase, received_before) = match started.mode {
        Mode::Redrive => (Phase::Publishing, Some(started.received_before)),
        Mode::Rebuild => (Phase::Preparing, None),
    };
    let accounts: Vec<Uuid> = started.filter.accounts.iter().map(|account| account.uuid()).collect();
    let row = sqlx::query(
        "INSERT INTO ingest.replay (tenant_id, replay_id, mode, phase, account_ids, event_types, start_time, end_time,
             received_before, planned_count, principal_id, staff_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING *",
    )
    .bind(tx.tenant().uuid())
    .bind(started.id)
    .bind(started.mode.as_str())
    .bind(phase.as_str())
    .bind(accounts)
    .bind(&started.filter.types)
    .bind(started.filter.start)
    .bind(started.filter.end)
    .bind(received_before)
    .bind(started.planned)
    .bind(started.principal)
    .bind(started.staff)
    .fetch_one(&mut **tx)
    .await?;
    Replay::read(&row)
}

/// A replay of the transaction's tenant.
pub(super) async fn find(tx: &mut TenantTx, id: Uuid) -> Result<Option<Replay>, sqlx::Error> {
    let query = sqlx::query("SELECT * FROM ingest.replay WHERE tenant_id = $1 AND replay_id = $2");
    let row = query.bind(tx.tenant().uuid()).bind(id).fetch_optional(&mut **tx).await?;
    row.as_ref().map(Replay::read).transpose()
}

/// Replays before `before`, latest first.
pub(super) async fn list(tx: &mut TenantTx, before: Option<Uuid>, limit: i64) -> Result<Vec<Replay>, sqlx::Error> {
    let query = sqlx::query(
        "SELECT * FROM ingest.replay WHERE tenant_id = $1 AND replay_id < $2 ORDER BY replay_id DESC LIMIT $3",
    );
    let query = query.bind(tx.tenant().uuid()).bind(before.unwrap_or(Uuid::max())).bind(limit);
    query.fetch_all(&mut **tx).await?.iter().map(Replay::read).collect()
}

/// Has a running replay stop; whether it ran.
pub(super) async fn stop(tx: &mut TenantTx, id: Uuid) -> Result<bool, sqlx::Error> {
    let query = sqlx::query(
        "UPDATE ingest.replay SET state = 'stopping', update_time = now()
         WHERE tenant_id = $1 AND replay_id = $2 AND state = 'running'",
    );
    Ok(query.bind(tx.tenant().uuid()).bind(id).execute(&mut **tx).await?.rows_affected() == 1)
}

/// A portion of a replay that is ours for as long as the lease lasts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) tenant: TenantId,
    pub(super) replay: Uuid,
    /// What tells it from every other claim.
    key: Uuid,
}

/// Claims a portion of the replay that waited longest, for `lease`.
pub(super) async fn claim(database: &Database, lease: Duration) -> Result<Option<Claim>, sqlx::Error> {
    let key = Uuid::new_v4();
    let row = sqlx::query(
        "UPDATE ingest.replay SET claim = $1, claimed_until = now() + make_interval(secs => $2)
         WHERE (tenant_id, replay_id) = (
             SELECT tenant_id, replay_id FROM ingest.replay WHERE finish_time IS NULL AND claimed_until <= now()
             ORDER BY claimed_until LIMIT 1 FOR UPDATE SKIP LOCKED)
         RETURNING tenant_id, replay_id",
    )
    .bind(key)
    .bind(lease.as_secs_f64())
    .fetch_optional(database.worker())
    .await?;
    let claimed = |row: sqlx::postgres::PgRow| {
        Ok(Claim { tenant: row.try_get::<Uuid, _>(0)?.into(), replay: row.try_get(1)?, key })
    };
    row.map(claimed).transpose()
}

/// Gives a claim back; the next portion may be taken after `pause`.
pub(super) async fn release(database: &Database, claim: Claim, pause: Duration) -> Result<(), sqlx::Error> {
    let query = sqlx::query(
        "UPDATE ingest.replay SET claimed_until = now() + make_interval(secs => $4)
         WHERE tenant_id = $1 AND replay_id = $2 AND claim = $3 AND finish_time IS NULL",
    );
    let query = query.bind(claim.tenant.uuid()).bind(claim.replay).bind(claim.key).bind(pause.as_secs_f64());
    query.execute(database.worker()).await?;
    Ok(())
}

/// What a portion came to.
pub(super) struct Progress {
    pub(super) place: Option<Place>,
    pub(super) published: i64,
    pub(super) skipped: i64,
    /// The stream's epoch before it was published.
    pub(super) stream_epoch: Option<i64>,
}

/// Notes how far a claimed portion came, and gives the claim back: the next may be taken after `pause`. Nothing where the claim was
/// over and somebody else has the portion: they will note the same.
pub(super) async fn advance(
    tx: &mut TenantTx,
    claim: Claim,
    progress: &Progress,
    pause: Duration,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query(
        "UPDATE ingest.replay
         SET place_event_id = coalesce($4, place_event_id), place_account_id = coalesce($5, place_account_id),
             published_count = published_count + $6, skipped_count = skipped_count + $7,
             stream_epoch = coalesce(stream_epoch, $8), update_time = now(),
             claimed_until = now() + make_interval(secs => $9)
         WHERE tenant_id = $1 AND replay_id = $2 AND claim = $3 AND finish_time IS NULL",
    );
    let query = query
        .bind(claim.tenant.uuid())
        .bind(claim.replay)
        .bind(claim.key)
        .bind(progress.place.map(|(event, _)| Uuid::from_u128(event.0)))
        .bind(progress.place.map(|(_, account)| account.uuid()))
        .bind(progress.published)
        .bind(progress.skipped)
        .bind(progress.stream_epoch)
        .bind(pause.as_secs_f64());
    query.execute(&mut **tx).await?;
    Ok(())
}

/// The epoch of the stream of LINE's events: another one than before has lost something, or may have. None: nobody has looked at it yet.
pub(super) async fn stream_epoch(database: &Database) -> Result<Option<i64>, sqlx::Error> {
    let query = sqlx::query_scalar("SELECT epoch FROM ingest.stream_state WHERE stream = $1");
    query.bind(Stream::LineWebhook.name()).fetch_optional(database.worker()).await
}

/// Has a claimed replay publish everything again, into the stream of that epoch.
pub(super) async fn restart(tx: &mut TenantTx, claim: Claim, stream_epoch: Option<i64>) -> Result<(), sqlx::Error> {
    let query = sqlx::query(
        "UPDATE ingest.replay SET phase = 'publishing', stream_epoch = $4, place_event_id = $5, place_account_id = $5,
             published_count = 0, skipped_count = 0, waiting_count = 0, update_time = now(), claimed_until = now()
         WHERE tenant_id = $1 AND replay_id = $2 AND claim = $3 AND finish_time IS NULL",
    );
    let query = query.bind(claim.tenant.uuid()).bind(claim.replay).bind(claim.key).bind(stream_epoch);
    query.bind(Uuid::nil()).execute(&mut **tx).await?;
    Ok(())
}

/// Notes how far it was looked whether events were handled, and for how many of the last it waits until `pause` is over; and gives the
/// claim back.
pub(super) async fn checked(
    tx: &mut TenantTx,
    claim: Claim,
    place: Option<Place>,
    waiting: i64,
    pause: Duration,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query(
        "UPDATE ingest.replay
         SET place_event_id = coalesce($4, place_event_id), place_account_id = coalesce($5, place_account_id),
             update_time = CASE WHEN waiting_count = $6 AND $4 IS NULL THEN update_time ELSE now() END, waiting_count = $6,
             claimed_until = now() + make_interval(secs => $7)
         WHERE tenant_id = $1 AND replay_id = $2 AND claim = $3 AND finish_time IS NULL",
    );
    let query = query
        .bind(claim.tenant.uuid())
        .bind(claim.replay)
        .bind(claim.key)
        .bind(place.map(|(event, _)| Uuid::from_u128(event.0)))
        .bind(place.map(|(_, account)| account.uuid()))
        .bind(waiting)
        .bind(pause.as_secs_f64());
    query.execute(&mut **tx).await?;
    Ok(())
}

/// Has a claimed replay go over to its next phase, at once; one that looks whether everything was handled begins with the first event,
/// and looks for none that came since it published the last.
pub(super) async fn enter(tx: &mut TenantTx, claim: Claim, phase: Phase) -> Result<(), sqlx::Error> {
    let query = sqlx::query(
        "UPDATE ingest.replay SET phase = $4, update_time = now(), claimed_until = now(),
             received_before = CASE WHEN $4 = 'checking' THEN least(received_before, now())
                 ELSE coalesce(received_before, now() + make_interval(secs => $5)) END,
             place_event_id = CASE WHEN $4 = 'checking' THEN $6 ELSE place_event_id END,
             place_account_id = CASE WHEN $4 = 'checking' THEN $6 ELSE place_account_id END
         WHERE tenant_id = $1 AND replay_id = $2 AND claim = $3 AND finish_time IS NULL",
    );
    let query = query.bind(claim.tenant.uuid()).bind(claim.replay).bind(claim.key).bind(phase.as_str());
    query.bind(CLOCKS_APART.as_secs_f64()).bind(Uuid::nil()).execute(&mut **tx).await?;
    Ok(())
}

/// Ends a claimed replay: `stopped` before its end, or done.
pub(super) async fn end(tx: &mut TenantTx, claim: Claim, stopped: bool, outcome: Outcome) -> Result<(), sqlx::Error> {
    let query = sqlx::query(
        "UPDATE ingest.replay SET state = CASE WHEN $4 THEN 'stopped' ELSE 'done' END, claim = NULL, update_time = now(),
             finish_time = now(), waiting_count = 0, renewed_count = $5, kept_count = $6
         WHERE tenant_id = $1 AND replay_id = $2 AND claim = $3 AND finish_time IS NULL",
    );
    let query = query.bind(claim.tenant.uuid()).bind(claim.replay).bind(claim.key).bind(stopped);
    query.bind(outcome.renewed).bind(outcome.kept).execute(&mut **tx).await?;
    Ok(())
}

/// How many replays have not ended, and for how many seconds the one that stands still longest has not come further.
pub(super) async fn measure(database: &Database) -> Result<(i64, f64), sqlx::Error> {
    let figures = sqlx::query_as(
        "SELECT count(*), coalesce(extract(epoch FROM now() - min(update_time)), 0)::float8
         FROM ingest.replay WHERE finish_time IS NULL",
    );
    figures.fetch_one(database.worker()).await
}

/// Forgets replays whose time is over.
pub(super) async fn forget(database: &Database) -> Result<(), sqlx::Error> {
    let query = sqlx::query("DELETE FROM ingest.replay WHERE finish_time < now() - make_interval(days => $1)");
    query.bind(KEPT_DAYS).execute(database.worker()).await?;
    Ok(())
}
