//! One batch made durable: Postgres first, the spill stream when Postgres is away or slow, and an answer in time either way.

use std::time::Duration;

use chassis::postgres::Database;
use kernel::EventId;
use sqlx::{Connection, Executor, PgConnection};
use tokio::time::Instant;
use webhook_ingest_core::body_time;

use super::breaker::Breaker;
use super::statement;
use crate::forwarding::Forwarded;
use crate::partitions;
use crate::publish::Done;
use crate::spill::Spill;
use crate::taken::{Committed, Taken};
use crate::vault::Vault;

/// How long Postgres has before the spill stream is asked as well. A disturbed disk answers well below it.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long both together have. LINE waits two seconds for the answer, from its first byte on.
const DEADLINE: Duration = Duration::from_millis(1_200);

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// For each body, in the batch's order: whether it is durable.
    pub(crate) durable: Vec<bool>,
    /// What was committed to Postgres and is new.
    pub(crate) committed: Vec<Committed>,
    /// Commits known to be published that were not marked so, because their statement failed.
    pub(crate) unmarked: Done,
    /// Postgres went away before all of them were tried.
    pub(crate) away: bool,
}

/// Why a statement did not store its bodies.
enum Failure {
    /// Postgres is away, or its disk is full: the bodies are innocent.
    Away,
    /// Postgres refused a row.
    Refused(sqlx::Error),
}

/// One connection to Postgres, kept open between batches, and the spill stream beside it.
pub(crate) struct Store {
    database: Database,
    breaker: Breaker,
    spill: Spill,
    vault: Vault,
    clock: std::sync::Arc<dyn kernel::Clock>,
    /// How long what it commits is left to its own replica to publish.
    lease: Duration,
    forwarded: Forwarded,
    connection: Option<PgConnection>,
}

impl Store {
    pub(crate) fn new(
        database: &Database,
        breaker: &Breaker,
        spill: &Spill,
        vault: &Vault,
        clock: std::sync::Arc<dyn kernel::Clock>,
        lease: Duration,
        forwarded: &Forwarded,
    ) -> Self {
        let (database, breaker, spill, vault) = (database.clone(), breaker.clone(), spill.clone(), vault.clone());
        Self { database, breaker, spill, vault, clock, lease, forwarded: forwarded.clone(), connection: None }
    }

    /// Makes the bodies durable, in Postgres or in the spill stream. `done` are earlier commits to mark as published on the
    /// way.
    pub(crate) async fn settle(&mut self, bodies: &[&Taken], done: Done) -> Settled {
        let deadline = Instant::now() + DEADLINE;
        let mut settled = if self.breaker.is_open() {
            Settled { durable: vec![false; bodies.len()], unmarked: done, away: true, ..Settled::default() }
        } else {
            self.store_or_spill(bodies, done, deadline).await
        };
        if self.breaker.is_open() && settled.durable.contains(&false) {
            let left: Vec<&Taken> =
                bodies.iter().zip(&settled.durable).filter(|(_, durable)| !**durable).map(|(body, _)| *body).collect();
            let mut spilled =
                tokio::time::timeout_at(deadline, self.spill.put(&left)).await.unwrap_or_default().into_iter();
            for durable in settled.durable.iter_mut().filter(|durable| !**durable) {
                *durable = spilled.next().unwrap_or(false);
            }
        }
        settled
    }

    /// Gives Postgres a while alone, then asks the spill stream as well; the first to keep the bodies ends the wait. Should
    /// both keep them, the same bodies are stored twice, which stores them once.
    async fn store_or_spill(&mut self, bodies: &[&Taken], done: Done, deadline: Instant) -> Settled {
        let (breaker, spill) = (self.breaker.clone(), self.spill.clone());
        let spilled = async {
            tokio::time::sleep(PATIENCE).await;
            breaker.trip();
            let durable = spill.put(bodies).await;
            if durable.contains(&true) { Some(durable) } else { None }
        };
        let unmarked = done.clone();
        tokio::select! {
            biased;
            settled = self.store_each(bodies, &done) => settled,
            Some(durable) = spilled => Settled { durable, unmarked, away: true, ..Settled::default() },
            () = tokio::time::sleep_until(deadline) =>
                Settled { durable: vec![false; bodies.len()], unmarked, away: true, ..Settled::default() },
        }
    }

