//! The relay: publishes what the outbox holds, in order per aggregate, at least once, fairly between tenants, within
//! milliseconds of the commit; and everything it keeps again when a stream was lost.
//!
//! One replica of a service relays at a time, by a lease, only to save work: each relay publishes the rows of an aggregate in
//! order and takes them off the queue after their acknowledgement, so whatever two of them do at once, the first occurrence of
//! each event is in order and the rest are repetitions.

mod pace;
mod queue;
mod retention;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use chassis::Host;
use chassis::postgres::Database;
use futures::{FutureExt as _, StreamExt as _};
use kernel::{EventHeader, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::connection::Bus;
use crate::continuity::{Continuity, ContinuityError};
use crate::lease::Lease;
use crate::outbox;
use crate::publish::{Outbound, PublishError, Publisher};
use crate::stream::Stream;
use crate::subject::Family;
use crate::wake;

use pace::Pace;
use queue::{Claimed, Queue, Row};

/// Messages on their way at once.
const IN_FLIGHT: usize = 256;
/// A batch begins nothing new after this long, so that a tenant who comes now waits for one batch, not for a backlog.
const BATCH_LASTS: Duration = Duration::from_millis(100);
/// How long an idle relay waits when every wake-up is lost.
const LOOKS_EVERY: Duration = Duration::from_secs(1);
/// How often the stream is compared with what is remembered.
const COMPARES_EVERY: Duration = Duration::from_secs(2);
/// From one batch to the next at least, when nothing is known to wait: what is committed in between is published together.
const PACE: Duration = Duration::from_millis(10);
/// The pause after nothing could be published.
const PAUSE: Duration = Duration::from_millis(150);

/// Relays the outbox of `database` under `host`. Call it once in every replica of a service.
///
/// # Panics
/// Never: a schema without a family of events has nothing to relay, and the task only waits.
pub fn spawn(host: &Host, bus: &Bus, database: &Database) {
    let schema = database.schema();
    let lease = Lease::new(database, "relay");
    let (relay_held, nudge_held, retention_held) = (lease.held(), lease.held(), lease.held());
    let stopping = host.stopping();
    host.spawn(format!("{schema}.relay.lease"), {
        let stopping = stopping.clone();
        async move {
            lease.keep(&stopping).await;
            Ok(())
        }
    });
    host.spawn(format!("{schema}.relay.nudge"), nudge(bus.clone(), schema, nudge_held, stopping.clone()));
    host.spawn(
        format!("{schema}.relay.retention"),
        retention::keep(database.clone(), retention_held, stopping.clone()),
    );
    let Some(family) = Family::of_schema(schema) else {
        tracing::error!(schema, "no family of events belongs to this schema");
        return;
    };
    let relay = Relay {
        bus: bus.clone(),
        publisher: Publisher::new(bus, IN_FLIGHT),
        queue: Queue::new(database),
        continuity: Continuity::new(database, Stream::of(family)),
        family,
        pace: Pace::default(),
        cursor: Uuid::nil(),
        epoch: 0,
        compared: None,
        refill_from: None,
        told: false,
    };
    host.spawn(format!("{schema}.relay"), relay.run(relay_held, stopping));
}

/// The replica that relays hears of this replica's commits.
async fn nudge(
    bus: Bus,
    schema: &'static str,
    held: watch::Receiver<bool>,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let mut commits = wake::listen(schema);
    let subject = signal_subject(schema);
    while let Some(Ok(())) = stopping.run_until_cancelled(commits.changed()).await {
        if !*held.borrow() {
            bus.signal(&subject, "").await;
        }
    }
    Ok(())
}

fn signal_subject(schema: &str) -> String {
    format!("signal.v1.{schema}.outbox")
}

struct Relay {
    bus: Bus,
    publisher: Publisher,
    queue: Queue,
    continuity: Continuity,
    family: Family,
    pace: Pace,
    /// Tenants from this one on are served next.
    cursor: Uuid,
    epoch: i64,
    /// When the stream was last compared with what is remembered; none when there is a reason to doubt it.
    compared: Option<Instant>,
    /// From when on rows of earlier epochs may have to be put back into the queue; none when they have been.
    refill_from: Option<Timestamp>,
    /// Whether it was said that the outbox stands still.
    told: bool,
}

enum Turn {
    Worked,
    Idle,
    Stuck,
}

#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error(transparent)]
    Continuity(#[from] ContinuityError),
    #[error("the outbox cannot be read or written")]
    Database(#[from] sqlx::Error),
}

impl Relay {
    async fn run(mut self, mut held: watch::Receiver<bool>, stopping: CancellationToken) -> anyhow::Result<()> {
        let schema = self.queue.schema();
        let mut commits = wake::listen(schema);
        let mut signals = self.bus.watch(&signal_subject(schema)).await;
        while !stopping.is_cancelled() {
            if !*held.borrow_and_update() {
                // What was learnt before may not hold when the lease comes back.
                (self.compared, self.refill_from) = (None, None);
                stopping.run_until_cancelled(held.changed()).await;
                continue;
            }
            commits.mark_unchanged();
            // Whoever called before this turn is answered by it.
            while signals.next().now_or_never().flatten().is_some() {}
            let begun = Instant::now();
            let pause = match self.turn().await {
                Ok(Turn::Worked) => continue,
                Ok(Turn::Idle) => LOOKS_EVERY,
                Ok(Turn::Stuck) => PAUSE,
                Err(error) => {
                    self.tell(&error, 0);
                    PAUSE
                }
            };
            if pause == PAUSE {
                stopping.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
                continue;
            }
            tokio::select! {
                () = stopping.cancelled() => {}
                _ = held.changed() => {}
                _ = commits.changed() => {}
                Some(_) = signals.next() => {}
                () = tokio::time::sleep(pause) => {}
            }
            tokio::time::sleep_until(begun + PACE).await;
        }
        Ok(())
    }

    /// Says once, until something was published again, that the outbox stands still or goes slowly.
    fn tell(&mut self, error: &dyn std::error::Error, published: usize) {
        if !std::mem::replace(&mut self.told, published == 0) {
            let cause = error.source().map(ToString::to_string);
            let schema = self.queue.schema();
            tracing::warn!(schema, error = %error, cause, published, "events could not be published and stay in the outbox");
        }
    }

    /// One batch.
    async fn turn(&mut self) -> Result<Turn, RelayError> {
        if !self.bus.is_connected() {
            self.compared = None;
            return Ok(Turn::Stuck);
        }
        if self.compared.is_none_or(|at| at.elapsed() > COMPARES_EVERY) {
            let standing = self.continuity.look(&self.bus).await?;
            (self.epoch, self.refill_from) = (standing.epoch, standing.refill_from);
            self.compared = Some(Instant::now());
        }
        if let Some(from) = self.refill_from
            && !self.queue.refill(self.epoch, from).await?
        {
            self.continuity.refilled(self.epoch).await?;
            self.refill_from = None;
        }
        let claimed = self.queue.claim(self.cursor, self.pace.batch()).await?;
        let begins_anew = !self.cursor.is_nil();
        self.cursor = claimed.next;
        if claimed.rows.is_empty() {
            return Ok(if begins_anew || self.refill_from.is_some() { Turn::Worked } else { Turn::Idle });
        }
        let outcome = self.publish(&claimed).await?;
        self.queue.complete(&outcome.done, self.epoch, Stream::of(self.family), outcome.last_sequence).await?;
        let count = outcome.done.len();
        metrics::counter!("tsunagi_outbox_published_total", "schema" => self.queue.schema())
            .increment(u64::try_from(count).unwrap_or(u64::MAX));
        if let Some(error) = outcome.trouble {
            self.compared = None;
            self.tell(&error, count);
            return Ok(if count == 0 { Turn::Stuck } else { Turn::Worked });
        }
        self.told = false;
        Ok(Turn::Worked)
    }

    async fn publish(&mut self, claimed: &Claimed) -> Result<Outcome, RelayError> {
        let rows = self.queue.read(claimed).await?;
        let mut in_order: BTreeMap<(Uuid, i64), Vec<Row>> = BTreeMap::new();
        let mut outcome = Outcome::default();
        // A queue entry without its event: the event's time to be kept is over.
        outcome.done.extend(claimed.rows.iter().filter(|entry| !rows.contains_key(&entry.key())).copied());
        for entry in &claimed.rows {
            if let Some(row) = rows.get(&entry.key()) {
                in_order.entry((entry.tenant, row.order_key)).or_default().push(row.clone());
            }
        }
        let (begun, claims) = (Instant::now(), claimed.by_key());
        let shared = Mutex::new(outcome);
        let work = futures::stream::iter(in_order.into_values()).for_each_concurrent(IN_FLIGHT, async |rows| {
            for row in rows {
                if begun.elapsed() > BATCH_LASTS {
                    return;
                }
                let published = self.publish_one(&row).await;
                let mut outcome = shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                match published {
                    Ok(sequence) => {
                        outcome.done.extend(claims.get(&row.key()));
                        outcome.last_sequence = outcome.last_sequence.max(sequence);
                    }
                    Err(error) => {
                        outcome.trouble = Some(error);
                        return;
                    }
                }
            }
        });
        work.await;
        let outcome = shared.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.pace.note(outcome.done.len(), begun.elapsed());
        Ok(outcome)
    }

    async fn publish_one(&self, row: &Row) -> Result<u64, PublishError> {
        let Some(subject) = outbox::subject(self.queue.schema(), row.tenant, &row.happened) else {
            return Err(PublishError::Refused("the row names no subject".into()));
        };
        let header = EventHeader {
            id: row.event.to_string(),
            kind: self.family.kind().to_owned(),
            source: self.family.source().to_owned(),
            time: row.time,
            tenant: subject.tenant(),
            trace: row.trace.as_deref().and_then(chassis::trace::unpack),
        };
        let event = Outbound { subject, header, payload: row.payload.clone() };
        let acknowledgement = self.publisher.publish(&event).await?;
        let published = acknowledgement.await?;
        chassis::failpoint::reached("bus.relay.after_publish");
        Ok(published.sequence)
    }
}

#[derive(Debug, Default)]
struct Outcome {
    done: Vec<queue::Entry>,
    last_sequence: u64,
    trouble: Option<PublishError>,
}
