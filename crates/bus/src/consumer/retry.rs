//! What was put aside, tried again: when its time comes, in turns between tenants, with every attempt counted in Postgres before it
//! begins.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kernel::TenantId;
use tokio::time::Instant;
use uuid::Uuid;

use super::job::Job;
use super::parking::Why;
use super::try_out::{Setback, told};
use super::{Consumer, Handler};
use crate::dead_letter;
use crate::fate::Verdict;
use crate::incoming::Incoming;
use crate::parked::{self, Claim, Claimed, Next, Opened};

/// How often due messages are looked for when nobody says that there are some.
const LOOKS_EVERY: Duration = Duration::from_secs(1);
/// Claimed at once.
const CLAIM: usize = 192;
/// How often the figures are taken.
const FIGURES_EVERY: Duration = Duration::from_secs(10);

impl<H: Handler> Consumer<H> {
    /// Brings due messages to the workers until the consumer stops.
    pub(super) async fn retry(self: Arc<Self>) -> anyhow::Result<()> {
        let mut from = Uuid::nil();
        let mut figures = None::<Instant>;
        let mut told = false;
        while !self.stopping.is_cancelled() {
            if figures.is_none_or(|at| at.elapsed() > FIGURES_EVERY) {
                figures = Some(Instant::now());
                self.note_figures().await;
            }
            let room = self.dispatch.until_room(CLAIM / 4, false);
            let Some(room) = self.stopping.run_until_cancelled(room).await else { break };
            let limit = i64::try_from(room.min(CLAIM)).unwrap_or(i64::MAX);
            match parked::claim(&self.database, self.spec.name, from, limit).await {
                Ok(claimed) => {
                    told = false;
                    let complete = from.is_nil() && claimed.next.is_nil();
                    from = claimed.next;
                    let idle = claimed.claims.is_empty() && complete;
                    self.begin(claimed, complete).await;
                    if !idle {
                        continue;
                    }
                }
                Err(error) if !told => {
                    tracing::warn!(consumer = self.spec.name, error = %error, "due messages cannot be looked for now");
                    told = true;
                }
                Err(_) => {}
            }
            self.stopping.run_until_cancelled(self.dispatch.until_due(LOOKS_EVERY)).await;
        }
        Ok(())
    }

    async fn begin(&self, claimed: Claimed, complete: bool) {
        let Claimed { claims, share, .. } = claimed;
        if complete && self.dispatch.overflow.is_any() {
            let mut counts: HashMap<TenantId, usize> = HashMap::new();
            for claim in &claims {
                *counts.entry(claim.tenant.into()).or_default() += 1;
            }
            self.dispatch.overflow.keep(&counts, share);
        }
        for claim in claims {
            self.in_hand.hold_claim(claim.tenant, claim.message_id);
            let pushed = self.dispatch.push(claim.tenant.into(), claim.order_key.cast_unsigned(), Job::Parked(claim));
            if let Err(job) = pushed {
                self.give_back(vec![job]).await;
            }
        }
    }

    /// Tries claimed messages of one tenant, together if that works, else one by one.
    pub(super) async fn retry_all(&self, tenant: TenantId, claims: &[Claim]) {
        if claims.len() > 1 && self.retry_together(tenant, claims).await.is_ok() {
            for claim in claims {
                self.in_hand.let_claim_go(claim.tenant, claim.message_id);
            }
            return;
        }
        for claim in claims {
            self.retry_alone(tenant, claim.message_id).await;
            self.in_hand.let_claim_go(claim.tenant, claim.message_id);
        }
    }

    async fn retry_together(&self, tenant: TenantId, claims: &[Claim]) -> Result<(), Setback> {
        let mut tx = self.database.tenant_planning_anew(tenant).await.map_err(Setback::of)?;
        let ids: Vec<Uuid> = claims.iter().map(|claim| claim.message_id).collect();
        let opened = parked::open(&mut tx, &ids).await.map_err(Setback::of)?;
        let events = opened.iter().map(|opened| self.decode(opened)).collect::<Result<Vec<_>, _>>()?;
        self.try_all_in(&mut tx, &events.iter().collect::<Vec<_>>()).await?;
        parked::handled(&mut tx, &ids).await.map_err(Setback::of)?;
        self.commit(tx).await
    }

