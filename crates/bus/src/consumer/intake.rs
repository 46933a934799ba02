//! Intake: pulls as many messages as there is room for, and makes the consumer again when it is gone.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::{self, AckKind};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use kernel::TenantId;
use tokio::time::Instant;

use super::in_hand::ACK_WAIT;
use super::job::{Fresh, Job};
use super::{Consumer, Handler};

/// Messages asked for at once,
const PULL: usize = 256;
/// and while those of some tenant pile up, which take no room.
const LARGE_PULL: usize = 1024;
/// How long a pull lasts; also how long one that the server has forgotten goes unnoticed. The client asks for no heartbeats: one
/// that comes between messages would make its pull miss the next message.
const PULL_LASTS: Duration = Duration::from_secs(5);
/// Messages that all replicas together may hold.
const HELD: i64 = 8192;
/// The pause after the stream or the consumer could not be had.
const PAUSE: Duration = Duration::from_millis(250);
/// A tenant that waits with this many may be parked,
const SHARE: usize = 64;
/// when more than this lies behind in the stream, or more than can be handled in a fifth of a second.
const BEHIND: u64 = 512;
/// Messages put aside by one statement.
const PARKED_AT_ONCE: usize = 512;
/// Such statements at once.
const PARKED_BESIDE: usize = 2;
/// How long the first of them waits for the others.
const PARKED_WITHIN: Duration = Duration::from_millis(5);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Whose events pile up, and how fast work goes.
#[derive(Debug, Default)]
pub(super) struct Overflow {
    tenants: Mutex<HashSet<TenantId>>,
}

impl Overflow {
    fn is_over(&self, tenant: TenantId) -> bool {
        self.tenants().contains(&tenant)
    }

    fn add(&self, tenant: TenantId) {
        self.tenants().insert(tenant);
    }

    /// Whether anybody's events pile up.
    pub(super) fn is_any(&self) -> bool {
        !self.tenants().is_empty()
    }

    /// Keeps those whose parked messages are not all begun: `counts` says how many were begun now, `share` how many at most.
    pub(super) fn keep(&self, counts: &HashMap<TenantId, usize>, share: usize) {
        self.tenants().retain(|tenant| counts.get(tenant).is_some_and(|count| *count >= share));
    }

    fn tenants(&self) -> std::sync::MutexGuard<'_, HashSet<TenantId>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a tenant that waits with `waiting` messages is put aside, when `behind` lie behind in the stream and `per_second` are
/// handled.
fn piles_up(waiting: usize, behind: u64, per_second: u64) -> bool {
    waiting >= SHARE && behind > BEHIND.max(per_second / 5)
}

/// How many jobs are handled in a second, measured now and then.
struct Rate {
    since: Instant,
    handled: u64,
    per_second: u64,
}

impl Rate {
    fn note(&mut self, handled: u64) {
        let millis = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        if millis >= 500 {
            self.per_second = handled.saturating_sub(self.handled) * 1000 / millis;
            (self.since, self.handled) = (Instant::now(), handled);
        }
    }
}

impl<H: Handler> Consumer<H> {
    /// Takes messages in until the consumer stops; gives back what was not begun then.
    pub(super) async fn take_in(self: Arc<Self>) -> anyhow::Result<()> {
        let mut told = false;
        while !self.stopping.is_cancelled() {
            let begun = Instant::now();
            if let Err(error) = self.pull().await {
                // Once for each time it breaks, not for each attempt to set it up.
                if !told || begun.elapsed() > PULL_LASTS * 2 {
                    tracing::info!(consumer = self.spec.name, error = %error, "the consumer is set up again");
                }
                told = true;
                metrics::counter!("tsunagi_bus_consumer_set_up_total", "consumer" => self.spec.name).increment(1);
                self.stopping.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
            }
        }
        self.give_all_back().await;
        Ok(())
    }

    async fn pull(&self) -> Result<(), BoxError> {
        let consumer = self.set_up().await?;
        let mut rate = Rate { since: Instant::now(), handled: self.dispatch.handled(), per_second: 0 };
        while !self.stopping.is_cancelled() {
            let room = self.dispatch.until_room(PULL / 4, true);
            let Some(room) = self.stopping.run_until_cancelled(room).await else { break };
            let wanted = if self.dispatch.overflow.is_any() { LARGE_PULL } else { room.min(PULL) };
            let losses = self.bus.losses();
            let batch = consumer.batch().max_messages(wanted).expires(PULL_LASTS).messages().await?;
            self.read(batch, losses, &mut rate).await?;
        }
        Ok(())
    }

