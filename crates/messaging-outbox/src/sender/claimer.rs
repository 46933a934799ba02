//! Claims for many lanes in one statement: while one claim runs, the lanes that want more come together for the next.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chassis::failpoint;
use kernel::TenantId;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

use super::Sender;
use super::planner::{self, Planned};
use crate::postgres::send_queue::{self, Claimed, Want};

/// Lanes claimed for at once.
const LANES_AT_ONCE: usize = 512;
/// Tenants planned for at once.
const TENANTS_AT_ONCE: usize = 6;

struct Asked {
    want: Want,
    answer: oneshot::Sender<Claim>,
}

/// What a claim gave.
#[derive(Debug)]
pub(super) enum Claim {
    /// Requests, and whether there was as much as was wanted: more may wait.
    Planned(Planned),
    /// The database is away; nothing was given, though rows may be in hand that the next claim of another epoch finds.
    Away,
}

/// Where lanes ask.
pub(super) struct Claims(mpsc::Sender<Asked>);

pub(super) struct ClaimQueue(mpsc::Receiver<Asked>);

impl Claims {
    pub(super) fn new() -> (Self, ClaimQueue) {
        let (sender, receiver) = mpsc::channel(4096);
        (Self(sender), ClaimQueue(receiver))
    }

    /// Claims for one lane.
    pub(super) async fn claim(&self, want: Want) -> Claim {
        let (answer, answered) = oneshot::channel();
        if self.0.send(Asked { want, answer }).await.is_err() {
            return Claim::Away;
        }
        answered.await.unwrap_or(Claim::Away)
    }
}

/// Claims until every lane has ended. What was claimed is planned beside the next claim, tenant by tenant, so that a tenant
/// whose rows are locked holds up nobody else's lanes.
pub(super) async fn run(sender: Arc<Sender>, mut queue: ClaimQueue) -> anyhow::Result<()> {
    let (mut asked, mut plans) = (Vec::new(), JoinSet::new());
    let turns = Arc::new(Semaphore::new(TENANTS_AT_ONCE));
    loop {
        let count = tokio::select! {
            count = queue.0.recv_many(&mut asked, LANES_AT_ONCE) => count,
            () = sender.drained.cancelled() => 0,
        };
        if count == 0 {
            return Ok(());
        }
        while plans.try_join_next().is_some() {}
        let asked = std::mem::take(&mut asked);
        let wants: Vec<Want> = asked.iter().map(|asked| asked.want).collect();
        failpoint::reached("messaging.before_claim");
        match send_queue::claim(sender.tools.database.worker(), sender.holder, &wants).await {
            Ok(claimed) => {
                failpoint::reached("messaging.after_claim");
                metrics::counter!("tsunagi_messaging_claimed_total").increment(claimed.len() as u64);
                for (tenant, (asked, claimed)) in by_tenant(asked, claimed) {
                    plans.spawn(hand_out(Arc::clone(&sender), Arc::clone(&turns), tenant, asked, claimed));
                }
            }
            Err(error) => {
                tracing::warn!(error = %error, "messages cannot be claimed now");
                for asked in asked {
                    let _ = asked.answer.send(Claim::Away);
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

fn by_tenant(asked: Vec<Asked>, claimed: Vec<Claimed>) -> BTreeMap<TenantId, (Vec<Asked>, Vec<Claimed>)> {
    let mut by_tenant: BTreeMap<TenantId, (Vec<Asked>, Vec<Claimed>)> = BTreeMap::new();
    for asked in asked {
        by_tenant.entry(asked.want.key.tenant).or_default().0.push(asked);
    }
    for row in claimed {
        by_tenant.entry(row.key.tenant).or_default().1.push(row);
    }
    by_tenant
}

/// Plans what one tenant's lanes got, and answers every lane.
async fn hand_out(
    sender: Arc<Sender>,
    turns: Arc<Semaphore>,
    tenant: TenantId,
    asked: Vec<Asked>,
    claimed: Vec<Claimed>,
) {
    let _turn = turns.acquire().await;
    let wants: Vec<Want> = asked.iter().map(|asked| asked.want).collect();
    let mut planned = planner::plan(&sender, tenant, claimed, &wants).await;
    for asked in asked {
        let _ = asked.answer.send(Claim::Planned(planned.remove(&asked.want.key).unwrap_or_default()));
    }
}
