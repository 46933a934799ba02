//! What nobody's call ends: bodies that became too old, those of a target that is gone; and how far behind forwarding is.

use std::sync::Arc;
use std::time::Duration;

use chassis::postgres::Database;
use kernel::{Clock, Timestamp};
use sqlx::Row;
use uuid::Uuid;
use webhook_ingest_core::forwarding::PATIENCE;
use webhook_ingest_core::forwarding::health::TOLD_AFTER;
use webhook_ingest_core::{body_time, first_id};

use super::waiting::{self, Waiting};

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(10);
/// Rows removed in one statement.
const BATCH: i64 = 1_000;

/// Ends the oldest bodies before $3 that nobody has in hand, paused or not.
const EXPIRE: &str = "
WITH old AS (
    SELECT f.body_id, f.senders FROM ingest.forwarding f
    WHERE f.tenant_id = $1 AND f.target_id = $2 AND f.sender = f.lead AND f.body_id < $3
        AND (f.claim IS NULL OR f.due_at <= now())
    ORDER BY f.body_id LIMIT $4 FOR UPDATE SKIP LOCKED
), lane AS (
    SELECT old.body_id, s.sender FROM old CROSS JOIN LATERAL unnest(old.senders) AS s (sender)
), ended AS (
    DELETE FROM ingest.forwarding f USING lane
    WHERE f.tenant_id = $1 AND f.target_id = $2 AND f.sender = lane.sender AND f.body_id = lane.body_id
)
UPDATE ingest.forwarding_target SET expired = expired + (SELECT count(*) FROM old)
WHERE tenant_id = $1 AND target_id = $2 AND EXISTS (SELECT FROM old)
RETURNING (SELECT count(*) FROM old)";

/// Removes rows of a target that is gone.
const SWEEP: &str = "
DELETE FROM ingest.forwarding f WHERE f.ctid = ANY (ARRAY(
    SELECT r.ctid FROM ingest.forwarding r WHERE r.tenant_id = $1 AND r.target_id = $2 LIMIT $3))
    AND NOT EXISTS (SELECT FROM ingest.forwarding_target t WHERE t.tenant_id = $1 AND t.target_id = $2)";

const OLDEST: &str = "
SELECT body_id FROM ingest.forwarding WHERE tenant_id = $1 AND target_id = $2 AND sender = lead ORDER BY body_id LIMIT 1";

/// The targets that are not well, by an index that holds no others.
const ILL: &str = "
SELECT count(*) FILTER (WHERE pause_reason IS NULL
        AND (strikes >= $1 OR failures >= $1 AND failing_since <= now() - make_interval(secs => $2))),
    count(*) FILTER (WHERE pause_reason > 1)
FROM ingest.forwarding_target WHERE failures > 0 OR pause_reason > 1";

/// Looks after what waits.
pub(crate) struct Tending {
    pub(crate) database: Database,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Tending {
    /// Looks after it for ever. Replicas may do it at once.
    pub(crate) async fn run(self) {
        // Told as zero from the start: of a counter that appears with its first one, nobody sees that it rose.
        for outcome in ["delivered", "erased", "expired", "refused"] {
            metrics::counter!("tsunagi_ingest_forwarded_total", "outcome" => outcome).increment(0);
        }
        loop {
            if let Err(error) = self.tend().await {
                tracing::warn!(error = %error, "what waits to be forwarded cannot be looked after now");
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn tend(&self) -> Result<(), sqlx::Error> {
        let now = self.clock.now();
        let too_old = first_id(now - PATIENCE);
        let (mut behind, mut oldest) = ((Uuid::nil(), Uuid::nil()), now);
        loop {
            let (targets, next) = waiting::targets(self.database.worker(), behind).await?;
            for target in targets {
                let first = self.end_what_is_over(&target, too_old).await?;
                if let Some(first) = first.filter(|_| !target.is_paused) {
                    oldest = oldest.min(first);
                }
            }
            behind = next;
            if behind.0.is_nil() {
                break;
            }
        }
        let waited = now.signed_duration_since(oldest).to_std().unwrap_or_default();
        metrics::gauge!("tsunagi_ingest_forwarding_oldest_seconds").set(waited.as_secs_f64());
        let ill = sqlx::query(ILL).bind(waiting::down_at());
        let row = ill.bind(TOLD_AFTER.as_seconds_f64()).fetch_one(self.database.worker()).await?;
        #[expect(clippy::cast_precision_loss, reason = "a number of targets")]
        for (at, name) in
            ["tsunagi_ingest_forwarding_targets_down", "tsunagi_ingest_forwarding_targets_paused"].iter().enumerate()
        {
            metrics::gauge!(*name).set(row.try_get::<i64, _>(at)? as f64);
        }
        Ok(())
    }

    /// Ends what of the target is over; when the oldest that still waits came in.
    async fn end_what_is_over(&self, target: &Waiting, too_old: Uuid) -> Result<Option<Timestamp>, sqlx::Error> {
        let worker = self.database.worker();
        if target.is_gone {
            let sweep = || sqlx::query(SWEEP).bind(target.tenant.uuid()).bind(target.target).bind(BATCH);
            while sweep().execute(worker).await?.rows_affected() >= BATCH.unsigned_abs() {}
            return Ok(None);
        }
        loop {
            let expire = sqlx::query_scalar(EXPIRE).bind(target.tenant.uuid()).bind(target.target);
            let ended: Option<i64> = expire.bind(too_old).bind(BATCH).fetch_optional(worker).await?;
            let ended = ended.unwrap_or(0).unsigned_abs();
            if ended > 0 {
                metrics::counter!("tsunagi_ingest_forwarded_total", "outcome" => "expired").increment(ended);
                tracing::warn!(forwarding.target = %target.target, bodies = ended, "bodies were too old to be forwarded");
            }
            if ended < BATCH.unsigned_abs() {
                break;
            }
        }
        let first =
            sqlx::query_scalar(OLDEST).bind(target.tenant.uuid()).bind(target.target).fetch_optional(worker).await?;
        Ok(first.and_then(|body: Uuid| body_time(body.into())))
    }
}