    async fn retry_alone(&self, tenant: TenantId, message: Uuid) {
        let mut away = 0;
        let mut judged: Option<Judged<H::Body>> = None;
        loop {
            let outcome = match &judged {
                None => self.try_alone(tenant, message).await,
                Some(judged) => self.put_back(tenant, message, judged).await.map(|()| None),
            };
            match outcome {
                Ok(None) => return,
                Ok(verdict) => judged = verdict,
                Err(error) => {
                    if !self.pause_while_away(&error, &mut away).await {
                        return self.give_claims_back(&[(tenant.uuid(), message)]).await;
                    }
                }
            }
        }
    }

    fn decode(&self, message: &Opened) -> Result<Incoming<H::Body>, Setback> {
        message.raw.decode(self.spec.name, message.attempts).map_err(|poison| Setback::Never(poison.reason()))
    }

    /// One try; what is to be written about it when it was not handled.
    async fn try_alone(&self, tenant: TenantId, message: Uuid) -> Result<Option<Judged<H::Body>>, sqlx::Error> {
        let mut tx = self.database.tenant_planning_anew(tenant).await?;
        let Some(opened) = parked::open(&mut tx, &[message]).await?.pop() else { return Ok(None) };
        let tried = async {
            let event = self.decode(&opened)?;
            self.try_in(&mut tx, &event).await?;
            parked::handled(&mut tx, &[message]).await.map_err(Setback::of)?;
            self.commit(tx).await
        };
        match tried.await {
            Ok(()) => Ok(None),
            Err(Setback::DatabaseAway(error)) => Err(error),
            Err(setback) => {
                let (why, counted) = self.judge(&opened, &setback);
                Ok(Some(Judged { why, counted, event: self.decode(&opened).ok() }))
            }
        }
    }

    fn judge(&self, message: &Opened, setback: &Setback) -> (Why, bool) {
        let attempts = message.attempts;
        match setback {
            Setback::Unavailable(wait, cause) => {
                (Why { next: Next::Due(*wait), attempts, reason: told(&**cause) }, false)
            }
            Setback::Never(reason) => (Why { next: Next::GaveUp, attempts, reason: (*reason).to_owned() }, true),
            Setback::Failed(cause) => {
                let next = match self.spec.patience.decide(attempts, message.age) {
                    // Somebody asked for this one try.
                    Verdict::Again(pause) if !message.replaying => Next::Due(pause),
                    _ => Next::GaveUp,
                };
                (Why { next, attempts, reason: told(&**cause) }, true)
            }
            Setback::DatabaseAway(error) => {
                (Why { next: Next::Due(LOOKS_EVERY), attempts, reason: told(error) }, false)
            }
        }
    }

    async fn put_back(&self, tenant: TenantId, message: Uuid, judged: &Judged<H::Body>) -> Result<(), sqlx::Error> {
        let Judged { why, counted, event } = judged;
        let mut tx = self.database.tenant_planning_anew(tenant).await?;
        if let Some(event) = event
            && self.handler.must_forget(&mut tx, event).await?
        {
            dead_letter::erase(&mut tx, &event.header.id).await?;
            return tx.commit().await;
        }
        parked::put_back(&mut tx, message, why.next, *counted, &why.reason).await?;
        tx.commit().await?;
        self.note_aside(&message.to_string(), why);
        Ok(())
    }

    pub(super) async fn give_claims_back(&self, claims: &[(Uuid, Uuid)]) {
        if claims.is_empty() {
            return;
        }
        if let Err(error) = parked::give_back(&self.database, claims).await {
            tracing::debug!(consumer = self.spec.name, error = %error, "claims were not given back and will expire");
        }
        for (tenant, message) in claims {
            self.in_hand.let_claim_go(*tenant, *message);
        }
    }

    async fn note_figures(&self) {
        match parked::count(&self.database, self.spec.name).await {
            Ok((due, given_up)) => {
                let set = |name, value: i64| {
                    #[expect(clippy::cast_precision_loss, reason = "at most 100,000")]
                    metrics::gauge!(name, "consumer" => self.spec.name).set(value as f64);
                };
                set("tsunagi_bus_parked", due);
                set("tsunagi_bus_dead_letters", given_up);
            }
            Err(error) => tracing::debug!(consumer = self.spec.name, error = %error, "parked messages are not counted"),
        }
    }
}

/// What came of a try that failed.
struct Judged<B> {
    why: Why,
    /// Whether the try says something about the message.
    counted: bool,
    /// None: it cannot be read.
    event: Option<Incoming<B>>,
}
