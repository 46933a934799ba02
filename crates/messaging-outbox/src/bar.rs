//! The yellow bar on the rich menu of staff (F-28): compares what waits for each member who is bound on a staff account with what
//! LINE shows them, and switches whoever is behind.
//!
//! These calls take no sending lane. A lane keeps one message from leaving twice or behind a later one; a menu has no past: to
//! link it twice is to link it once, and only the last call for a user counts. That one is told from those before it by the claim
//! of the account's job: one process at a time calls for an account, never longer than the claim lasts, and after a call of
//! unknown outcome nobody calls until it must have ended. What was called for and not written is `Unknown`, and set anew.
//!
//! An account of the operator's serves the staff of several tenants. Each of them has a job of its own there, which tells the account's
//! for whom something waits; the account's calls, for whoever has anything waiting in any of them.

mod line;
mod menus;
mod switch;

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use chassis::Host;
use chassis::postgres::TenantTx;
use chassis::work_queue::{Crew, Job};
use futures::{StreamExt as _, stream};
use kernel::{AccountId, StaffId, TenantId};
use line_client::FailureKind;
use line_types::id::UserId;
use messaging_outbox_core::backoff;
use messaging_outbox_core::bar::{self as rules, Bar, Known};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::Instant;
use url::Url;

use self::line::{DEADLINE, Line, Trouble};
use self::menus::Menus;
use crate::postgres::account::{self, Account, AccountKey};
use crate::postgres::staff_bar::{self as rows, MenusAtLine, job as jobs, wish};
use crate::postgres::{replica, staff_account_share, waiting};
use crate::sender::Tools;
use crate::wake::Wake;

/// How many accounts are looked at together.
const CREW: Crew = Crew {
    queue: jobs::JOBS,
    at_once: NonZeroUsize::new(4).unwrap(),
    lease: Duration::from_secs(30),
    look_every: Duration::from_secs(1),
};
/// How long one run may take: with the call it may have begun last, well within the claim.
const RUN: Duration = Duration::from_secs(20);
/// An account is looked at so often without anything that asks for it.
const REST: Duration = Duration::from_mins(10);
/// How long what LINE said of the menus holds.
const MENUS_HOLD: Duration = Duration::from_hours(1);
/// Changes heard of within this time are taken together.
const GATHERED_FOR: Duration = Duration::from_millis(50);
/// How often changes are looked for that nobody heard of. That asks after every staff account there is, so it rests the longer the
/// longer it took: so many times as long at least.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
const SWEEP_REST: u32 = 50;

/// Starts it under `host`. `page`: the staff's web page, which a tap opens.
pub(crate) fn spawn(host: &Host, tools: Arc<Tools>, page: Option<&Url>) {
    let (database, stopping) = (tools.database.clone(), host.stopping());
    let (stir, stirred) = mpsc::channel(1);
    host.spawn("messaging.bar.changes", {
        let tools = Arc::clone(&tools);
        async move {
            stopping.run_until_cancelled(listen(&tools, &stir)).await;
            Ok(())
        }
    });
    let stirred = stream::unfold(stirred, |mut stirred| async move { stirred.recv().await.map(|()| ((), stirred)) });
    let bars = Arc::new(Bars { tools, menus: Menus::of(page) });
    CREW.spawn(host, "messaging.bar", &database, stirred.boxed(), move |job| {
        let bars = Arc::clone(&bars);
        async move { bars.work(job).await }
    });
}

