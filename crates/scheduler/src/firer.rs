//! Timers said at their moments, once each: taken out of the table, judged, told and recorded in one transaction. Any number of
//! replicas do it side by side, each transaction with its tenants for itself.

mod agenda;
mod bodies;
mod entering;
mod left;
mod looking;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bus::Bus;
use bus::outbox::{self, OutboxError, Outgoing};
use chassis::postgres::Database;
use chassis::{ClockTurn, Host, failpoint};
use contracts::events::v1::SchedulerEvent;
use futures::StreamExt as _;
use kernel::{EventId, TenantId, Timestamp};
use scheduler_core::Owner;
use scheduler_core::fire::{self, Fired, MOST_OF_AN_EVENT, Miss};
use scheduler_core::turn;
use sqlx::PgConnection;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::postgres::calendar;
use crate::postgres::missed_timer;
use crate::reminder::{Due, Spoken};
use crate::wake::{self, Wake};
use agenda::{Agenda, Left};
use left::left;

/// Tenants that one transaction takes timers of, at most.
const TENANTS: usize = 64;
/// The pause after a look that failed.
const PAUSE: Duration = Duration::from_millis(200);
/// Between replicas: timers were made that are due within moments.
const SIGNAL: &str = "signal.v1.scheduler.timers";

/// Starts `firers` of them, and what brings timers to them, under `host`.
pub(crate) fn spawn(host: &Host, bus: &Bus, database: &Database, firers: NonZeroUsize) {
    figures_from_zero();
    let shared = Arc::new(Firer {
        database: database.clone(),
        turn: host.clock_turn(),
        agenda: Mutex::new(Agenda::new(Instant::now(), looking::EVERY)),
        changed: Notify::new(),
        missed: Notify::new(),
    });
    for _ in 0..firers.get() {
        host.spawn("scheduler.firer", Arc::clone(&shared).run(host.stopping()));
    }
    host.spawn("scheduler.firer.look", Arc::clone(&shared).keep_looking(host.stopping()));
    let (stopping, here) = (host.stopping(), shared);
    host.spawn("scheduler.firer.wake", {
        let bus = bus.clone();
        async move {
            stopping.run_until_cancelled(here.hear(&bus)).await;
            Ok(())
        }
    });
    entering::spawn(host, database);
}

/// Told as zero from the start: of a counter that appears with its first one, nobody sees that it rose.
fn figures_from_zero() {
    for owner in ["message", "reminder", "caller"] {
        metrics::counter!("tsunagi_scheduler_timers_fired_total", "owner" => owner).increment(0);
    }
    for reason in ["too_late", "merged"] {
        metrics::counter!("tsunagi_scheduler_timers_missed_total", "reason" => reason).increment(0);
    }
}

struct Firer {
    database: Database,
    turn: ClockTurn,
    agenda: Mutex<Agenda>,
    /// Somebody is to be served sooner than was known.
    changed: Notify,
    /// It was not heard who.
    missed: Notify,
}

