//! Reading the profiles of LINE users, one request at a time, again until LINE answers. Nothing waits for it.

use std::sync::Arc;
use std::time::Duration;

use chassis::Host;
use chrono::TimeDelta;
use contracts::events::v1::identity_event::Body;
use futures::StreamExt;
use futures::stream;
use identity_linking_core::account::AccountState;
use identity_linking_core::profile::pause_after;
use tokio_util::sync::CancellationToken;

use crate::change::{self, ChangeError, Subject};
use crate::gateway::Gateway;
use crate::postgres::friend::ShownProfile;
use crate::postgres::profile_request::{self, Claim};
use crate::postgres::{account, friend};
use crate::registry::Registry;
use crate::replica;

/// Requests taken at once.
const BATCH: i64 = 64;
/// Requests under way at once.
const AT_ONCE: usize = 8;
/// How long a request is taken for; longer than LINE may take for a whole batch.
const LEASE: TimeDelta = TimeDelta::minutes(2);
/// How often due requests are looked for.
const EVERY: Duration = Duration::from_millis(500);

/// Reads profiles under `host` until it stops.
pub(crate) fn spawn(host: &Host, registry: Registry, gateway: Arc<Gateway>) {
    let stopping = host.stopping();
    host.spawn("identity.profiles", async move {
        let reader = Reader { registry, gateway };
        while !stopping.is_cancelled() {
            if !reader.batch(&stopping).await {
                stopping.run_until_cancelled(tokio::time::sleep(EVERY)).await;
            }
        }
        Ok(())
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
    /// Works on the requests that are due; whether there may be more.
    async fn batch(&self, stopping: &CancellationToken) -> bool {
        let claims = match profile_request::claim(&self.registry.database, BATCH, LEASE).await {
            Ok(claims) => claims,
            Err(error) => {
                tracing::warn!(error = %error, "profile requests wait for the database");
                return false;
            }
        };
        let full = i64::try_from(claims.len()).is_ok_and(|taken| taken == BATCH);
        stream::iter(claims)
            .take_until(stopping.cancelled())
            .for_each_concurrent(AT_ONCE, |claim| async move {
                match self.work(&claim).await {
                    Ok(outcome) => {
                        let label = format!("{outcome:?}").to_ascii_lowercase();
                        metrics::counter!("tsunagi_identity_profile_requests_total", "outcome" => label).increment(1);
                    }
                    // The lease brings the request back.
                    Err(error) => tracing::warn!(
                        error = %error, tenant = %claim.tenant, friend = %claim.friend, "a profile request failed"
                    ),
                }
            })
            .await;
        full
    }

    async fn work(&self, claim: &Claim) -> Result<Outcome, ChangeError> {
        let mut tx = self.registry.database.tenant(claim.tenant).await?;
        let state = account::find(&mut tx, claim.account).await?.map(|account| account.stored.value.state);
        if state != Some(AccountState::Connected) {
            profile_request::put_off(&mut tx, claim, None).await?;
            tx.commit().await?;
            return Ok(Outcome::Parked);
        }
        let user = friend::find(&mut tx, claim.friend).await?.ok_or(sqlx::Error::RowNotFound)?;
        // LINE is asked outside of any transaction.
        tx.rollback().await?;
        chassis::failpoint::reached("identity.profile.before_line");
        let shown = self.gateway.profile(claim.tenant, claim.account, &user.line_user_id).await;
        chassis::failpoint::reached("identity.profile.after_line");
        let mut tx = self.registry.database.tenant(claim.tenant).await?;
        let outcome = match shown {
            Ok(shown) => {
                let outcome = if shown.is_some() { Outcome::Read } else { Outcome::Hidden };
                if let Some(shown) = shown {
                    self.keep(&mut tx, claim, shown).await?;
                }
                profile_request::finish(&mut tx, claim).await?;
                outcome
            }
            Err(status) => {
                tracing::debug!(code = ?status.code(), friend = %claim.friend, "a profile cannot be read now");
                if let Some(pause) = pause_after(claim.tries, rand::random()) {
                    profile_request::put_off(&mut tx, claim, Some(pause)).await?;
                    Outcome::Again
                } else {
                    profile_request::finish(&mut tx, claim).await?;
                    Outcome::GivenUp
                }
            }
        };
        tx.commit().await?;
        Ok(outcome)
    }

    /// Keeps a profile, and tells the others where it is another than before.
    async fn keep(
        &self,
        tx: &mut chassis::postgres::TenantTx,
        claim: &Claim,
        shown: ShownProfile,
    ) -> Result<(), ChangeError> {
        let now = self.registry.now();
        let mut user = friend::lock(tx, claim.friend).await?.ok_or(sqlx::Error::RowNotFound)?;
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
