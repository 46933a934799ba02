//! What follows from a call, written down: for the body and for its target, in one transaction. Nothing follows for a claim that ran
//! out and that somebody else holds now.

use std::time::Duration;

use kernel::Timestamp;
use sqlx::postgres::PgPool;
use sqlx::{PgConnection, Row};
use webhook_ingest_core::forwarding::attempt::{Failure, Next, after};
use webhook_ingest_core::forwarding::health::PauseReason;

use super::claim::{Job, health};

/// It has arrived: one statement, for this is the usual case.
const TAKEN: &str = "
WITH held AS (
    SELECT senders FROM ingest.forwarding
    WHERE tenant_id = $1 AND target_id = $2 AND sender = $3 AND body_id = $4 AND claim = $5 FOR UPDATE
), done AS (
    DELETE FROM ingest.forwarding f USING held
    WHERE f.tenant_id = $1 AND f.target_id = $2 AND f.sender = ANY (held.senders) AND f.body_id = $4
)
UPDATE ingest.forwarding_target
SET delivered = delivered + 1, last_success_at = now(), failures = 0, strikes = 0, failing_since = NULL, next_try_at = NULL
WHERE tenant_id = $1 AND target_id = $2 AND EXISTS (SELECT FROM held)";

/// What failed while the target was down is tried now that it is not. How often it failed then says nothing against it.
const HURRY: &str = "
UPDATE ingest.forwarding SET due_at = least(due_at, now()), calls = 1, first_call_at = now()
WHERE tenant_id = $1 AND target_id = $2 AND calls > 0 AND claim IS NULL";

const TARGET: &str = "
SELECT t.failures, t.strikes, t.failing_since, t.next_try_at, now(), t.last_success_at FROM ingest.forwarding_target t
WHERE t.tenant_id = $1 AND t.target_id = $2 FOR NO KEY UPDATE";

const HELD: &str = "
SELECT EXISTS (SELECT FROM ingest.forwarding
    WHERE tenant_id = $1 AND target_id = $2 AND sender = $3 AND body_id = $4 AND claim = $5)";

const AGAIN: &str = "
UPDATE ingest.forwarding SET claim = NULL, due_at = now() + make_interval(secs => $6)
WHERE tenant_id = $1 AND target_id = $2 AND sender = $3 AND body_id = $4 AND claim = $5";

/// The claim is given back as if it had never been.
const GIVE_BACK: &str = "
UPDATE ingest.forwarding SET claim = NULL, due_at = now(), calls = calls - 1,
    first_call_at = CASE WHEN calls > 1 THEN first_call_at END
WHERE tenant_id = $1 AND target_id = $2 AND sender = $3 AND body_id = $4 AND claim = $5";

const REMOVE: &str = "
WITH held AS (
    SELECT senders FROM ingest.forwarding
    WHERE tenant_id = $1 AND target_id = $2 AND sender = $3 AND body_id = $4 AND claim = $5 FOR UPDATE
)
DELETE FROM ingest.forwarding f USING held
WHERE f.tenant_id = $1 AND f.target_id = $2 AND f.sender = ANY (held.senders) AND f.body_id = $4";

const FAILED: &str = "
UPDATE ingest.forwarding_target
SET failures = $3, strikes = $4, failing_since = $5, next_try_at = $6, last_failure_at = now(), last_failure = $7,
    refused = refused + $8, pause_reason = coalesce(pause_reason, $9),
    paused_at = CASE WHEN $9::smallint IS NULL THEN paused_at ELSE coalesce(paused_at, now()) END,
    updated_at = CASE WHEN $9::smallint IS NULL OR pause_reason IS NOT NULL THEN updated_at ELSE now() END,
    version = CASE WHEN $9::smallint IS NULL OR pause_reason IS NOT NULL THEN version ELSE version + 1 END
WHERE tenant_id = $1 AND target_id = $2";

