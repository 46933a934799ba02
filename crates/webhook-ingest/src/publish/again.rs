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
/// Bodies put back by one statement.
const PORTION: i64 = 8_192;

/// One replica does it; another takes over, where that one was, when it has said nothing for ten seconds. Doing it twice does no
/// harm.
const CLAIM: &str = "
INSERT INTO ingest.refill AS refill (epoch, holder, claimed_until) VALUES ($1, $2, now() + interval '10 seconds')
ON CONFLICT (tenant_id, epoch) DO UPDATE SET claimed_until = excluded.claimed_until, holder = excluded.holder
WHERE NOT refill.complete AND (refill.claimed_until < now() OR refill.holder = excluded.holder)
RETURNING at_tenant, from_body";

/// Notes how far it has come, and holds it on, if it is still ours.
const GO_ON: &str = "
UPDATE ingest.refill SET claimed_until = now() + interval '10 seconds', at_tenant = $3, from_body = $4
WHERE epoch = $1 AND holder = $2 AND NOT complete";

/// What was published late is due again, when some of its bodies are too old for the refill. The others it brings back itself:
/// they would come twice, and more often each time a server dies again soon.
const LATE_ONES: &str = "
WITH late AS (
    DELETE FROM ingest.late_publication WHERE published_at >= $1 AND $2 >= ANY (body_ids)
    RETURNING tenant_id, batch_id, body_ids
)
INSERT INTO ingest.publication (tenant_id, batch_id, due_at, body_ids) SELECT tenant_id, batch_id, now(), body_ids FROM late
ON CONFLICT (tenant_id, batch_id) DO UPDATE SET due_at = now(),
    body_ids = ARRAY(SELECT unnest(publication.body_ids) UNION SELECT unnest(excluded.body_ids) ORDER BY 1)";

/// Runs of bodies from `$2` on, each one row, named after the body that begins it; what comes behind them, if anything does. The
/// bodies themselves say where a run begins, at about every 64th: a refill from another moment on makes the same rows, and adds
/// to those that still wait instead of putting others beside them.
const REFILL: &str = "
WITH portion AS (
    SELECT body_id, count(*) FILTER (WHERE ingest.begins_run(body_id)) OVER (ORDER BY body_id) AS run
    FROM (SELECT body_id FROM ingest.body WHERE tenant_id = $1 AND body_id >= $2 ORDER BY body_id LIMIT $3) AS bodies
), rest AS (
    SELECT body_id FROM portion
    WHERE (SELECT count(*) FROM portion) = $3 AND run = (SELECT max(run) FROM portion) AND body_id > $2
    ORDER BY body_id LIMIT 1
), runs AS (
    INSERT INTO ingest.publication (tenant_id, batch_id, due_at, body_ids)
    SELECT $1, CASE WHEN run > 0 THEN (array_agg(body_id ORDER BY body_id))[1] ELSE coalesce((
            SELECT body_id FROM ingest.body WHERE tenant_id = $1 AND body_id < $2 AND ingest.begins_run(body_id)
            ORDER BY body_id DESC LIMIT 1
        ), '00000000-0000-0000-0000-000000000000') END, now(), array_agg(body_id ORDER BY body_id)
    FROM portion WHERE NOT EXISTS (SELECT FROM rest WHERE rest.body_id <= portion.body_id) GROUP BY run
    ON CONFLICT (tenant_id, batch_id) DO UPDATE SET due_at = now(),
        body_ids = ARRAY(SELECT unnest(publication.body_ids) UNION SELECT unnest(excluded.body_ids) ORDER BY 1)
)
SELECT body_id FROM rest";

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
        let claim = sqlx::query_as(CLAIM).bind(epoch).bind(holder).fetch_optional(worker).await?;
        let Some((at_tenant, at_body)): Option<(Uuid, Option<Uuid>)> = claim else {
            let complete = sqlx::query_scalar("SELECT complete FROM ingest.refill WHERE epoch = $1").bind(epoch);
            return complete.fetch_one(worker).await;
        };
        let from = first_id(since.max(self.clock.now() - TimeDelta::days(KEPT_DAYS)) - SLACK);
        tracing::info!(epoch, %since, "webhooks are published again");
        sqlx::query(LATE_ONES).bind(since).bind(from).execute(worker).await?;
        for tenant in tenants(&self.database).await?.into_iter().filter(|tenant| tenant.uuid() >= at_tenant) {
            let begun = at_body.filter(|_| tenant.uuid() == at_tenant);
            let mut place = Some(begun.unwrap_or(from));
            while let Some(from) = place {
                let go_on = sqlx::query(GO_ON).bind(epoch).bind(holder).bind(tenant.uuid()).bind(from);
                if go_on.execute(worker).await?.rows_affected() == 0 {
                    return Ok(false);
                }
                place = self.refill_portion(tenant, from).await?;
            }
        }
        let complete = sqlx::query("UPDATE ingest.refill SET complete = true WHERE epoch = $1 AND holder = $2");
        Ok(complete.bind(epoch).bind(holder).execute(worker).await?.rows_affected() > 0)
    }

    /// Puts a portion of a tenant's bodies, `from` and younger, back; where the next one begins, if there is more.
    async fn refill_portion(&self, tenant: TenantId, from: Uuid) -> Result<Option<Uuid>, sqlx::Error> {
        let mut tx = self.database.tenant(tenant).await?;
        let refill = sqlx::query_scalar(REFILL).bind(tenant.uuid()).bind(from).bind(PORTION);
        let rest = refill.fetch_optional(&mut *tx).await?;
        tx.commit().await?;
        Ok(rest)
    }
}