/// Brings the jobs of tenants forward whose conversations change.
async fn listen(tools: &Tools, stir: &mpsc::Sender<()>) {
    let mut wakes = tools.wakes.subscribe();
    let mut sweep_at = Instant::now();
    loop {
        let brought = tokio::select! {
            () = tokio::time::sleep_until(sweep_at) => {
                let began = Instant::now();
                let brought = jobs::sweep(tools.database.worker()).await;
                sweep_at = Instant::now() + SWEEP_EVERY.max(began.elapsed().saturating_mul(SWEEP_REST));
                brought
            }
            wake = wakes.recv() => match wake {
                Ok(Wake::Change(tenant)) => {
                    let mut changed = HashSet::from([tenant]);
                    tokio::time::sleep(GATHERED_FOR).await;
                    while let Ok(wake) = wakes.try_recv() {
                        if let Wake::Change(tenant) = wake {
                            changed.insert(tenant);
                        }
                    }
                    let tenants: Vec<TenantId> = changed.into_iter().collect();
                    jobs::bring_forward(tools.database.worker(), &tenants).await
                }
                // What was missed the next sweep finds.
                Ok(_) | Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return,
            },
        };
        match brought {
            // One that is stirred already will look.
            Ok(true) => drop(stir.try_send(())),
            Ok(false) => {}
            Err(error) => tracing::warn!(error = %error, "changes for the staff's bars cannot be noted now"),
        }
    }
}

/// Everything a run needs.
struct Bars {
    tools: Arc<Tools>,
    menus: Menus,
}

/// How an account stands when a run looks.
struct Scene {
    began: jobs::Began,
    /// None: nothing may be called for it now.
    account: Option<Account>,
    wanted: BTreeMap<UserId, Bar>,
    known: BTreeMap<UserId, Known>,
    menus: Option<MenusAtLine>,
}

impl Scene {
    fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.known.is_empty()
    }
}

impl Bars {
    async fn work(&self, job: Job) {
        let worker = self.tools.database.worker();
        let done = match tokio::time::timeout(RUN, self.run(&job)).await {
            Ok(Ok(None)) => Ok(()),
            Ok(Ok(Some((began, wait)))) => jobs::rest(worker, &job, &began, wait).await,
            Ok(Err(trouble)) => {
                metrics::counter!("tsunagi_messaging_bar_failures_total").increment(1);
                tracing::warn!(account.id = %job.account, error = %trouble, "the staff's bars cannot be switched now");
                jobs::fail(worker, &job, wait_after(&trouble, job.attempts)).await
            }
            Err(_) => {
                tracing::warn!(account.id = %job.account, "switching the staff's bars takes too long");
                jobs::fail(worker, &job, DEADLINE).await
            }
        };
        if let Err(error) = done {
            // The claim runs out, and it is tried again.
            tracing::warn!(account.id = %job.account, error = %error, "a run for the staff's bars cannot be ended now");
        }
    }

    /// One run; none when somebody else has the job by now. How long to rest otherwise.
    async fn run(&self, job: &Job) -> Result<Option<(jobs::Began, Duration)>, Trouble> {
        if self.is_shared(job).await? {
            return Ok(self.wish(job).await?.map(|began| (began, REST)));
        }
        let key = AccountKey { tenant: job.tenant, account: job.account };
        let (mut token, mut renewed, mut lost) = (None, false, false);
        loop {
            let Some(scene) = self.look(job).await? else { return Ok(None) };
            let Some(account) = scene.account.as_ref().filter(|_| !scene.is_empty()) else {
                return Ok(Some((scene.began, REST)));
            };
            let held = match token.take() {
                Some(token) => token,
                None => self.tools.tokens.get(account).await?,
            };
            let line = Line { tools: &self.tools, key, token: held };
            match self.round(&line, &scene).await {
                Ok(wait) => return Ok(Some((scene.began, wait))),
                Err(Trouble::MenuLost) if !lost => {
                    lost = true;
                    self.menus.lose(&line).await?;
                }
                Err(Trouble::Line(failure)) if failure.kind == FailureKind::Unauthorized && !renewed => {
                    renewed = true;
                    token = Some(self.tools.tokens.renew(account, &line.token).await?);
                }
                Err(trouble) => return Err(trouble),
            }
        }
    }

    /// Whether the account is another tenant's, in which the job's has a share or had one.
    async fn is_shared(&self, job: &Job) -> Result<bool, sqlx::Error> {
        let mut tx = self.tools.database.tenant(job.tenant).await?;
        let shares = staff_account_share::of(&mut tx, &[job.account.uuid()]).await?;
        tx.rollback().await?;
        Ok(!shares.is_empty())
    }

