//! The work: one portion of one replay at a time, each replay in its turn.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use bus::publish::{Again, Outbound, PublishError, Publisher};
use chassis::failpoint;
use chassis::postgres::Database;
use chrono::TimeDelta;
use kernel::Clock;
use tokio::time::Instant;
use tonic::Status;
use ulid::Ulid;
use uuid::Uuid;
use webhook_ingest_core::replay::{Due, Mode, Portion, Rule, portion};

use super::archive::{self, ArchiveError};
use super::consumers::{Consumers, Outcome};
use super::row::{Phase, Replay, State};
use super::table::{self, Claim, Progress};
use crate::publish::{Highest, outbound};
use crate::vault::Vault;

/// The pause when nothing is due.
const PAUSE: Duration = Duration::from_millis(500);
/// The pause before a replay whose portion could not be done is tried again; others take their turns meanwhile.
const TROUBLE: Duration = Duration::from_secs(3);
/// How long a portion is left to whoever claimed it, who may be dead.
const LEASE: Duration = Duration::from_secs(20);
/// How often the replays are counted and old ones forgotten.
const MEASURED_EVERY: Duration = Duration::from_secs(10);
/// Events read for one portion, at most; fewer where a second's events are fewer.
const PORTION: u32 = 200;
/// Bytes of bodies in one portion, at most, but for one body that is larger.
const PORTION_BYTES: u64 = 8 * 1024 * 1024;
/// Events that are looked at together, whether they were handled.
const CHECKED: u32 = 1_000;
/// The pause before it is looked again whether events were handled.
const RECHECK: Duration = Duration::from_secs(1);
/// What was not handled for so long may never have come, and is published again.
const LOST_AFTER: TimeDelta = TimeDelta::seconds(5);

