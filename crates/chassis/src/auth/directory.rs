//! Everybody who may call, in memory. Calls are checked here also while the database is away.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use contracts::MethodRule;
use kernel::Timestamp;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;

use super::Caller;
use super::decide::{Credentials, Known, Refusal, decide, is_known};
use super::load::{self, Since};
use crate::host::{Gate, Host};
use crate::postgres::Database;

/// How often changes are looked for. Revocation must reach every service within five seconds, event and all.
const EVERY: Duration = Duration::from_secs(1);
/// How often everything is read anew, so that rows which were removed are noticed.
const ALL_ANEW_EVERY: Duration = Duration::from_mins(5);
/// Between two looks at least, however many callers ask for one: strangers must not be able to keep the database busy.
const SOONEST: Duration = Duration::from_millis(50);
/// How long a caller waits for the look it asked for.
const LOOK_AWAITED: Duration = Duration::from_secs(1);
/// Callers who wait for a look at once; whoever comes when so many wait is judged by what is known.
const WAITING: usize = 256;

/// Principals and staff as this service knows them. Clones share what is known.
#[derive(Clone)]
pub struct Directory(Arc<Shared>);

struct Shared {
    known: RwLock<Known>,
    looks: watch::Sender<Looks>,
    asked: Notify,
    waiting: Semaphore,
}

/// The numbers of the latest looks.
#[derive(Clone, Copy, Debug, Default)]
struct Looks {
    begun: u64,
    ended: u64,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").finish_non_exhaustive()
    }
}

impl Directory {
    /// Follows the replica tables of `database`, changes within about a second. The readiness gate
    /// `directory.{schema}` opens with the first complete reading.
    #[must_use]
    pub fn follow(host: &Host, database: &Database) -> Self {
        let directory = Self(Arc::new(Shared {
            known: RwLock::default(),
            looks: watch::Sender::default(),
            asked: Notify::new(),
            waiting: Semaphore::new(WAITING),
        }));
        let gate = host.readiness().gate(format!("directory.{}", database.schema()));
        let (following, database, stopping) = (directory.clone(), database.clone(), host.stopping());
        host.spawn(format!("{}.directory", database.schema()), async move {
            stopping.run_until_cancelled(following.keep(&database, &gate)).await;
            Ok(())
        });
        directory
    }

    pub(super) fn check(
        &self,
        rule: Option<MethodRule>,
        method: &str,
        credentials: Credentials<'_>,
        now: Timestamp,
    ) -> Result<Caller, Refusal> {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        decide(rule, method, credentials, &known, now)
    }

    /// Whether `caller`, who was let in at `opened`, may go on at `now`. The staff assertion had to be good at `opened` only, for it
    /// lives for minutes; the principal and the staff member must be what they have to be now, and the staff member must see what
    /// he saw then: a stream does not change whose it tells of.
    pub(super) fn still_holds(
        &self,
        caller: &Caller,
        rule: MethodRule,
        method: &str,
        credentials: Credentials<'_>,
        opened: Timestamp,
        now: Timestamp,
    ) -> bool {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        is_known(credentials, &known, now)
            && decide(Some(rule), method, credentials, &known, opened).is_ok_and(|as_now| as_now.sees_as(caller))
    }

    /// Returns when a look that began after this call has ended: what was committed before the call is then known. While the
    /// database is away, or very many ask, it returns without one.
    pub(super) async fn look_anew(&self) {
        let Ok(_waiting) = self.0.waiting.try_acquire() else { return };
        let mut looks = self.0.looks.subscribe();
        let awaited = looks.borrow_and_update().begun + 1;
        self.0.asked.notify_one();
        let ended = looks.wait_for(|looks| looks.ended >= awaited);
        if tokio::time::timeout(LOOK_AWAITED, ended).await.is_err() {
            tracing::debug!("a look at who may call takes long");
        }
    }

    async fn keep(&self, database: &Database, gate: &Gate) {
        let mut since = Since::beginning();
        let mut told = false;
        let (mut last_success, mut all_anew) = (Instant::now(), Instant::now());
        loop {
            if all_anew.elapsed() >= ALL_ANEW_EVERY {
                (since, all_anew) = (Since::beginning(), Instant::now());
            }
            self.0.looks.send_modify(|looks| looks.begun += 1);
            match load::changes(database, &since).await {
                Ok(changes) => {
                    self.learn(changes.known, changes.everything);
                    since = changes.next;
                    last_success = Instant::now();
                    told = false;
                    gate.set(true);
                }
                Err(error) if !told => {
                    tracing::warn!(error = %error, "who may call is not read anew for now");
                    told = true;
                }
                Err(_) => {}
            }
            metrics::gauge!("tsunagi_directory_age_seconds", "schema" => database.schema())
                .set(last_success.elapsed().as_secs_f64());
            self.0.looks.send_modify(|looks| looks.ended = looks.begun);
            tokio::time::sleep(SOONEST).await;
            if tokio::time::timeout(EVERY.saturating_sub(SOONEST), self.0.asked.notified()).await.is_ok() {
                tracing::trace!("somebody unknown called");
            }
        }
    }

    fn learn(&self, new: Known, everything: bool) {
        let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
        if everything {
            *known = new;
        } else {
            known.principals.extend(new.principals);
            known.staff.extend(new.staff);
        }
    }
}