    async fn set_up(&self) -> Result<PullConsumer, BoxError> {
        let stream = self.bus.stream(self.spec.stream).await?;
        let config = pull::Config {
            durable_name: Some(self.bus.durable_name(self.database.schema(), self.spec.name)),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            // Attempts are counted in Postgres; a message is never dropped by the server.
            max_deliver: -1,
            max_ack_pending: HELD,
            filter_subjects: self.spec.subjects.iter().map(|filter| self.bus.prefixed(&filter.to_string())).collect(),
            ..pull::Config::default()
        };
        Ok(stream.create_consumer(config).await?)
    }

    /// Reads one pull to its end: complete, expired, or broken. What piles up is put aside while the next messages are read.
    async fn read(
        &self,
        mut batch: pull::Batch,
        mut losses: tokio::sync::watch::Receiver<u64>,
        rate: &mut Rate,
    ) -> Result<(), BoxError> {
        let mut overflow: Vec<Box<Fresh<H::Body>>> = Vec::new();
        let mut parking = FuturesUnordered::new();
        let ended = loop {
            let may_park = parking.len() < PARKED_BESIDE;
            if may_park && overflow.len() >= PARKED_AT_ONCE {
                parking.push(self.park_or_queue(std::mem::take(&mut overflow)));
            }
            tokio::select! {
                biased;
                Some(()) = parking.next() => {}
                message = batch.next(), if overflow.len() < PARKED_AT_ONCE => match message {
                    Some(Ok(message)) => self.receive(message, rate, &mut overflow).await,
                    Some(Err(error)) => break Err(error),
                    None => break Ok(()),
                },
                () = self.stopping.cancelled() => break Ok(()),
                _ = losses.changed() => break Err("the connection was lost".into()),
                () = tokio::time::sleep(PARKED_WITHIN), if may_park && !overflow.is_empty() => {
                    parking.push(self.park_or_queue(std::mem::take(&mut overflow)));
                }
            }
        };
        parking.push(self.park_or_queue(overflow));
        while parking.next().await.is_some() {}
        ended
    }

    async fn receive(&self, message: jetstream::Message, rate: &mut Rate, overflow: &mut Vec<Box<Fresh<H::Body>>>) {
        let Some(message) = Fresh::read(&self.bus, message, self.spec.name, self.spec.order_by).map(Box::new) else {
            tracing::warn!(consumer = self.spec.name, "a message that came from no stream is passed over");
            return;
        };
        self.in_hand.hold_message(&message.reply);
        rate.note(self.dispatch.handled());
        let tenant = message.tenant;
        let piles_up = piles_up(self.dispatch.waiting_of(tenant), message.behind, rate.per_second);
        if piles_up {
            self.dispatch.overflow.add(tenant);
        }
        // Later ones of such a tenant follow the earlier ones, until those are begun.
        if message.event.is_ok() && self.dispatch.overflow.is_over(tenant) {
            overflow.push(message);
        } else {
            self.queue(message).await;
        }
    }

    async fn park_or_queue(&self, messages: Vec<Box<Fresh<H::Body>>>) {
        if messages.is_empty() {
            return;
        }
        if let Err(error) = self.park(&messages).await {
            tracing::warn!(consumer = self.spec.name, error = %error, "messages that pile up cannot be put aside");
            for message in messages {
                self.queue(message).await;
            }
        }
    }

    async fn queue(&self, message: Box<Fresh<H::Body>>) {
        let (tenant, key) = (message.tenant, message.order_key);
        if let Err(job) = self.dispatch.push(tenant, key, Job::Fresh(message)) {
            self.give_back(vec![job]).await;
        }
    }

    /// After the stop: what nobody began is free for the other replicas at once.
    async fn give_all_back(&self) {
        self.give_back(self.dispatch.close()).await;
        if let Ok(Err(error)) = tokio::time::timeout(PAUSE * 4, self.bus.client().flush()).await {
            tracing::debug!(consumer = self.spec.name, error = %error, "not everything was given back");
        }
    }

    pub(super) async fn give_back(&self, jobs: Vec<Job<H::Body>>) {
        let mut claims = Vec::new();
        for job in jobs {
            match job {
                Job::Fresh(message) => self.answer(&message.reply, AckKind::Nak(None)).await,
                Job::Parked(claim) => claims.push((claim.tenant, claim.message_id)),
            }
        }
        self.give_claims_back(&claims).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_consumer_that_keeps_up_parks_nobody() {
        assert!(!piles_up(63, 1_000_000, 10));
        assert!(!piles_up(1000, 512, 0));
        assert!(!piles_up(1000, 2000, 10_000));
        assert!(piles_up(64, 2001, 10_000));
    }

    proptest! {
        #[test]
        fn what_a_tenant_may_wait_behind_is_a_fifth_of_a_second(behind in 513u64.., per_second: u64) {
            prop_assert_eq!(piles_up(SHARE, behind, per_second), behind > per_second / 5);
        }
    }
}
