//! What is committed and was not published in time: published from the archive, by any replica, fairly between tenants.

use std::collections::HashMap;
use std::time::Duration;

use bus::Bus;
use bus::continuity::TAIL_MINUTES;
use bus::stream::Stream;
use chassis::envelope::EnvelopeError;
use chassis::postgres::Database;
use futures::{StreamExt, stream};
use kernel::{AccountId, BodyId, TenantId, Timestamp};
use sqlx::Row;
use tokio::time::Instant;
use uuid::Uuid;
use webhook_ingest_core::read;

use super::LEASE;
use super::send::{Sender, Sent, refused, send};
use crate::taken::Taken;
use crate::vault::Vault;

/// The pause when nothing is due.
const PAUSE: Duration = Duration::from_millis(500);
/// How often the backlog is measured.
const MEASURED_EVERY: Duration = Duration::from_secs(10);
/// How long a claimed row is left to its claimer, who may be dead. Publishing it twice does no harm.
const CLAIM: Duration = Duration::from_secs(5);
/// Rows claimed at once, and of one tenant.
const CLAIMED: i64 = 128;
const CLAIMED_OF_ONE: i64 = 32;
/// Tenants published at once.
const AT_ONCE: usize = 8;

/// Claims due rows of several tenants, those behind `$1` first, a few of each: a tenant with a million rows takes its turn
/// like one with a single row. Finds the tenants by leaping over the index, and changes locked rows by their place, which no
/// statistics can turn into a join that reads the whole backlog.
const CLAIM_ROWS: &str = "
WITH RECURSIVE tenant AS (
    (SELECT tenant_id FROM ingest.publication WHERE tenant_id > $1 ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT p.tenant_id FROM ingest.publication p WHERE p.tenant_id > tenant.tenant_id ORDER BY p.tenant_id LIMIT 1)
    FROM tenant WHERE tenant.tenant_id IS NOT NULL
), claimed AS (
    SELECT due.place
    FROM tenant CROSS JOIN LATERAL (
        SELECT p.ctid AS place FROM ingest.publication p
        WHERE p.tenant_id = tenant.tenant_id AND p.due_at <= now()
        ORDER BY p.batch_id LIMIT $2 FOR UPDATE SKIP LOCKED
    ) AS due
    LIMIT $3
)
UPDATE ingest.publication p SET due_at = now() + make_interval(secs => $4)
WHERE p.ctid = ANY (ARRAY(SELECT place FROM claimed))
RETURNING p.tenant_id, p.batch_id, p.body_ids, p.due_at";

/// Gives claimed rows back that were not published.
const RELEASE: &str = "
UPDATE ingest.publication p SET due_at = now() + make_interval(secs => $4)
FROM unnest($2::uuid[], $3::timestamptz[]) AS claimed (batch_id, due_at)
WHERE p.tenant_id = $1 AND p.batch_id = claimed.batch_id AND p.due_at = claimed.due_at";

/// Batches published late are remembered as long as the stream may forget them. Only rows as they were claimed: one that was put
/// back meanwhile, because the stream has lost something, stays to be published again, with more bodies perhaps.
const MARK_LATE: &str = "
WITH published AS (
    DELETE FROM ingest.publication p USING unnest($2::uuid[], $3::timestamptz[]) AS claimed (batch_id, due_at)
    WHERE p.tenant_id = $1 AND p.batch_id = claimed.batch_id AND p.due_at = claimed.due_at
    RETURNING p.tenant_id, p.batch_id, p.body_ids
)
INSERT INTO ingest.late_publication (tenant_id, batch_id, body_ids) SELECT tenant_id, batch_id, body_ids FROM published
ON CONFLICT (tenant_id, batch_id) DO UPDATE SET published_at = now(), body_ids = excluded.body_ids";

/// The stream may forget what it took in the last minutes before it was last seen alive, and nothing goes while it is not known
/// what it has forgotten.
const FORGET: &str = "
DELETE FROM ingest.late_publication WHERE published_at < (
    SELECT seen_at - make_interval(mins => $1) FROM ingest.stream_state WHERE stream = $2 AND refilled_at IS NOT NULL)";

const BODIES: &str = "
SELECT body_id, account_id, verified_at, trace, payload FROM ingest.body
WHERE tenant_id = $1 AND body_id = ANY ($2) ORDER BY body_id";

/// Which of these events were new with which body.
const NEW_EVENTS: &str = "
SELECT s.body_id, s.place FROM ingest.seen_event s
JOIN unnest($2::uuid[], $3::uuid[]) AS event (account_id, event_id) USING (account_id, event_id)
WHERE s.tenant_id = $1";