#[derive(Debug, thiserror::Error)]
enum FireError {
    #[error("the calendar cannot be read or written")]
    Database(#[from] sqlx::Error),
    #[error("an event was not appended")]
    Event(#[from] OutboxError),
}

impl Firer {
    async fn run(self: Arc<Self>, stopping: CancellationToken) -> anyhow::Result<()> {
        let mut told = false;
        while !stopping.is_cancelled() {
            let changed = self.changed.notified();
            let (held, next) = {
                let mut agenda = self.agenda();
                (agenda.begin(Instant::now(), TENANTS), agenda.next())
            };
            if held.is_empty() {
                let sleep = async {
                    match next {
                        Some(next) => tokio::time::sleep_until(next.into()).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = stopping.cancelled() => {}
                    () = changed => {}
                    () = sleep => {}
                }
                continue;
            }
            if held.len() == TENANTS {
                // Others may wait.
                self.changed.notify_one();
            }
            match self.fire(&held).await {
                Ok(()) => told = false,
                Err(error) => {
                    self.settle(held.iter().map(|tenant| (*tenant, Left::For(PAUSE))));
                    if !std::mem::replace(&mut told, true) {
                        let cause = std::error::Error::source(&error).map(ToString::to_string);
                        tracing::warn!(error = %error, cause, "timers cannot be said now");
                    }
                }
            }
        }
        Ok(())
    }

    /// One transaction for tenants whose timers are due.
    async fn fire(&self, held: &[TenantId]) -> Result<(), FireError> {
        let (begun, ahead, share) = (Instant::now(), self.turn.ahead(), turn::share(held.len()));
        let mut tx = self.database.worker().begin().await?;
        let mut take = calendar::take(&mut tx, held, share, ahead).await?;
        if let Some(moment) = take.moment {
            self.agenda().hear(moment, Instant::now());
        }
        let Some(moment) = take.moment.filter(|_| !take.timers.is_empty()) else {
            tx.rollback().await?;
            self.settle(left(held, &take, share));
            return Ok(());
        };
        failpoint::reached("scheduler.after_take");
        let fired = fire::merge(std::mem::take(&mut take.timers), moment);
        self.say(&mut tx, &fired, moment).await?;
        missed_timer::record(&mut tx, &fired.missed).await?;
        failpoint::reached("scheduler.before_commit");
        tx.commit().await?;
        failpoint::reached("scheduler.after_commit");
        outbox::wake_relay(self.database.schema());
        note(&fired, moment, begun.elapsed());
        self.settle(left(held, &take, share));
        Ok(())
    }

    async fn say(&self, tx: &mut PgConnection, fired: &Fired, moment: Timestamp) -> Result<(), FireError> {
        let reminders: Vec<Due> = fired.due.iter().filter_map(|taken| Due::of(taken.tenant, &taken.timer)).collect();
        let spoken = Spoken::among(tx, &reminders, moment).await?;
        let said = fire::events(fired, MOST_OF_AN_EVENT);
        let events: Vec<(TenantId, EventId, String, SchedulerEvent)> = said
            .iter()
            .filter_map(|said| Some((said.tenant, bodies::body(said)?)))
            .chain(spoken.bodies(MOST_OF_AN_EVENT))
            .map(|(tenant, body)| {
                let id = EventId::new(moment);
                // An aggregate of its own: no event of timers waits for another.
                (tenant, id, format!("timers/{id}"), SchedulerEvent { body: Some(body) })
            })
            .collect();
        let outgoing = events.iter().map(|(tenant, id, aggregate, body)| {
            (*tenant, Outgoing { id: *id, aggregate, time: moment, body, trace: None })
        });
        Ok(outbox::append_over_tenants(tx, self.database.schema(), outgoing).await?)
    }

    fn settle(&self, tenants: impl IntoIterator<Item = (TenantId, Left)>) {
        let now = Instant::now();
        let mut agenda = self.agenda();
        for (tenant, left) in tenants {
            agenda.settle(tenant, left, now);
        }
        drop(agenda);
        self.changed.notify_one();
    }

    /// Hears of timers that were made, here or at another replica, and tells the others of those made here.
    async fn hear(&self, bus: &Bus) {
        let mut here = wake::listen();
        let mut elsewhere = bus.watch(SIGNAL).await.chain(futures::stream::pending());
        loop {
            tokio::select! {
                heard = here.recv() => match heard {
                    Ok(wake) => {
                        if self.wake(wake) {
                            bus.signal(SIGNAL, wake.to_bytes()).await;
                        }
                    }
                    Err(RecvError::Lagged(_)) => self.missed.notify_one(),
                    Err(RecvError::Closed) => std::future::pending().await,
                },
                Some(bytes) = elsewhere.next() => {
                    if let Some(wake) = Wake::from_bytes(&bytes) {
                        self.wake(wake);
                    }
                }
            }
        }
    }

    /// Whether it is about something that is due within moments.
    fn wake(&self, wake: Wake) -> bool {
        let soon = self.agenda().wake(wake.tenant, wake.due, Instant::now());
        if soon {
            self.changed.notify_one();
        }
        soon
    }

    fn agenda(&self) -> MutexGuard<'_, Agenda> {
        self.agenda.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn note(fired: &Fired, moment: Timestamp, took: Duration) {
    let late = metrics::histogram!("tsunagi_scheduler_timer_late_seconds");
    let mut counts = [("message", 0u64), ("reminder", 0), ("caller", 0)];
    for taken in &fired.due {
        let behind = moment.signed_duration_since(taken.timer.due).to_std().unwrap_or_default();
        late.record((behind + took).as_secs_f64());
        let [message, reminder, caller] = &mut counts;
        match taken.timer.owner {
            Owner::Message => message.1 += 1,
            Owner::Reminder => reminder.1 += 1,
            Owner::Caller(_) => caller.1 += 1,
        }
    }
    for (owner, count) in counts {
        metrics::counter!("tsunagi_scheduler_timers_fired_total", "owner" => owner).increment(count);
    }
    for (_, miss) in &fired.missed {
        let reason = match miss {
            Miss::TooLate => "too_late",
            Miss::Merged => "merged",
        };
        metrics::counter!("tsunagi_scheduler_timers_missed_total", "reason" => reason).increment(1);
    }
}
