//! Looking the archive and the stream through for what is to be erased, again and again until no copy can come any more.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use bus::publish::PublishError;
use bus::stream::StreamError;
use chassis::Host;
use chassis::envelope::EnvelopeError;
use chassis::postgres::Database;
use chassis::work_queue::{Crew, Job, WorkQueue};
use futures::{StreamExt, stream};
use kernel::{Clock, TenantId};
use uuid::Uuid;
use webhook_ingest_core::Sought;

use super::matter::{self, Matter};
use super::shelf::{Found, Shelf, Shelves};
use crate::vault::Vault;

const QUEUE: WorkQueue =
    WorkQueue { table: "ingest.erasure", subject: "erasure_id", due: "due_at", attempts: "attempts" };
/// Erasures under way at once.
const AT_ONCE: NonZeroUsize = NonZeroUsize::new(4).unwrap();
/// How long an erasure is claimed for, and how long one claim looks at a long archive before it lets others take their turn.
pub(super) const LEASE: Duration = Duration::from_mins(2);
const TURN: Duration = Duration::from_secs(30);
/// How often due ones are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The pause after trouble, times the number of tries.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_mins(10);
/// Looks that go through the stream though they cut nothing: an event may have been on its way there.
pub(super) const FIRST_LOOKS: i16 = 3;
/// What is due for longer than this stands still, and what fails again and again.
const OVERDUE: &str = "
SELECT count(*) FROM ingest.erasure
WHERE due_at < 'infinity' AND (due_at < now() - interval '10 minutes' OR attempts > 8)";
const MEASURED_EVERY: Duration = Duration::from_secs(30);

/// Why a look broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("a body cannot be read or written")]
    Vault(#[from] EnvelopeError),
    #[error("the database is away or refused")]
    Database(#[from] sqlx::Error),
    #[error("the stream does not let go of events now")]
    Stream(#[from] StreamError),
    #[error("the stream does not take what is left of an event now")]
    Publish(#[source] PublishError),
    #[error("what is sought cannot be told")]
    Unknown,
    #[error("somebody else has it in hand now")]
    Lost,
}

/// How a turn ended.
enum Turned {
    /// The look is over, and when the next one is due is noted.
    Noted,
    /// It goes on in the next turn.
    Unfinished,
}

/// Erases what is to be erased.
#[derive(Clone)]
pub(crate) struct Sweeper {
    pub(crate) database: Database,
    pub(crate) vault: Vault,
    pub(crate) bus: Bus,
    pub(crate) clock: Arc<dyn Clock>,
    /// For how long an event is taken at all.
    pub(crate) seen_days: u16,
}

impl Sweeper {
    /// Works under `host`.
    pub(crate) fn spawn(self, host: &Host) {
        let database = self.database.clone();
        let crew = Crew { queue: QUEUE, at_once: AT_ONCE, lease: LEASE, look_every: LOOK_EVERY };
        crew.spawn(host, "ingest.erasure", &database, stream::pending().boxed(), move |job| {
            let sweeper = self.clone();
            async move { sweeper.work(job).await }
        });
    }

    /// Notes how many erasures stand still, for ever.
    pub(crate) async fn measure(database: Database) {
        loop {
            if let Ok(overdue) = sqlx::query_scalar::<_, i64>(OVERDUE).fetch_one(database.worker()).await {
                #[expect(clippy::cast_precision_loss, reason = "a number of erasures")]
                metrics::gauge!("tsunagi_ingest_erasures_overdue").set(overdue as f64);
            }
            tokio::time::sleep(MEASURED_EVERY).await;
        }
    }

    async fn work(&self, job: Job) {
        let wait = match self.look(&job).await {
            Ok(Turned::Noted) => return,
            Ok(Turned::Unfinished) => Duration::ZERO,
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(erasure = %job.subject, error = %error, cause, "an erasure is tried again");
                (PAUSE * u32::from(job.attempts)).min(LONGEST_PAUSE)
            }
        };
        // Should this fail, the claim runs out, and it is looked for again.
        if let Err(error) = QUEUE.postpone(self.database.worker(), &job, Some(wait)).await {
            tracing::warn!(erasure = %job.subject, error = %error, "an erasure is looked for again later");
        }
    }

    /// Looks the archive through, and notes that it did and when the next look is due, in one.
    async fn look(&self, job: &Job) -> Result<Turned, Trouble> {
        let until = tokio::time::Instant::now() + TURN;
        self.vault.learn(&self.database, &[job.tenant]).await?;
        loop {
            let mut tx = self.database.tenant(job.tenant).await?;
            let found = matter::find(&mut tx, job.subject).await?;
            tx.commit().await?;
            let Some(matter) = found else { return Ok(Turned::Noted) };
            let wait = self.next_look(&matter);
            let is_over = match matter.sought(job.tenant, &self.vault).ok_or(Trouble::Unknown)? {
                Sought::Message(_) => {
                    self.look_for_messages(job, matter).await?;
                    true
                }
                sought @ Sought::LineUser { .. } => self.step_for_person(job, &matter, &sought).await?,
            };
            if is_over {
                let mut tx = self.database.tenant(job.tenant).await?;
                matter::looked(&mut tx, std::iter::once((job.subject, job.claim, wait))).await?;
                tx.commit().await?;
                return Ok(Turned::Noted);
            }
            if tokio::time::Instant::now() > until {
                return Ok(Turned::Unfinished);
            }
        }
    }

    /// When the next look is due after one that ends now.
    pub(super) fn next_look(&self, matter: &Matter) -> Option<Duration> {
        let looks = u16::try_from(matter.looks).unwrap_or(0).saturating_add(1);
        let wait = matter.cause().next_look(looks, matter.asked_at, self.clock.now(), self.seen_days);
        wait.and_then(|wait| wait.to_std().ok())
    }

    /// Cuts what is sought by these erasures, each by one, out of these bodies; notes and tells of each from how many events.
    pub(super) async fn cut(
        &self,
        shelves: Shelves<'_>,
        shelf: Shelf,
        found: &[Found],
        sought: &[Sought],
        erasures: &[Uuid],
    ) -> Result<Vec<usize>, Trouble> {
        if found.is_empty() {
            return Ok(vec![0; erasures.len()]);
        }
        let mut tx = self.database.tenant(shelves.tenant).await?;
        let erased = shelves.cut(&mut tx, shelf, found, sought).await?;
        for (erasure, events) in erasures.iter().zip(&erased) {
            matter::erased(&mut tx, *erasure, *events).await?;
        }
        tx.commit().await?;
        metrics::counter!("tsunagi_ingest_erased_events_total").increment(erased.iter().sum::<usize>() as u64);
        chassis::failpoint::reached("ingest.after_cut");
        Ok(erased)
    }

    /// The bodies of a tenant.
    pub(super) fn shelves(&self, tenant: TenantId) -> Shelves<'_> {
        Shelves { database: &self.database, vault: &self.vault, tenant }
    }
}
