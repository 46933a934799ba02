//! Calls targets: each its share of what a replica does at once, so that who answers slowly keeps nobody waiting.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chassis::egress::Egress;
use chassis::postgres::Database;
use kernel::{Clock, Timestamp};
use tokio::time::Instant;
use uuid::Uuid;
use webhook_ingest_core::forwarding::attempt::{Failure, Outcome};

use super::claim::{Job, claim};
use super::hands::Hands;
use super::load::{LoadError, Loaded, load};
use super::settle::{self, After, Dropped};
use super::waiting::{self, Named, Place};
use super::{CALLED_WITHIN, Forwarded, Spilled, call};
use crate::vault::Vault;

/// How often is looked through what waits when nobody says that something does.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Calls that end within this time make room together.
const GATHERED_FOR: Duration = Duration::from_millis(20);

/// Forwards what waits.
#[derive(Clone)]
pub(crate) struct Forwarder {
    pub(crate) database: Database,
    pub(crate) egress: Egress,
    pub(crate) forwarded: Forwarded,
    pub(crate) vault: Vault,
    pub(crate) spill: Spilled,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Forwarder {
    /// Forwards for ever; what is under way when it is cut off is called again when its claim has run out.
    pub(crate) async fn run(self) {
        let mut hands = Hands::default();
        let mut round = Round::default();
        loop {
            if let Err(error) = self.claim(&mut hands, &mut round).await {
                tracing::warn!(error = %error, "what is to be forwarded cannot be looked for now");
            }
            tokio::select! {
                Some(target) = hands.ended() => {
                    round.ended.insert(target);
                    tokio::time::sleep(GATHERED_FOR).await;
                    round.ended.extend(hands.ended_meanwhile());
                }
                () = self.forwarded.until_woken() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Claims what there is room for, and begins to call. Those with the fewest calls under way come first, so that who answers slowly
    /// keeps nobody waiting who answers at once.
    async fn claim(&self, hands: &mut Hands, round: &mut Round) -> Result<(), sqlx::Error> {
        let mut targets = self.targets(round).await?;
        // Among equals nobody is always the last.
        targets.sort_by_cached_key(|target| (hands.calls_of(*target), rand::random::<u32>()));
        if targets.is_empty() {
            return Ok(());
        }
        let mut connection = self.database.worker().acquire().await?;
        for target in targets {
            let room = hands.room(target);
            if room.calls == 0 {
                continue;
            }
            if self.spill.is_waited_for().await {
                return Ok(());
            }
            let lane = round.lanes.get(&target.1).copied().unwrap_or_default();
            let claimed = claim(&mut connection, target, lane, room).await?;
            round.note(target.1, claimed.next_lane);
            for job in claimed.jobs {
                hands.begin(target, job.size, self.clone().forward(job));
            }
        }
        Ok(())
    }

    /// Targets that something waits for and that may be tried now: those for which something came, those that have room again, and
    /// now and then some of all.
    async fn targets(&self, round: &mut Round) -> Result<Vec<Named>, sqlx::Error> {
        let (woken, ended) = (self.forwarded.take_woken(), std::mem::take(&mut round.ended));
        let mut found = HashSet::new();
        if !woken.is_empty() || !ended.is_empty() {
            found.extend(waiting::open(self.database.worker(), &woken, &ended).await?);
        }
        if round.looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            let (some, next) = waiting::targets(self.database.worker(), round.behind).await?;
            (round.behind, round.looked) = (next, Some(Instant::now()));
            let open = some.iter().filter(|target| target.is_open && !target.is_paused && !target.is_gone);
            found.extend(open.map(|target| (target.tenant, target.target)));
        }
        Ok(found.into_iter().collect())
    }

    async fn forward(self, job: Job) {
        if let Err(error) = self.try_to_forward(&job).await {
            // The claim runs out, and it is called again.
            tracing::warn!(forwarding.target = %job.target, body = %job.body, error = %error, "a forwarded body cannot be settled now");
        }
    }

    async fn try_to_forward(&self, job: &Job) -> Result<(), LoadError> {
        let worker = self.database.worker();
        match load(&self.database, &self.vault, job).await? {
            // Too late to end before the claim does.
            Loaded::Call { .. } if job.since.elapsed() > CALLED_WITHIN => Ok(settle::given_back(worker, job).await?),
            Loaded::Call { url, payload, received_at } => {
                chassis::failpoint::reached("ingest.before_forward");
                let (outcome, asked) = call::call(&self.egress, job, &url, payload, self.clock.now()).await;
                chassis::failpoint::reached("ingest.after_forward");
                Ok(self.settle(job, outcome, asked, received_at).await?)
            }
            Loaded::Nowhere => {
                let nowhere = Outcome::Failed(Failure::AddressForbidden);
                Ok(self.settle(job, nowhere, None, self.clock.now()).await?)
            }
            Loaded::Paused => Ok(settle::given_back(worker, job).await?),
            // Its rows are swept.
            Loaded::TargetGone => Ok(()),
            Loaded::Erased => {
                settle::dropped(worker, job, Dropped::Erased).await?;
                count("erased");
                Ok(())
            }
            Loaded::BodyGone => {
                settle::dropped(worker, job, Dropped::Expired).await?;
                count("expired");
                Ok(())
            }
        }
    }

    async fn settle(
        &self,
        job: &Job,
        outcome: Outcome,
        asked: Option<Duration>,
        received_at: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let worker = self.database.worker();
        let (failure, gone) = match outcome {
            Outcome::Taken => {
                settle::taken(worker, job).await?;
                count("delivered");
                let age = self.clock.now().signed_duration_since(received_at).to_std().unwrap_or_default();
                metrics::histogram!("tsunagi_ingest_forwarding_seconds").record(age.as_secs_f64());
                return Ok(());
            }
            Outcome::Gone => (Failure::Refused, true),
            Outcome::Failed(failure) => (failure, false),
        };
        metrics::counter!("tsunagi_ingest_forwarding_failures_total", "kind" => failure.name()).increment(1);
        let After { given_up, paused } = settle::failed(worker, job, failure, gone, asked).await?;
        if given_up {
            count("refused");
            tracing::warn!(forwarding.target = %job.target, body = %job.body, kind = failure.name(), "a body is forwarded no more");
        }
        if let Some(reason) = paused {
            tracing::error!(forwarding.target = %job.target, tenant = %job.tenant, reason = reason.code(), "a forwarding target is paused");
        }
        Ok(())
    }
}

/// Counts bodies that wait no more.
pub(super) fn count(outcome: &'static str) {
    metrics::counter!("tsunagi_ingest_forwarded_total", "outcome" => outcome).increment(1);
}

/// Where the next look begins.
#[derive(Default)]
struct Round {
    /// Targets that have room again.
    ended: HashSet<Named>,
    /// When some of all were looked at, and where to go on.
    looked: Option<Instant>,
    behind: Place,
    /// The lane to begin with, of targets with more lanes than one claim looks at.
    lanes: HashMap<Uuid, Uuid>,
}

impl Round {
    fn note(&mut self, target: Uuid, next_lane: Uuid) {
        if next_lane.is_nil() {
            self.lanes.remove(&target);
        } else {
            self.lanes.insert(target, next_lane);
        }
    }
}
