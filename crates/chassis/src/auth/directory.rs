//! Everybody who may call, in memory. Calls are checked here also while the database is away.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use contracts::MethodRule;
use kernel::Timestamp;

use super::Caller;
use super::decide::{Credentials, Known, Refusal, decide, is_known};
use super::load::{self, Since};
use crate::host::{Gate, Host};
use crate::postgres::Database;

/// How often changes are looked for. Revocation must reach every service within five seconds, event and all.
const EVERY: Duration = Duration::from_secs(1);
/// After so many looks everything is read anew, so that rows which were removed are noticed.
const LOOKS_UNTIL_ALL_ANEW: u32 = 300;

/// Principals and staff as this service knows them. Clones share what is known.
#[derive(Clone)]
pub struct Directory(Arc<Shared>);

struct Shared {
    known: RwLock<Known>,
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
        let directory = Self(Arc::new(Shared { known: RwLock::default() }));
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

    /// Whether a caller who was let in at `opened` may go on at `now`. The staff assertion had to be good at `opened` only, for it
    /// lives for minutes; the principal and the staff member must be what they have to be now.
    pub(super) fn still_holds(
        &self,
        rule: MethodRule,
        method: &str,
        credentials: Credentials<'_>,
        opened: Timestamp,
        now: Timestamp,
    ) -> bool {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        is_known(credentials, &known, now) && decide(Some(rule), method, credentials, &known, opened).is_ok()
    }

    async fn keep(&self, database: &Database, gate: &Gate) {
        let mut since = Since::beginning();
        let (mut looks, mut told) = (0, false);
        let mut last_success = tokio::time::Instant::now();
        loop {
            if looks >= LOOKS_UNTIL_ALL_ANEW {
                (since, looks) = (Since::beginning(), 0);
            }
            match load::changes(database, &since).await {
                Ok(changes) => {
                    self.learn(changes.known, changes.everything);
                    since = changes.next;
                    looks += 1;
                    last_success = tokio::time::Instant::now();
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
            tokio::time::sleep(EVERY).await;
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
