//! A release: judged, stored like a body that was just taken, and noted, in one transaction.

use std::time::Duration;

use chassis::audit::{self, Actor};
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::postgres::TenantTx;
use chassis::request::etag;
use kernel::{BodyId, EventId, Timestamp};
use serde_json::json;
use tonic::Status;
use webhook_ingest_core::{Event, Obstacle, Release, Standing, explain_release, read, release};

use super::service::Quarantine;
use super::table::{self, Quarantined, State};
use crate::commit::{make_room, store};
use crate::partitions;
use crate::publish::Done;
use crate::taken::Taken;

/// How often a release is tried where a partition that it needs is missing.
const TRIES: u32 = 3;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) body: BodyId,
    pub(super) etag: &'a str,
    pub(super) outside_window: bool,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) body: Quarantined,
    pub(super) released: usize,
    pub(super) obstacle: Option<Obstacle>,
}

/// Why it was not done.
enum Trouble {
    /// Partitions for this are missing.
    NoRoom(Box<Taken>),
    Refused(Status),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Refused(refuse::database(error))
    }
}

impl From<Status> for Trouble {
    fn from(refusal: Status) -> Self {
        Self::Refused(refusal)
    }
}

impl Quarantine {
    /// Releases a body, once.
    ///
    /// # Errors
    /// `NOT_FOUND`, `ABORTED` for another etag, `FAILED_PRECONDITION` where nothing can be let in, or where it was dropped.
    pub(super) async fn release(&self, caller: &Caller, asked: Asked<'_>) -> Result<Outcome, Status> {
        for _ in 0..TRIES {
            match self.attempt(caller, asked).await {
                Ok(outcome) => return Ok(outcome),
                Err(Trouble::Refused(refusal)) => return Err(refusal),
                Err(Trouble::NoRoom(body)) => {
                    make_room(&self.database, &[&body]).await.map_err(refuse::database)?;
                }
            }
        }
        Err(refuse::unavailable("DATABASE_UNAVAILABLE", Duration::from_secs(1)))
    }

    async fn attempt(&self, caller: &Caller, asked: Asked<'_>) -> Result<Outcome, Trouble> {
        let now = self.clock.now();
        let mut tx = self.database.tenant(caller.tenant()).await?;
        partitions::hold(&mut tx).await?;
        let found = table::lock(&mut tx, asked.body).await?;
        let (body, sealed) = found.ok_or_else(|| refuse::not_found("QUARANTINED_BODY"))?;
        match body.state {
            State::Waiting => etag::check(asked.etag, body.version)?,
            State::Released => return Ok(Outcome { body, released: 0, obstacle: None }),
            State::Dropped => return Err(refuse::precondition("QUARANTINE_SETTLED", "it was dropped").into()),
        }
        let payload = self.opened(caller.tenant(), &body, &sealed).await?;
        let bot = self.bot(caller.tenant(), body.account);
        let Release { events, obstacle } =
            release(read(&payload), bot.as_deref(), asked.outside_window, self.window, body.verified_at, now);
        self.keep_ids(&mut tx, &events, body.verified_at, now).await?;
        let taken = Taken {
            tenant: caller.tenant(),
            account: body.account,
            // One of its own: a part of the body may be stored under the old one.
            body: BodyId::new(now),
            verified_at: body.verified_at,
            trace: chassis::trace::current(),
            payload,
            // Whoever is forwarded to, was told nothing of it: it was not LINE's word to this account then.
            signature: None,
            events,
            quarantine: None,
        };
        let batch = EventId::new(now).uuid();
        let stored = store(&mut tx, &self.vault, &[&taken], batch, Duration::ZERO, &Done::default(), &[]).await;
        let committed = match stored {
            Err(error) if partitions::is_missing(&error) => {
                tx.rollback().await?;
                return Err(Trouble::NoRoom(Box::new(taken)));
            }
            stored => stored?,
        };
        table::carry_on(&mut tx, &body, taken.body, obstacle.is_some()).await?;
        let released = committed.bodies.iter().map(|body| body.events.len()).sum();
        let body = match obstacle {
            Some(obstacle) if released == 0 => return Err(refused(obstacle).into()),
            Some(_) => table::touch(&mut tx, body).await?,
            None => table::settle(&mut tx, body, State::Released, caller, now).await?,
        };
        let detail = json!({
            "events": released, "outside_window": asked.outside_window, "whole": obstacle.is_none(),
            "stored_as": taken.body.to_string(),
        });
        let subject = format!("quarantined_body/{}", body.body);
        audit::record(&mut tx, &Actor::of(caller), "quarantined_body.release", &subject, detail).await?;
        chassis::failpoint::reached("ingest.before_release");
        tx.commit().await?;
        chassis::failpoint::reached("ingest.after_release");
        Ok(Outcome { body, released, obstacle })
    }

    /// Keeps the IDs that lie outside of the window until nobody can let them in any more.
    async fn keep_ids(
        &self,
        tx: &mut TenantTx,
        events: &[Event],
        received: Timestamp,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let outside = events.iter().filter(|event| self.window.standing(event.id, received, now) != Standing::Inside);
        let weeks: Vec<(Timestamp, Timestamp)> = outside
            .filter_map(|event| {
                let issued = Timestamp::from_timestamp_millis(i64::try_from(event.id.timestamp_ms()).ok()?)?;
                Some((issued, self.window.known_until(event.id)))
            })
            .collect();
        if weeks.is_empty() { Ok(()) } else { partitions::keep_weeks(tx, &weeks).await }
    }
}

fn refused(obstacle: Obstacle) -> Status {
    refuse::precondition(reason(obstacle), &explain_release(0, Some(obstacle)).en)
}

const fn reason(obstacle: Obstacle) -> &'static str {
    match obstacle {
        Obstacle::BotUnknown => "QUARANTINE_BOT_UNKNOWN",
        Obstacle::WrongDestination => "QUARANTINE_WRONG_DESTINATION",
        Obstacle::Unreadable => "QUARANTINE_UNREADABLE",
        Obstacle::OutsideWindow => "QUARANTINE_OUTSIDE_WINDOW",
        Obstacle::OutOfReach => "QUARANTINE_OUT_OF_REACH",
    }
}