/// Why a round did not publish what it had claimed.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the database is away or refused")]
    Database(#[from] sqlx::Error),
    #[error("a body cannot be decrypted")]
    Vault(#[from] EnvelopeError),
    #[error("NATS does not take events now")]
    Nats,
}

/// Publishes what is due.
pub(crate) struct Backlog {
    pub(crate) database: Database,
    pub(crate) vault: Vault,
    pub(crate) bus: Bus,
    pub(crate) sender: Sender,
}

/// A row that is ours to publish until `due_at`, which tells this claim from every other.
struct Claim {
    batch: Uuid,
    bodies: Vec<Uuid>,
    due_at: Timestamp,
}

/// What tells these claims from every other.
fn named<'a>(claims: impl IntoIterator<Item = &'a Claim>) -> (Vec<Uuid>, Vec<Timestamp>) {
    claims.into_iter().map(|claim| (claim.batch, claim.due_at)).unzip()
}

impl Backlog {
    /// Publishes what is due, for ever.
    pub(crate) async fn run(self) {
        let mut behind = Uuid::nil();
        let mut measured = None::<Instant>;
        loop {
            if measured.is_none_or(|at| at.elapsed() > MEASURED_EVERY) {
                measured = Some(Instant::now());
                self.measure().await;
                // What cannot be forgotten now is forgotten the next time.
                let forget = sqlx::query(FORGET).bind(TAIL_MINUTES).bind(Stream::LineWebhook.name());
                let _ = forget.execute(self.database.worker()).await;
            }
            let published = if self.bus.is_connected() { self.round(&mut behind).await } else { Ok(0) };
            match published {
                Ok(0) => tokio::time::sleep(PAUSE).await,
                Ok(count) => tracing::info!(commits = count, "published from the archive"),
                Err(error) => {
                    tracing::warn!(error = %error, "the backlog waits");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Notes how many commits are not published yet, and how old the oldest is.
    async fn measure(&self) {
        let figures = sqlx::query_as(
            "SELECT count(*), coalesce(extract(epoch FROM now() - min(due_at)), 0)::float8 FROM ingest.publication",
        );
        let figures: Result<(i64, f64), sqlx::Error> = figures.fetch_one(self.database.worker()).await;
        if let Ok((commits, overdue)) = figures {
            #[expect(clippy::cast_precision_loss, reason = "a number of commits")]
            metrics::gauge!("tsunagi_ingest_publish_backlog_commits").set(commits as f64);
            let age = if commits == 0 { 0.0 } else { (overdue + LEASE.as_secs_f64()).max(0.0) };
            metrics::gauge!("tsunagi_ingest_publish_backlog_age_seconds").set(age);
        }
    }

    /// Claims and publishes one portion; tells how many commits were published.
    async fn round(&self, behind: &mut Uuid) -> Result<usize, Trouble> {
        let mut claimed = self.claim(*behind).await?;
        if claimed.is_empty() && !behind.is_nil() {
            claimed = self.claim(Uuid::nil()).await?;
        }
        *behind = claimed.keys().map(|tenant| tenant.uuid()).max().unwrap_or_default();
        let outcomes: Vec<(TenantId, Result<usize, Trouble>)> = stream::iter(claimed)
            .map(async |(tenant, claims)| (tenant, self.publish_or_release(tenant, claims).await))
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let (mut published, mut trouble) = (0, None);
        for (tenant, outcome) in outcomes {
            match outcome {
                Ok(commits) => published += commits,
                Err(error) => {
                    tracing::warn!(%tenant, error = %error, "a tenant's backlog waits");
                    trouble = Some(error);
                }
            }
        }
        // One tenant's trouble makes no other wait for the next round.
        trouble.filter(|_| published == 0).map_or(Ok(published), Err)
    }

    /// What is due, by tenant, each tenant's in the order of its commits.
    async fn claim(&self, behind: Uuid) -> Result<HashMap<TenantId, Vec<Claim>>, sqlx::Error> {
        let claim = sqlx::query(CLAIM_ROWS).bind(behind).bind(CLAIMED_OF_ONE).bind(CLAIMED).bind(CLAIM.as_secs_f64());
        let mut claimed: HashMap<TenantId, Vec<Claim>> = HashMap::new();
        for row in claim.fetch_all(self.database.worker()).await? {
            let claim = Claim { batch: row.try_get(1)?, bodies: row.try_get(2)?, due_at: row.try_get(3)? };
            claimed.entry(row.try_get::<Uuid, _>(0)?.into()).or_default().push(claim);
        }
        for claims in claimed.values_mut() {
            claims.sort_unstable_by_key(|claim| claim.batch);
        }
        Ok(claimed)
    }

    /// Publishes what it can of one tenant's commits and gives the others back; tells how many were published.
    async fn publish_or_release(&self, tenant: TenantId, claims: Vec<Claim>) -> Result<usize, Trouble> {
        let outcome = self.publish(tenant, &claims).await;
        let pause = match outcome {
            Ok(published) if published == claims.len() => return Ok(published),
            Ok(_) => Duration::ZERO,
            Err(_) => PAUSE,
        };
        let (names, due) = named(&claims);
        let release = sqlx::query(RELEASE).bind(tenant.uuid()).bind(names).bind(due).bind(pause.as_secs_f64());
        release.execute(self.database.worker()).await?;
        outcome
    }

    /// Publishes commits of one tenant in their order, as many as half of the claim's time is enough for. The stream acknowledges them
    /// meanwhile, and they are marked together: a commit each would make a long backlog of small ones last.
    async fn publish(&self, tenant: TenantId, claims: &[Claim]) -> Result<usize, Trouble> {
        let until = Instant::now() + CLAIM / 2;
        let (mut on_their_way, mut trouble) = (Vec::new(), None);
        for claim in claims {
            match self.send(tenant, claim).await {
                Ok(sent) => on_their_way.push((claim, sent)),
                Err(error) => {
                    trouble = Some(error);
                    break;
                }
            }
            if Instant::now() > until {
                break;
            }
        }
        let mut published = Vec::new();
        for (claim, sent) in on_their_way {
            if sent.all_acknowledged().await {
                published.push(claim);
            } else {
                trouble = trouble.or(Some(Trouble::Nats));
            }
        }
        let (names, due) = named(published.iter().copied());
        let mark_late = sqlx::query(MARK_LATE).bind(tenant.uuid()).bind(names).bind(due);
        mark_late.execute(self.database.worker()).await?;
        trouble.map_or(Ok(published.len()), Err)
    }

    async fn send(&self, tenant: TenantId, claim: &Claim) -> Result<Sent, Trouble> {
        let bodies = self.load(tenant, &claim.bodies).await?;
        send(&self.sender, &bodies).await.map_err(|_| Trouble::Nats)
    }

    /// The bodies as they were taken, with the events that were new with them. What retention or a person has erased since
    /// is not among them.
    async fn load(&self, tenant: TenantId, ids: &[Uuid]) -> Result<Vec<Taken>, Trouble> {
        let mut tx = self.database.tenant(tenant).await?;
        let rows = sqlx::query(BODIES).bind(tenant.uuid()).bind(ids).fetch_all(&mut *tx).await?;
        let mut bodies = Vec::with_capacity(rows.len());
        for row in rows {
            let body = BodyId::from(row.try_get::<Uuid, _>(0)?);
            let payload = match self.vault.open(&self.database, tenant, body, row.try_get(4)?).await {
                Ok(payload) => payload,
                // Changed since it was kept: it opens never, and holds up nobody.
                Err(EnvelopeError::Ciphertext) => {
                    refused((row.try_get::<Uuid, _>(1)?.into(), body), "it cannot be decrypted");
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            bodies.push(Taken {
                tenant,
                account: AccountId::from(row.try_get::<Uuid, _>(1)?),
                body,
                verified_at: row.try_get(2)?,
                trace: row.try_get::<Option<String>, _>(3)?.and_then(|trace| trace.parse().ok()),
                events: read(&payload).map(|reading| reading.events).unwrap_or_default(),
                payload,
                signature: None,
                quarantine: None,
            });
        }
        let of = |id: fn(&Taken, u128) -> Uuid| {
            let ids = bodies.iter().flat_map(|body| body.events.iter().map(move |event| id(body, event.id.0)));
            ids.collect::<Vec<Uuid>>()
        };
        let asked = sqlx::query(NEW_EVENTS)
            .bind(tenant.uuid())
            .bind(of(|body, _| body.account.uuid()))
            .bind(of(|_, event| Uuid::from_u128(event)));
        let new: std::collections::HashSet<(Uuid, i16)> = asked
            .fetch_all(&mut *tx)
            .await?
            .iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect::<Result<_, sqlx::Error>>()?;
        tx.commit().await?;
        for body in &mut bodies {
            let id = body.body.uuid();
            body.events.retain(|event| i16::try_from(event.place).is_ok_and(|place| new.contains(&(id, place))));
        }
        Ok(bodies)
    }
}
