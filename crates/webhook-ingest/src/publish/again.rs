//! When the stream is not the one that was filled, everything of the last seven days is published again; when its server was
//! started anew, the last minutes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bus::Bus;
use bus::continuity::{Continuity, ContinuityError, Standing};
use bus::stream::Stream;
use chassis::postgres::Database;
use chrono::TimeDelta;
use kernel::{Clock, TenantId, Timestamp};
use uuid::Uuid;
use webhook_ingest_core::first_id;

use crate::accounts::tenants;

/// How often the stream is compared with what is remembered of it.
const EVERY: Duration = Duration::from_secs(2);
/// How often it is looked whether NATS is there.
const UNTIL_CONNECTED: Duration = Duration::from_millis(100);
/// As long as the stream itself keeps a message.
const KEPT_DAYS: i64 = 7;
/// How much older a body may be than its publication from memory: the wait for its commit, and for its turn.
const SLACK: TimeDelta = TimeDelta::minutes(1);
/// Bodies in one row of the table of publications.
const RUN: i64 = 64;
/// Rows made by one statement.
const RUNS: i64 = 128;

/// One replica does it; another takes over when it has said nothing for ten seconds. Doing it twice does no harm.
const CLAIM: &str = "
INSERT INTO ingest.refill AS refill (epoch, holder, claimed_until) VALUES ($1, $2, now() + interval '10 seconds')
ON CONFLICT (tenant_id, epoch) DO UPDATE SET claimed_until = excluded.claimed_until, holder = excluded.holder
WHERE NOT refill.complete AND (refill.claimed_until < now() OR refill.holder = excluded.holder)";

/// What was published late is due again, whatever its bodies' age.
const LATE_ONES: &str = "
WITH late AS (
    DELETE FROM ingest.late_publication WHERE published_at >= $1 RETURNING tenant_id, batch_id, body_ids
)
INSERT INTO ingest.publication (tenant_id, batch_id, due_at, body_ids) SELECT tenant_id, batch_id, now(), body_ids FROM late
ON CONFLICT (tenant_id, batch_id) DO UPDATE SET due_at = now(),
    body_ids = CASE WHEN cardinality(excluded.body_ids) > cardinality(publication.body_ids)
        THEN excluded.body_ids ELSE publication.body_ids END";

/// Runs of bodies behind `$2`, each one row, named after its first body: doing it twice makes no second row, and a run that has
/// grown since takes the place of the shorter one.
const REFILL: &str = "
WITH kept AS (
    SELECT body_id, (row_number() OVER (ORDER BY body_id) - 1) / $3 AS run
    FROM (SELECT body_id FROM ingest.body WHERE tenant_id = $1 AND body_id > $2 ORDER BY body_id LIMIT $4) AS bodies
), runs AS (
    INSERT INTO ingest.publication (tenant_id, batch_id, due_at, body_ids)
    SELECT $1, (array_agg(body_id ORDER BY body_id))[1], now(), array_agg(body_id ORDER BY body_id) FROM kept GROUP BY run
    ON CONFLICT (tenant_id, batch_id) DO UPDATE SET due_at = now(), body_ids = excluded.body_ids
)
SELECT body_id FROM kept ORDER BY body_id DESC LIMIT 1";

/// The highest number the stream gave to one of this replica's events. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Highest(Arc<AtomicU64>);

impl Highest {
    /// Notes an acknowledgement.
    pub(crate) fn note(&self, sequence: u64) {
        self.0.fetch_max(sequence, Ordering::Relaxed);
    }
}

/// Looks after the stream.
pub(crate) struct Again {
    pub(crate) database: Database,
    pub(crate) bus: Bus,
    pub(crate) highest: Highest,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Again {
    /// Compares the stream with what is remembered, for ever.
    pub(crate) async fn run(self) {
        let continuity = Continuity::new(&self.database, Stream::LineWebhook);
        let (holder, mut noted) = (Uuid::new_v4(), (0, 0));
        loop {
            // The first time as soon as may be: of a stream nobody has looked at, nobody sees that it is lost.
            if !self.bus.is_connected() {
                tokio::time::sleep(UNTIL_CONNECTED).await;
                continue;
            }
            match self.look(&continuity, holder, &mut noted).await {
                Ok(()) => {}
                Err(error) => tracing::warn!(error = %error, "the stream is not compared with what is remembered"),
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn look(&self, continuity: &Continuity, holder: Uuid, noted: &mut (i64, u64)) -> Result<(), ContinuityError> {
        let Standing { epoch, refill_from } = continuity.look(&self.bus).await?;
        if noted.0 != epoch {
            // What the stream gave before says nothing about it now.
            self.highest.0.store(0, Ordering::Relaxed);
            *noted = (epoch, 0);
        }
        if let Some(from) = refill_from {
            if self.refill(epoch, from, holder).await? {
                continuity.refilled(epoch).await?;
            }
            return Ok(());
        }
        let highest = self.highest.0.load(Ordering::Relaxed);
        if highest > noted.1 {
            continuity.acknowledged(highest).await?;
            noted.1 = highest;
        }
        Ok(())
    }

    /// Puts everything since then, of seven days at most, back among what is to be published; tells whether it is done, by
    /// whomever.
    async fn refill(&self, epoch: i64, since: Timestamp, holder: Uuid) -> Result<bool, sqlx::Error> {
        let worker = self.database.worker();
        if !self.claim(epoch, holder).await? {
            let complete = sqlx::query_scalar("SELECT complete FROM ingest.refill WHERE epoch = $1").bind(epoch);
            return complete.fetch_one(worker).await;
        }
        let from = since.max(self.clock.now() - TimeDelta::days(KEPT_DAYS)) - SLACK;
        tracing::info!(epoch, %from, "webhooks are published again");
        sqlx::query(LATE_ONES).bind(since).execute(worker).await?;
        let from = first_id(from);
        for tenant in tenants(&self.database).await? {
            let mut behind = Some(from);
            while let Some(after) = behind {
                behind = self.refill_portion(tenant, after).await?;
                self.claim(epoch, holder).await?;
            }
        }
        sqlx::query("UPDATE ingest.refill SET complete = true WHERE epoch = $1").bind(epoch).execute(worker).await?;
        Ok(true)
    }

    /// Claims the refill, or goes on holding it; tells whether it is ours.
    async fn claim(&self, epoch: i64, holder: Uuid) -> Result<bool, sqlx::Error> {
        let claimed = sqlx::query(CLAIM).bind(epoch).bind(holder).execute(self.database.worker()).await?;
        Ok(claimed.rows_affected() > 0)
    }

    /// Puts a portion of a tenant's bodies behind `after` back; the last of them, if there was any.
    async fn refill_portion(&self, tenant: TenantId, after: Uuid) -> Result<Option<Uuid>, sqlx::Error> {
        let mut tx = self.database.tenant(tenant).await?;
        let refill = sqlx::query_scalar(REFILL).bind(tenant.uuid()).bind(after).bind(RUN).bind(RUN * RUNS);
        let last = refill.fetch_optional(&mut *tx).await?;
        tx.commit().await?;
        Ok(last)
    }
}
