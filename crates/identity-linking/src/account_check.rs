//! Asking LINE, every hour, how each connected account stands: whether its own chat is on (F-37), and, where a day's figures are due,
//! how many friends it has (F-60).

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use chassis::Host;
use chassis::audit::Actor;
use chassis::postgres::TenantTx;
use chassis::work_queue::{Crew, Job};
use contracts::events::v1::identity_event::Body;
use futures::StreamExt as _;
use identity_linking_core::account::{AccountState, Bot, FollowerCount, OfficialAccount};
use identity_linking_core::staff::NoticeKind;
use kernel::{AccountId, Timestamp};

use crate::change::{self, ChangeError, Subject};
use crate::friend_coverage;
use crate::gateway::Gateway;
use crate::postgres::{account, account_check};
use crate::registry::Registry;
use crate::replica;
use crate::staff_notice::{self, Matter};

/// How long LINE is not asked about an account once it has answered, or did not.
const EVERY: Duration = Duration::from_hours(1);
/// By how much longer, at most, so that many accounts are not asked about at once.
const SPREAD: Duration = Duration::from_mins(5);
/// How accounts are asked about. LINE may take half a minute for one.
const CREW: Crew = Crew {
    queue: account_check::JOBS,
    at_once: NonZeroUsize::new(4).unwrap(),
    lease: Duration::from_mins(2),
    look_every: Duration::from_secs(1),
};
const BY_RULE: Actor = Actor::Service("identity-linking");

/// How long it is until an account is asked about again.
pub(crate) fn pause() -> Duration {
    EVERY + SPREAD.mul_f64(rand::random())
}

/// Asks under `host` until it stops.
pub(crate) fn spawn(host: &Host, registry: Registry, gateway: Arc<Gateway>) {
    let database = registry.database.clone();
    let checker = Arc::new(Checker { registry, gateway });
    CREW.spawn(host, "identity.account_checks", &database, futures::stream::pending().boxed(), move |job| {
        let checker = Arc::clone(&checker);
        async move { checker.check(&job).await }
    });
}

struct Checker {
    registry: Registry,
    gateway: Arc<Gateway>,
}

impl Checker {
    async fn check(&self, job: &Job) {
        let outcome = match self.work(job).await {
            Ok(outcome) => outcome,
            // The lease brings the job back.
            Err(error) => {
                tracing::warn!(error = %error, tenant = %job.tenant, account = %job.account, "an account cannot be checked");
                "failed"
            }
        };
        metrics::counter!("tsunagi_identity_account_checks_total", "outcome" => outcome).increment(1);
    }

    async fn work(&self, job: &Job) -> Result<&'static str, ChangeError> {
        let mut tx = self.registry.database.tenant(job.tenant).await?;
        let found = account::find(&mut tx, job.account).await?;
        let Some(found) = found.filter(|found| found.stored.value.state == AccountState::Connected) else {
            // Whoever connects it again puts it in again.
            account_check::JOBS.finish(&mut *tx, job).await?;
            tx.commit().await?;
            return Ok("not_connected");
        };
        // LINE is asked outside of any transaction.
        tx.rollback().await?;
        let bot = self.gateway.bot(job.tenant, job.account).await;
        let followers = match &bot {
            Ok(_) => friend_coverage::ask(&self.gateway, job.tenant, &found, self.registry.now()).await,
            // Who is not told the one thing need not wait for the other.
            Err(_) => None,
        };
        chassis::failpoint::reached("identity.check.after_line");
        let mut tx = self.registry.database.tenant(job.tenant).await?;
        let outcome = match bot {
            Ok(bot) => self.keep(&mut tx, job.account, bot, followers).await?,
            Err(status) => {
                tracing::debug!(code = ?status.code(), account = %job.account, "LINE does not say how an account stands");
                "unanswered"
            }
        };
        account_check::JOBS.postpone(&mut *tx, job, Some(pause())).await?;
        tx.commit().await?;
        Ok(outcome)
    }

    /// Keeps what LINE answered, and tells whom it concerns where it is another answer than before.
    async fn keep(
        &self,
        tx: &mut TenantTx,
        id: AccountId,
        bot: Bot,
        followers: Option<FollowerCount>,
    ) -> Result<&'static str, ChangeError> {
        let now = self.registry.now();
        let found = account::lock(tx, id).await?.ok_or(sqlx::Error::RowNotFound)?;
        let before = found.stored.value.clone();
        if before.state != AccountState::Connected || before.bot.as_ref() != Some(&bot.user_id) {
            return Ok("not_connected");
        }
        if let Some(told) = followers {
            friend_coverage::keep(tx, id, told).await?;
        }
        let value = before.clone().observed(bot.chat_mode, now);
        if value == before {
            return Ok("same");
        }
        let stored = found.stored.changed(value);
        account::update(tx, &stored).await?;
        let body = Body::Account(replica::account(tx, &self.registry.vault, &stored).await?);
        let subject = Subject { kind: "account", id: id.uuid(), version: stored.version };
        change::record(tx, &BY_RULE, "account.check", subject, now, body).await?;
        tell_staff(tx, now, id, &before, &stored.value).await?;
        Ok("changed")
    }
}

/// Has staff hear of LINE's own chat when it is seen on and was not before.
pub(crate) async fn tell_staff(
    tx: &mut TenantTx,
    now: Timestamp,
    id: AccountId,
    before: &OfficialAccount,
    after: &OfficialAccount,
) -> Result<(), ChangeError> {
    if before.is_chat_on() || !after.is_chat_on() {
        return Ok(());
    }
    let matter = Matter {
        kind: NoticeKind::ChatModeOn,
        subject: id.uuid(),
        occasion: &now.timestamp_micros().to_string(),
        account: id,
        user: None,
        occur_time: now,
    };
    staff_notice::ask_of(tx, now, matter, after, None).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn accounts_are_asked_about_an_hour_later_and_not_all_at_once() {
        let pauses: BTreeSet<Duration> = (0..200).map(|_| pause()).collect();
        assert!(pauses.iter().all(|pause| (EVERY..=EVERY + SPREAD).contains(pause)));
        assert!(pauses.len() > 100, "{} of 200", pauses.len());
    }
}