/// How a body left without being forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    /// Something was erased from it.
    Erased,
    /// The archive has it no more.
    Expired,
}

fn of<'q>(sql: &'static str, job: &Job) -> sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments> {
    sqlx::query(sql).bind(job.tenant.uuid()).bind(job.target).bind(job.lead).bind(job.body.uuid()).bind(job.claim)
}

/// It has arrived.
pub(super) async fn taken(worker: &PgPool, job: &Job) -> Result<(), sqlx::Error> {
    of(TAKEN, job).execute(worker).await?;
    if job.is_probe {
        sqlx::query(HURRY).bind(job.tenant.uuid()).bind(job.target).execute(worker).await?;
    }
    Ok(())
}

/// What a failure led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct After {
    /// The body was given up.
    pub(super) given_up: bool,
    /// The target was paused for it.
    pub(super) paused: Option<PauseReason>,
}

/// It failed. `gone`: the target wants no more. `asked`: how long it asks to be left alone.
pub(super) async fn failed(
    worker: &PgPool,
    job: &Job,
    failure: Failure,
    gone: bool,
    asked: Option<Duration>,
) -> Result<After, sqlx::Error> {
    let mut tx = worker.begin().await?;
    let row = sqlx::query(TARGET).bind(job.tenant.uuid()).bind(job.target).fetch_optional(&mut *tx).await?;
    let Some(row) = row else { return Ok(After::default()) };
    if !of(HELD, job).fetch_one(&mut *tx).await?.try_get::<bool, _>(0)? {
        return Ok(After::default());
    }
    let (health, now) = (health(&row)?, row.try_get::<Timestamp, _>(4)?);
    let last_success: Option<Timestamp> = row.try_get(5)?;
    let others_taken = last_success.is_some_and(|time| time > job.first_call_at);
    let next = after(failure, job.calls, others_taken, rand::random());
    let health = health.after(failure, job.calls, asked, now, rand::random());
    match next {
        Next::Again(wait) => of(AGAIN, job).bind(wait.as_secs_f64()).execute(&mut *tx).await?,
        Next::GivenUp => of(REMOVE, job).execute(&mut *tx).await?,
    };
    let paused =
        if gone { Some(PauseReason::Gone) } else { health.is_to_be_paused(now).then_some(PauseReason::Failing) };
    sqlx::query(FAILED)
        .bind(job.tenant.uuid())
        .bind(job.target)
        .bind(i32::try_from(health.failures).unwrap_or(i32::MAX))
        .bind(i32::try_from(health.strikes).unwrap_or(i32::MAX))
        .bind(health.failing_since)
        .bind(health.next_try)
        .bind(failure.code())
        .bind(i64::from(next == Next::GivenUp))
        .bind(paused.map(PauseReason::code))
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(After { given_up: next == Next::GivenUp, paused })
}

/// It is not forwarded at all.
pub(super) async fn dropped(worker: &PgPool, job: &Job, how: Dropped) -> Result<(), sqlx::Error> {
    let mut tx = worker.begin().await?;
    if of(REMOVE, job).execute(&mut *tx).await?.rows_affected() > 0 {
        let (erased, expired) = (i64::from(how == Dropped::Erased), i64::from(how == Dropped::Expired));
        count(&mut tx, job, erased, expired).await?;
    }
    tx.commit().await
}

async fn count(tx: &mut PgConnection, job: &Job, erased: i64, expired: i64) -> Result<(), sqlx::Error> {
    let query = "UPDATE ingest.forwarding_target SET erased = erased + $3, expired = expired + $4
        WHERE tenant_id = $1 AND target_id = $2";
    sqlx::query(query).bind(job.tenant.uuid()).bind(job.target).bind(erased).bind(expired).execute(tx).await?;
    Ok(())
}

/// It waits as before.
pub(super) async fn given_back(worker: &PgPool, job: &Job) -> Result<(), sqlx::Error> {
    of(GIVE_BACK, job).execute(worker).await?;
    Ok(())
}
