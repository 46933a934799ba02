//! Workers: messages from the stream, several of one tenant in one transaction where that is wanted, else one by one.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::AckKind;

use super::job::{Fresh, Job};
use super::parking::Why;
use super::try_out::{Setback, commit};
use super::{Consumer, Handler};
use crate::fate::Verdict;
use crate::inbox;
use crate::parked::{Claim, Next};

/// A message handed out more often than this is put aside before it is tried: what kills the process is counted there.
const UNFINISHED_DELIVERIES: i64 = 3;
/// Waits up to this long are waited out on the spot,
const SHORT_WAIT: Duration = Duration::from_millis(250);
/// this many times.
const SHORT_WAITS: u32 = 3;
/// The pauses while the database is away.
const AWAY_PAUSES: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1)];

impl<H: Handler> Consumer<H> {
    /// Handles what comes until the consumer stops.
    pub(super) async fn work(self: Arc<Self>) -> anyhow::Result<()> {
        while let Some(taken) = self.dispatch.take(self.spec.batch, &self.stopping).await {
            let count = taken.jobs.len();
            let mut fresh: Vec<Box<Fresh<H::Body>>> = Vec::new();
            let mut claims: Vec<Claim> = Vec::new();
            for job in taken.jobs {
                match job {
                    Job::Fresh(message) => fresh.push(message),
                    Job::Parked(claim) => claims.push(claim),
                }
            }
            // What was put aside is older.
            self.retry_all(taken.tenant, &claims).await;
            self.handle_all(fresh).await;
            self.dispatch.release(&taken.hold, count);
        }
        Ok(())
    }

    async fn handle_all(&self, messages: Vec<Box<Fresh<H::Body>>>) {
        let (sound, odd): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|m| m.event.is_ok() && m.deliveries <= UNFINISHED_DELIVERIES);
        if sound.len() > 1 && self.handle_together(&sound).await {
            for message in &sound {
                self.answer(&message.reply, AckKind::Ack).await;
            }
        } else {
            for message in &sound {
                self.handle_alone(message).await;
            }
        }
        for message in &odd {
            let why = match &message.event {
                Err(poison) => Why { next: Next::GaveUp, attempts: 1, reason: poison.to_string() },
                Ok(_) => Why { next: Next::Due(Duration::ZERO), attempts: 0, reason: String::new() },
            };
            self.put_aside(message, why).await;
        }
    }

    /// All in one transaction, or none: whether it is done.
    async fn handle_together(&self, messages: &[Box<Fresh<H::Body>>]) -> bool {
        let done = self.try_together(messages).await.is_ok();
        if !done {
            // Why shows when each is tried alone.
            tracing::debug!(consumer = self.spec.name, count = messages.len(), "each event gets its own transaction");
        }
        done
    }

    async fn try_together(&self, messages: &[Box<Fresh<H::Body>>]) -> Result<(), Setback> {
        let Some(first) = messages.first() else { return Ok(()) };
        let mut tx = self.database.tenant(first.tenant).await.map_err(Setback::of)?;
        let keys = messages.iter().map(|message| message.event_key).collect();
        let mut new = inbox::take(&mut tx, self.number, keys).await.map_err(Setback::of)?;
        // Twice in one batch is still once.
        let events = messages.iter().filter(|message| new.remove(&message.event_key));
        let events: Vec<_> = events.filter_map(|message| message.event.as_ref().ok()).collect();
        self.try_all_in(&mut tx, &events).await?;
        self.commit(tx).await
    }

    /// One message, until it is handled, put aside, or the consumer stops while the database is away.
    async fn handle_alone(&self, message: &Fresh<H::Body>) {
        let (mut short_waits, mut away) = (0, 0);
        loop {
            let setback = match self.try_together_with_nobody(message).await {
                Ok(()) => return self.answer(&message.reply, AckKind::Ack).await,
                Err(setback) => setback,
            };
            match setback {
                Setback::DatabaseAway(error) => {
                    if !self.pause_while_away(&error, &mut away).await {
                        return self.answer(&message.reply, AckKind::Nak(None)).await;
                    }
                }
                Setback::Unavailable(wait, _) if wait <= SHORT_WAIT && short_waits < SHORT_WAITS => {
                    short_waits += 1;
                    tokio::time::sleep(wait).await;
                }
                setback => {
                    let why = self.judge_first(setback);
                    return self.put_aside(message, why).await;
                }
            }
        }
    }

    async fn try_together_with_nobody(&self, message: &Fresh<H::Body>) -> Result<(), Setback> {
        let mut tx = self.database.tenant(message.tenant).await.map_err(Setback::of)?;
        let new = inbox::take(&mut tx, self.number, vec![message.event_key]).await.map_err(Setback::of)?;
        if new.is_empty() {
            metrics::counter!("tsunagi_bus_repeated_total", "consumer" => self.spec.name).increment(1);
            return Ok(());
        }
        if let Ok(event) = &message.event {
            self.try_in(&mut tx, event).await?;
        }
        self.commit(tx).await
    }

    pub(super) async fn commit(&self, tx: chassis::postgres::TenantTx) -> Result<(), Setback> {
        chassis::failpoint::reached("bus.consumer.before_commit");
        commit(tx).await?;
        chassis::failpoint::reached("bus.consumer.after_commit");
        Ok(())
    }

    /// Waits a little longer each time; whether to go on.
    pub(super) async fn pause_while_away(&self, error: &sqlx::Error, times: &mut usize) -> bool {
        if *times == 0 {
            tracing::warn!(consumer = self.spec.name, error = %error, "the database is away; a message waits");
        }
        let pause = AWAY_PAUSES.get(*times).or(AWAY_PAUSES.last()).copied().unwrap_or(SHORT_WAIT);
        *times += 1;
        self.stopping.run_until_cancelled(tokio::time::sleep(pause)).await.is_some()
    }

    fn judge_first(&self, setback: Setback) -> Why {
        match setback {
            Setback::Never(reason) => Why { next: Next::GaveUp, attempts: 1, reason: reason.to_owned() },
            Setback::Unavailable(wait, cause) => {
                Why { next: Next::Due(wait), attempts: 0, reason: super::try_out::told(&*cause) }
            }
            Setback::Failed(cause) => {
                let next = match self.spec.patience.decide(1, Duration::ZERO) {
                    Verdict::Again(pause) => Next::Due(pause),
                    Verdict::GiveUp => Next::GaveUp,
                };
                Why { next, attempts: 1, reason: super::try_out::told(&*cause) }
            }
            Setback::DatabaseAway(error) => {
                Why { next: Next::Due(SHORT_WAIT), attempts: 0, reason: super::try_out::told(&error) }
            }
        }
    }
}