    /// Stores the bodies in Postgres. When Postgres refuses a row, the batch is halved until the guilty body stands alone.
    pub(crate) async fn store_each(&mut self, bodies: &[&Taken], done: &Done) -> Settled {
        let mut settled = Settled { durable: vec![false; bodies.len()], ..Settled::default() };
        let whole = 0..bodies.len();
        let mut parts = vec![whole];
        let mut done = Some(done.clone());
        while let Some(part) = parts.pop() {
            let marked = done.take().unwrap_or_default();
            match self.store(&bodies[part.clone()], &marked).await {
                Ok(committed) => {
                    settled.durable[part].fill(true);
                    settled.committed.push(committed);
                }
                Err(Failure::Away) => {
                    settled.unmarked.extend(marked);
                    settled.away = true;
                    self.breaker.trip();
                    return settled;
                }
                Err(Failure::Refused(error)) if part.len() == 1 => {
                    settled.unmarked.extend(marked);
                    refused(bodies[part.start], &error);
                }
                Err(Failure::Refused(_)) => {
                    done = Some(marked);
                    let middle = part.start + part.len() / 2;
                    parts.extend([middle..part.end, part.start..middle]);
                }
            }
        }
        settled
    }

    /// Whether Postgres was away when it was last tried.
    pub(crate) fn is_postgres_away(&self) -> bool {
        self.breaker.is_open()
    }

    async fn store(&mut self, bodies: &[&Taken], done: &Done) -> Result<Committed, Failure> {
        chassis::failpoint::reached("ingest.before_commit");
        let outcome = match self.attempt(bodies, done).await {
            Err(error) if partitions::is_missing(&error) => match make_room(&self.database, bodies).await {
                Ok(()) => self.attempt(bodies, done).await,
                Err(error) => Err(error),
            },
            // A deadlock, a session cut by a restart that is over already: once more, on a new connection.
            Err(error) if chassis::postgres::is_unavailable(&error) => self.attempt(bodies, done).await,
            outcome => outcome,
        };
        chassis::failpoint::reached("ingest.after_commit");
        outcome.map_err(
            |error| if chassis::postgres::is_unavailable(&error) { Failure::Away } else { Failure::Refused(error) },
        )
    }

    async fn attempt(&mut self, bodies: &[&Taken], done: &Done) -> Result<Committed, sqlx::Error> {
        let batch = EventId::new(self.clock.now()).uuid();
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.database).await?,
        };
        let lanes = self.forwarded.lanes(bodies);
        let outcome = statement::store(&mut connection, &self.vault, bodies, batch, self.lease, done, &lanes).await;
        if outcome.is_ok() && !lanes.is_empty() {
            self.forwarded.wake(lanes.iter().map(|lane| (lane.body.tenant, lane.body.account)));
        }
        // A connection whose statement was refused is as good as before; any other trouble ends it.
        match &outcome {
            Ok(_) => self.connection = Some(connection),
            Err(error) if error.as_database_error().is_some() && !chassis::postgres::is_unavailable(error) => {
                self.connection = Some(connection);
            }
            // Dropping it hangs up, also when nobody answers on the other side.
            Err(_) => {}
        }
        outcome
    }
}

/// Makes the partitions that these bodies and their events need.
pub(crate) async fn make_room(database: &Database, bodies: &[&Taken]) -> Result<(), sqlx::Error> {
    let events = bodies
        .iter()
        .flat_map(|body| &body.events)
        .filter_map(|event| kernel::Timestamp::from_timestamp_millis(i64::try_from(event.id.timestamp_ms()).ok()?));
    let received = bodies.iter().filter_map(|body| body_time(body.body));
    partitions::ensure(database, events.collect(), received.collect()).await
}

/// A connection of the worker role, prepared for one statement over and over.
///
/// It is not one of the pool's: a connection on which a statement hangs is dropped with it and takes no place from the others.
pub(super) async fn connect(database: &Database) -> Result<PgConnection, sqlx::Error> {
    let mut connection = PgConnection::connect_with(&database.worker().connect_options()).await?;
    // The plan does not depend on the values: making it anew for each batch would cost more than running it.
    // And it is the one through the indexes, whatever statistics say of tables that are empty now and long an hour later.
    connection
        .execute("SET plan_cache_mode = force_generic_plan; SET enable_hashjoin = off; SET enable_mergejoin = off")
        .await?;
    Ok(connection)
}

/// One body that Postgres will not take, now or later, however it is tried.
fn refused(body: &Taken, error: &sqlx::Error) {
    let refusal = error.as_database_error();
    let code = refusal.and_then(sqlx::error::DatabaseError::code);
    tracing::error!(
        account = %body.account, body = %body.body, code = code.as_deref(),
        constraint = refusal.and_then(|refusal| refusal.constraint()),
        "a body is refused by the database"
    );
    metrics::counter!("tsunagi_ingest_refused_by_store_total").increment(1);
}