/// Why a portion was not done.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the database is away or refused")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("NATS does not take events now")]
    Nats(#[source] PublishError),
    #[error("a consumer is away or refused")]
    Consumer(#[from] Status),
}

/// Runs replays.
pub(crate) struct Runner {
    pub(crate) database: Database,
    pub(crate) vault: Vault,
    pub(crate) bus: Bus,
    pub(crate) publisher: Publisher,
    pub(crate) highest: Highest,
    pub(crate) consumers: Consumers,
    pub(crate) clock: Arc<dyn Clock>,
    /// Events a second that one replay publishes, and one replica of all replays: what comes live has the rest.
    pub(crate) per_second: NonZeroU32,
}

impl Runner {
    /// Runs what is due, for ever.
    pub(crate) async fn run(self) {
        let mut measured = None::<Instant>;
        loop {
            if measured.is_none_or(|at| at.elapsed() > MEASURED_EVERY) {
                measured = Some(Instant::now());
                self.measure().await;
            }
            let turn = if self.bus.is_connected() { self.turn().await } else { Ok(None) };
            let pause = turn.unwrap_or_else(|error| {
                tracing::warn!(error = %error, "replays wait");
                None
            });
            tokio::time::sleep(pause.unwrap_or(PAUSE)).await;
        }
    }

    async fn measure(&self) {
        if let Ok((open, still)) = table::measure(&self.database).await {
            #[expect(clippy::cast_precision_loss, reason = "a number of replays")]
            metrics::gauge!("tsunagi_ingest_replays_open").set(open as f64);
            metrics::gauge!("tsunagi_ingest_replay_standstill_seconds").set(still);
        }
        // What cannot be forgotten now is forgotten the next time.
        let _ = table::forget(&self.database).await;
    }

    /// Takes one portion of the replay that waited longest; how long the next one waits, none where nothing is due.
    async fn turn(&self) -> Result<Option<Duration>, Trouble> {
        let Some(claim) = table::claim(&self.database, LEASE).await? else { return Ok(None) };
        failpoint::reached("ingest.replay_claimed");
        match self.portion(claim).await {
            Ok(pause) => Ok(Some(pause)),
            Err(error) => {
                let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
                let chain: Vec<String> = causes.map(ToString::to_string).collect();
                let (tenant, replay) = (claim.tenant, claim.replay);
                tracing::warn!(%tenant, %replay, error = chain.join(": "), "a replay waits");
                table::release(&self.database, claim, TROUBLE).await?;
                Ok(Some(Duration::ZERO))
            }
        }
    }

    async fn portion(&self, claim: Claim) -> Result<Duration, Trouble> {
        let mut tx = self.database.tenant(claim.tenant).await?;
        let found = table::find(&mut tx, claim.replay).await?;
        tx.commit().await?;
        let Some(replay) = found else { return Ok(Duration::ZERO) };
        match (replay.state, replay.phase) {
            (State::Stopped | State::Done, _) => Ok(Duration::ZERO),
            (State::Stopping, _) => self.finish(claim, &replay, true).await,
            (State::Running, Phase::Preparing) => self.prepare(claim, &replay).await,
            (State::Running, Phase::Publishing) => self.publish(claim, &replay).await,
            (State::Running, Phase::Checking) => self.check(claim, &replay).await,
            (State::Running, Phase::Finishing) => self.finish(claim, &replay, false).await,
        }
    }

    async fn prepare(&self, claim: Claim, replay: &Replay) -> Result<Duration, Trouble> {
        let ready = self.consumers.prepare(claim.tenant, replay.id).await?;
        failpoint::reached("ingest.replay_prepared");
        if ready { self.enter(claim, Phase::Publishing).await } else { self.stay(claim, Duration::ZERO).await }
    }

    /// Publishes the next portion, and notes how far that brings the replay.
    async fn publish(&self, claim: Claim, replay: &Replay) -> Result<Duration, Trouble> {
        let Some(rule) = replay.rule() else { return self.enter(claim, Phase::Publishing).await };
        let stream_epoch = table::stream_epoch(&self.database).await?;
        if is_lost(replay, stream_epoch) {
            return self.restart(claim, stream_epoch).await;
        }
        let size = PORTION.min(self.per_second.get());
        let Some(portion) = self.read(claim, replay, &rule, size).await? else { return self.stay(claim, PAUSE).await };
        let (outbounds, cut) = self.outbounds(claim, &portion.due).await?;
        let (published, refused) = self.send(replay, &outbounds).await?;
        failpoint::reached("ingest.replay_published");
        let skipped = count(portion.skipped) + cut + refused;
        let progress = Progress { place: portion.place, published, skipped, stream_epoch };
        self.note(claim, replay, &progress, portion.is_last).await
    }

    /// Reads the next portion of so many events; none while somebody's events are looked for who is to be forgotten.
    async fn read(&self, claim: Claim, replay: &Replay, rule: &Rule, size: u32) -> Result<Option<Portion>, Trouble> {
        let mut tx = self.database.tenant(claim.tenant).await?;
        if archive::is_to_forget(&mut tx).await? {
            return Ok(None);
        }
        let rows = archive::next(&mut tx, &replay.filter.accounts, replay.place, i64::from(size)).await?;
        tx.commit().await?;
        Ok(Some(portion(rule, rows, (size as usize, PORTION_BYTES), self.clock.now())))
    }

    /// Events as they are published, and how many can be no more, because they were cut out of their bodies.
    async fn outbounds(&self, claim: Claim, due: &[Due]) -> Result<(Vec<Outbound>, i64), Trouble> {
        let ids: Vec<Uuid> = due.iter().map(|due| due.past.body.uuid()).collect();
        let bodies = archive::bodies(&self.database, &self.vault, claim.tenant, &ids).await?;
        let found = |Due { past, effects_off }: &Due| {
            let body = bodies.get(&past.body)?;
            outbound(body, archive::event(body, past)?, *effects_off).ok()
        };
        let outbounds: Vec<Outbound> = due.iter().filter_map(found).collect();
        let cut = count((due.len() - outbounds.len()) as u64);
        Ok((outbounds, cut))
    }

    /// Publishes events once more, and tells how many the stream has, and how many it never takes.
    async fn send(&self, replay: &Replay, outbounds: &[Outbound]) -> Result<(i64, i64), Trouble> {
        let (mut sent, mut refused) = (0, 0);
        let mut acknowledgements = Vec::with_capacity(outbounds.len());
        for outbound in outbounds {
            match self.publisher.publish_again(outbound, again(replay)).await {
                Ok(acknowledgement) => acknowledgements.push(acknowledgement),
                Err(PublishError::Refused(_)) => refused += 1,
                Err(unavailable) => return Err(Trouble::Nats(unavailable)),
            }
        }
        for acknowledgement in acknowledgements {
            match acknowledgement.await {
                Ok(published) => {
                    self.highest.note(published.sequence);
                    sent += 1;
                }
                Err(PublishError::Refused(_)) => refused += 1,
                Err(unavailable) => return Err(Trouble::Nats(unavailable)),
            }
        }
        Ok((sent, refused))
    }

    async fn note(
        &self,
        claim: Claim,
        replay: &Replay,
        progress: &Progress,
        is_last: bool,
    ) -> Result<Duration, Trouble> {
        let events = u32::try_from(progress.published).unwrap_or(u32::MAX);
        metrics::counter!("tsunagi_ingest_replayed_events_total", "mode" => replay.mode.as_str())
            .increment(events.into());
        let pause = Duration::from_secs(1).saturating_mul(events) / self.per_second.get();
        let mut tx = self.database.tenant(claim.tenant).await?;
        table::advance(&mut tx, claim, progress, pause).await?;
        match (is_last, replay.mode) {
            (false, _) => {}
            (true, Mode::Redrive) => table::end(&mut tx, claim, false, Outcome::default()).await?,
            (true, Mode::Rebuild) => table::enter(&mut tx, claim, Phase::Checking).await?,
        }
        tx.commit().await?;
        Ok(pause)
    }

    /// Looks whether consumers handled the next events that were published, and publishes again what they were not told.
    async fn check(&self, claim: Claim, replay: &Replay) -> Result<Duration, Trouble> {
        let Some(rule) = replay.rule() else { return self.enter(claim, Phase::Publishing).await };
        let stream_epoch = table::stream_epoch(&self.database).await?;
        if is_lost(replay, stream_epoch) {
            return self.restart(claim, stream_epoch).await;
        }
        let Some(mut portion) = self.read(claim, replay, &rule, CHECKED).await? else {
            return self.stay(claim, PAUSE).await;
        };
        let events: Vec<Ulid> = portion.due.iter().map(|due| due.past.event).collect();
        let unhandled = self.consumers.check(claim.tenant, replay.id, &events).await?;
        portion.due.retain(|due| unhandled.missing.contains(&due.past.event));
        // What was cut out meanwhile is waited for no more.
        let (lost, _) = self.outbounds(claim, &portion.due).await?;
        let mut missing = count(lost.len() as u64);
        if missing > 0 && self.clock.now() - replay.updated > LOST_AFTER {
            let now = lost.len().min(self.per_second.get() as usize);
            missing -= self.send(replay, &lost[..now]).await?.1;
        }
        let waiting = missing + unhandled.waiting;
        let pause = if waiting > 0 { RECHECK } else { Duration::ZERO };
        let mut tx = self.database.tenant(claim.tenant).await?;
        table::checked(&mut tx, claim, portion.place.filter(|_| waiting == 0), waiting, pause).await?;
        if waiting == 0 && portion.is_last {
            table::enter(&mut tx, claim, Phase::Finishing).await?;
        }
        tx.commit().await?;
        Ok(pause)
    }

    /// Has consumers end a rebuild, then ends the replay.
    async fn finish(&self, claim: Claim, replay: &Replay, abandoned: bool) -> Result<Duration, Trouble> {
        let outcome = match replay.mode {
            Mode::Redrive => Some(Outcome::default()),
            Mode::Rebuild => self.consumers.finish(claim.tenant, replay.id, abandoned).await?,
        };
        // They have more to do.
        let Some(outcome) = outcome else { return self.stay(claim, Duration::ZERO).await };
        failpoint::reached("ingest.replay_finished");
        let mut tx = self.database.tenant(claim.tenant).await?;
        table::end(&mut tx, claim, abandoned && !outcome.replaced, outcome).await?;
        tx.commit().await?;
        tracing::info!(tenant = %claim.tenant, replay = %replay.id, "a replay has ended");
        Ok(Duration::ZERO)
    }

    async fn enter(&self, claim: Claim, phase: Phase) -> Result<Duration, Trouble> {
        let mut tx = self.database.tenant(claim.tenant).await?;
        table::enter(&mut tx, claim, phase).await?;
        tx.commit().await?;
        Ok(Duration::ZERO)
    }

    /// Begins again with the first event: consumers know what they handled.
    async fn restart(&self, claim: Claim, stream_epoch: Option<i64>) -> Result<Duration, Trouble> {
        tracing::info!(tenant = %claim.tenant, replay = %claim.replay, "the stream may have lost events; all are published again");
        let mut tx = self.database.tenant(claim.tenant).await?;
        table::restart(&mut tx, claim, stream_epoch).await?;
        tx.commit().await?;
        Ok(Duration::ZERO)
    }

    async fn stay(&self, claim: Claim, pause: Duration) -> Result<Duration, Trouble> {
        table::release(&self.database, claim, pause).await?;
        Ok(pause)
    }
}

/// Whether the stream has lost something since the replay began to publish, or may have.
fn is_lost(replay: &Replay, stream_epoch: Option<i64>) -> bool {
    replay.stream_epoch.is_some_and(|epoch| stream_epoch != Some(epoch))
}

/// Whom a replay's events are new to.
fn again(replay: &Replay) -> Again {
    match replay.mode {
        Mode::Redrive => Again::Redrive(replay.id),
        Mode::Rebuild => Again::Rebuild(replay.id),
    }
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