    /// Tells the job of such an account, which alone calls LINE, for whom something waits here. None when somebody else has this job
    /// by now.
    async fn wish(&self, job: &Job) -> Result<Option<jobs::Began>, Trouble> {
        let mut tx = self.tools.database.tenant(job.tenant).await?;
        let Some(began) = jobs::begin(&mut tx, job).await? else { return Ok(None) };
        let suspended = replica::is_suspended(&mut tx).await?;
        for share in staff_account_share::of(&mut tx, &[job.account.uuid()]).await? {
            let mut wishes = BTreeMap::new();
            if share.used {
                for (user, waits) in waiting_for(&mut tx, job.account).await? {
                    *wishes.entry(user).or_default() |= waits && !suspended;
                }
            }
            tx.turn_to(share.home).await?;
            if wish::keep(&mut tx, job.account, job.tenant, &wishes).await? {
                jobs::mark(&mut tx, job.account).await?;
            }
        }
        tx.commit().await?;
        Ok(Some(began))
    }

    /// Everything a run decides by, in this order: what changes later is marked for the next run.
    async fn look(&self, job: &Job) -> Result<Option<Scene>, Trouble> {
        let mut tx = self.tools.database.tenant(job.tenant).await?;
        let Some(began) = jobs::begin(&mut tx, job).await? else { return Ok(None) };
        let staff = account::for_staff(&mut tx, &[job.account.uuid()]).await?.contains(&job.account);
        let account = account::read(&mut tx, job.account).await?.filter(|account| staff && account.may_send());
        let own = waiting_for(&mut tx, job.account).await?;
        let mut waits = wish::of(&mut tx, job.account).await?;
        for (user, own) in own {
            *waits.entry(user).or_default() |= own;
        }
        let known = rows::known(&mut tx, job.account).await?;
        let menus = rows::menus(&mut tx, job.account, MENUS_HOLD).await?;
        tx.rollback().await?;
        let wanted = waits.into_iter().map(|(user, waits)| (user, Bar::of(waits))).collect();
        Ok(Some(Scene { began, account, wanted, known, menus }))
    }

    /// Calls LINE for whoever is behind; tells how long the account may rest.
    async fn round(&self, line: &Line<'_>, scene: &Scene) -> Result<Duration, Trouble> {
        // Somebody who is bound no more needs no menu to be rid of one.
        let (menu, old) = if scene.wanted.is_empty() {
            (None, Vec::new())
        } else {
            let ready = self.menus.ready(line, scene.menus.as_ref()).await?;
            (Some(ready.unread), ready.old)
        };
        let plan = rules::plan(&scene.wanted, &scene.known, menu.as_ref().map(line_types::id::RichMenuId::as_str));
        let wait = switch::carry_out(line, plan, scene, menu.as_ref()).await?;
        menus::delete(line, &old).await;
        Ok(wait.map_or(REST, |wait| wait.min(REST)))
    }
}

/// The LINE users bound to staff of the transaction's tenant on an account, each with whether anything waits for them.
async fn waiting_for(tx: &mut TenantTx, account: AccountId) -> Result<Vec<(UserId, bool)>, sqlx::Error> {
    let bound = rows::bound(tx, account).await?;
    let members: Vec<StaffId> = bound.iter().map(|(staff, _)| *staff).collect();
    let waits = waiting::of_staff(tx, &members).await?;
    let waits = |staff| waits.get(&staff).copied().unwrap_or_default();
    Ok(bound.into_iter().map(|(staff, user)| (user, waits(staff))).collect())
}

/// How long after a failure the next run may begin. A call of unknown outcome may still be on its way.
fn wait_after(trouble: &Trouble, attempts: u16) -> Duration {
    let wait = backoff::delay(attempts, rand::random());
    match trouble {
        Trouble::Line(failure) if !failure.kind.is_definite() => wait.max(DEADLINE),
        _ => wait,
    }
}
