//! Reading the profiles of LINE users, one request at a time, again until LINE answers. Nothing waits for it.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use chassis::Host;
use chassis::work_queue::{Crew, Job};
use contracts::events::v1::identity_event::Body;
use futures::StreamExt as _;
use identity_linking_core::account::AccountState;
use identity_linking_core::profile::pause_after;
use kernel::FriendId;

use crate::change::{self, ChangeError, Subject};
use crate::gateway::Gateway;
use crate::linking::first_message;
use crate::postgres::friend::ShownProfile;
use crate::postgres::{account, friend, profile_request};
use crate::registry::Registry;
use crate::replica;

/// How requests are worked on. LINE may take half a minute for one.
const CREW: Crew = Crew {
    queue: profile_request::JOBS,
    at_once: NonZeroUsize::new(8).unwrap(),
    lease: Duration::from_mins(2),
    look_every: Duration::from_millis(500),
};

/// Reads profiles under `host` until it stops.
pub(crate) fn spawn(host: &Host, registry: Registry, gateway: Arc<Gateway>) {
    let database = registry.database.clone();
    let reader = Arc::new(Reader { registry, gateway });
    CREW.spawn(host, "identity.profiles", &database, futures::stream::pending().boxed(), move |job| {
        let reader = Arc::clone(&reader);
        async move { reader.read(&job).await }
    });
}

struct Reader {
    registry: Registry,
    gateway: Arc<Gateway>,
}

/// What came of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The profile was read.
    Read,
    /// LINE shows none.
    Hidden,
    /// The account is not connected; the request waits for that.
    Parked,
    /// It is tried again later.
    Again,
    /// It was given up.
    GivenUp,
}

impl Reader {
    async fn read(&self, job: &Job) {
        let friend = FriendId::from(job.subject);
        match self.work(job, friend).await {
            Ok(outcome) => {
                let label = format!("{outcome:?}").to_ascii_lowercase();
                metrics::counter!("tsunagi_identity_profile_requests_total", "outcome" => label).increment(1);
            }
            // The lease brings the request back.
            Err(error) => tracing::warn!(error = %error, tenant = %job.tenant, %friend, "a profile request failed"),
        }
    }

    async fn work(&self, job: &Job, friend: FriendId) -> Result<Outcome, ChangeError> {
        let mut tx = self.registry.database.tenant(job.tenant).await?;
        // Looked at again under a lock before it is parked: whoever connects the account wakes what is parked until then.
        if account::state(&mut tx, job.account, false).await? != Some(AccountState::Connected)
            && account::state(&mut tx, job.account, true).await? != Some(AccountState::Connected)
        {
            CREW.queue.postpone(&mut *tx, job, None).await?;
            tx.commit().await?;
            return Ok(Outcome::Parked);
        }
        let user = friend::find(&mut tx, friend).await?.ok_or(sqlx::Error::RowNotFound)?;
        // LINE is asked outside of any transaction.
        tx.rollback().await?;
        chassis::failpoint::reached("identity.profile.before_line");
        let shown = self.gateway.profile(job.tenant, job.account, &user.line_user_id).await;
        chassis::failpoint::reached("identity.profile.after_line");
        let mut tx = self.registry.database.tenant(job.tenant).await?;
        let outcome = match shown {
            Ok(shown) => {
                let outcome = if shown.is_some() { Outcome::Read } else { Outcome::Hidden };
                if let Some(shown) = shown {
                    self.keep(&mut tx, friend, shown).await?;
                }
                self.register(&mut tx, friend).await?;
                CREW.queue.finish(&mut *tx, job).await?;
                outcome
            }
            Err(status) => {
                tracing::debug!(code = ?status.code(), %friend, "a profile cannot be read now");
                if let Some(pause) = pause_after(job.attempts, rand::random()) {
                    CREW.queue.postpone(&mut *tx, job, Some(pause)).await?;
                    Outcome::Again
                } else {
                    self.register(&mut tx, friend).await?;
                    CREW.queue.finish(&mut *tx, job).await?;
                    Outcome::GivenUp
                }
            }
        };
        tx.commit().await?;
        Ok(outcome)
    }

    /// Registers a LINE user whose first message waited for a name (D-2); there is one now, or there never will be.
    async fn register(&self, tx: &mut chassis::postgres::TenantTx, friend: FriendId) -> Result<(), ChangeError> {
        let user = friend::lock(tx, friend).await?.ok_or(sqlx::Error::RowNotFound)?;
        first_message::register(tx, self.registry.now(), &user).await
    }

    /// Keeps a profile, and tells the others where it is another than before.
    async fn keep(
        &self,
        tx: &mut chassis::postgres::TenantTx,
        friend: FriendId,
        shown: ShownProfile,
    ) -> Result<(), ChangeError> {
        let now = self.registry.now();
        let mut user = friend::lock(tx, friend).await?.ok_or(sqlx::Error::RowNotFound)?;
        if user.profile == shown {
            return Ok(());
        }
        user.profile = shown;
        user.version += 1;
        friend::update_profile(tx, &user, now).await?;
        let subject = Subject { kind: "line_user", id: user.id.uuid(), version: user.version };
        change::announce(tx, subject, now, Body::LineUser(replica::line_user(&user))).await
    }
}
