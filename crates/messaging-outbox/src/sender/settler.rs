//! Writes what became of requests, for many lanes together. What was written is the state, the queue's row, the figures of the
//! month, and what watchers and other services hear of it: one transaction for each tenant and batch, at most one of each at a
//! time.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chassis::failpoint;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use kernel::{AccountId, ConversationId, MessageId, TenantId};
use messaging_outbox_core::attempt::FailureKind;
use messaging_outbox_core::quota::QuotaMonth;
use messaging_outbox_core::route::{self, SendMethod};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::settlement::Settlement;
use super::{Tools, unwritable};
use crate::postgres::conversation;
use crate::postgres::quota::{self, Sent};
use crate::postgres::settle::{self, Settled};
use crate::{change, notice};

/// Requests whose outcomes are written in one transaction at most.
const AT_ONCE: usize = 1024;
/// Tenants written at once.
const TENANTS_AT_ONCE: usize = 6;
/// How long to wait before writing again what could not be written.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// How long writing is tried after the process was told to stop. What is not written then, the next holder finds out.
const AFTER_STOP: Duration = Duration::from_secs(8);

type Queued = (Settlement, Vec<TaskTrackerToken>);

/// Where lanes tell what became of requests.
pub(super) struct Settlements(mpsc::Sender<Queued>);

pub(super) struct SettlementQueue(mpsc::Receiver<Queued>);

impl Settlements {
    pub(super) fn new() -> (Self, SettlementQueue) {
        let (sender, receiver) = mpsc::channel(4096);
        (Self(sender), SettlementQueue(receiver))
    }

    /// Has it written. `tokens` are dropped once that is done.
    pub(super) async fn send(&self, settlement: Settlement, tokens: Vec<TaskTrackerToken>) {
        // Closed only when the settler has ended, at the end of the process.
        let _ = self.0.send((settlement, tokens)).await;
    }
}

/// Writes until every lane has ended. Each tenant's outcomes are written by themselves, one transaction after another: what
/// holds up one tenant's holds up nobody else's.
pub(super) async fn run(
    tools: Arc<Tools>,
    mut queue: SettlementQueue,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let turns = Semaphore::new(TENANTS_AT_ONCE);
    let patience = Patience { stopping, end: OnceLock::new() };
    let (mut waiting, mut open) = (Waiting::default(), true);
    let (mut batch, mut writing) = (Vec::new(), FuturesUnordered::new());
    while open || !writing.is_empty() {
        tokio::select! {
            count = queue.0.recv_many(&mut batch, AT_ONCE), if open => {
                open = count > 0;
                batch.drain(..).for_each(|queued| waiting.add(queued));
            }
            Some(tenant) = writing.next() => waiting.written(tenant),
        }
        while let Some((tenant, all, tokens)) = waiting.next() {
            let (tools, turns, patience) = (&tools, &turns, &patience);
            writing.push(async move {
                persist(tools, turns, tenant, &all, patience).await;
                drop(tokens);
                tenant
            });
        }
    }
    Ok(())
}

/// Outcomes that wait, tenant by tenant, and the tenants whose outcomes are being written.
#[derive(Default)]
struct Waiting {
    by_tenant: BTreeMap<TenantId, VecDeque<Queued>>,
    writing: HashSet<TenantId>,
    /// Tenants that have something to write and nothing being written, each once.
    free: VecDeque<TenantId>,
}

impl Waiting {
    fn add(&mut self, (settlement, tokens): Queued) {
        let Some(tenant) = settlement.tenant else { return };
        let queue = self.by_tenant.entry(tenant).or_default();
        if queue.is_empty() && !self.writing.contains(&tenant) {
            self.free.push_back(tenant);
        }
        queue.push_back((settlement, tokens));
    }

    /// What is to be written next, of a tenant nothing of which is being written.
    fn next(&mut self) -> Option<(TenantId, Settlement, Vec<TaskTrackerToken>)> {
        let tenant = self.free.pop_front()?;
        let mut queue = self.by_tenant.remove(&tenant)?;
        let (mut all, mut tokens) = (Settlement::default(), Vec::new());
        for (settlement, written) in queue.drain(..queue.len().min(AT_ONCE)) {
            tokens.extend(written);
            all.accepted.extend(settlement.accepted);
            all.given_up.extend(settlement.given_up);
            all.put_back.extend(settlement.put_back);
        }
        if !queue.is_empty() {
            self.by_tenant.insert(tenant, queue);
        }
        self.writing.insert(tenant);
        Some((tenant, all, tokens))
    }

    fn written(&mut self, tenant: TenantId) {
        self.writing.remove(&tenant);
        if self.by_tenant.contains_key(&tenant) {
            self.free.push_back(tenant);
        }
    }
}

/// Writes what became of one tenant's requests, together where that can be, and message by message where one of them cannot be
/// written: that one is uncertain then, and holds up no other.
async fn persist(tools: &Tools, turns: &Semaphore, tenant: TenantId, all: &Settlement, patience: &Patience) {
    let Err(error) = keep_writing(tools, turns, tenant, all, patience).await else { return };
    tracing::warn!(%tenant, reason = unwritable::reason(&error), "outcomes cannot be written together");
    for one in all.each() {
        let Err(error) = keep_writing(tools, turns, tenant, &one, patience).await else { continue };
        let reason = unwritable::reason(&error);
        for message in one.messages() {
            tracing::error!(%tenant, message.id = %message, reason, "an outcome cannot be written; the message is uncertain");
        }
        if let Err(error) = keep_writing(tools, turns, tenant, &one.uncertain(), patience).await {
            // It stays in hand, and the lane's next holder asks LINE again.
            tracing::error!(%tenant, reason = unwritable::reason(&error), "nor can it be written that a message is uncertain");
        }
    }
}

/// Writes until it is written, or the process has been stopping for long. The error: the database will never take it.
async fn keep_writing(
    tools: &Tools,
    turns: &Semaphore,
    tenant: TenantId,
    all: &Settlement,
    patience: &Patience,
) -> anyhow::Result<()> {
    loop {
        let turn = turns.acquire().await;
        failpoint::reached("messaging.before_settle");
        match write(tools, tenant, all).await {
            Ok(()) => break,
            Err(error) if unwritable::is_unwritable(&error) => return Err(error),
            Err(error) => tracing::warn!(%tenant, error = format!("{error:#}"), "outcomes cannot be written now"),
        }
        // Others write while this waits.
        drop(turn);
        if patience.is_over() {
            return Ok(());
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
    failpoint::reached("messaging.after_settle");
    Ok(())
}

/// How long writing is tried at the end of the process.
struct Patience {
    stopping: CancellationToken,
    end: OnceLock<Instant>,
}

impl Patience {
    fn is_over(&self) -> bool {
        self.stopping.is_cancelled() && *self.end.get_or_init(|| Instant::now() + AFTER_STOP) < Instant::now()
    }
}

async fn write(tools: &Tools, tenant: TenantId, all: &Settlement) -> anyhow::Result<()> {
    let now = tools.clock.now();
    let mut tx = tools.database.tenant_planning_anew(tenant).await?;
    let urgent = all.urgent();
    if !urgent.is_empty() {
        conversation::lock_of(&mut tx, &urgent).await?;
    }
    let mut settled: Vec<Settled> = Vec::new();
    if !all.accepted.is_empty() {
        settled.extend(settle::accept(&mut tx, &all.accepted, now).await?);
    }
    let recorded: BTreeSet<MessageId> = settled.iter().map(|one| one.message).collect();
    let mut fates: Vec<(Settled, bool)> = settled.iter().map(|one| (*one, false)).collect();
    for given_up in &all.given_up {
        let expired = given_up.failure.as_ref().is_some_and(|failure| failure.kind == FailureKind::Expired.code());
        let one = settle::give_up(&mut tx, given_up).await?;
        fates.extend(one.map(|one| (one, expired)));
        settled.extend(one);
    }
    notice::follow(&mut tx, &fates).await?;
    for back in &all.put_back {
        settled.extend(settle::put_back(&mut tx, back, now).await?);
    }
    // A request whose messages were recorded before, by this holder or the last, is counted already.
    let mut sums: BTreeMap<AccountId, (i64, i64)> = BTreeMap::new();
    for one in all.accepted.iter().filter(|one| one.leads && recorded.contains(&one.message)) {
        let sum = sums.entry(one.account).or_default();
        match one.method {
            SendMethod::Push => sum.0 += 1,
            SendMethod::Reply => sum.1 += 1,
        }
    }
    let sums: Vec<Sent> =
        sums.into_iter().map(|(account, (pushes, replies))| Sent { account, pushes, replies }).collect();
    quota::count(&mut tx, QuotaMonth::of(now), &sums).await?;
    let mut urgent: Vec<Settled> = settled.iter().copied().filter(|one| one.class == route::CONVERSATION).collect();
    let changed = conversation::bump(&mut tx, &urgent).await?;
    let shown: BTreeSet<ConversationId> = changed.iter().map(|changed| changed.conversation).collect();
    urgent.retain(|one| shown.contains(&one.conversation));
    change::note(&mut tx, &tools.wakes, &changed).await?;
    change::announce_states(&mut tx, &urgent, now).await?;
    notice::tell_of_replies(&mut tx, &tools.channels, &urgent, now).await?;
    tx.commit().await?;
    for one in &settled {
        metrics::counter!("tsunagi_messaging_settled_total", "state" => one.state.name()).increment(1);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio_util::task::TaskTracker;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_tenants_outcomes_are_written_together_and_one_batch_of_them_at_a_time() {
        let lane = TaskTracker::new();
        let tenant = |number: u128| TenantId::from(Uuid::from_u128(number));
        let of = |number| (Settlement { tenant: Some(tenant(number)), ..Settlement::default() }, vec![lane.token()]);
        let mut waiting = Waiting::default();
        let next = |waiting: &mut Waiting| waiting.next().map(|(tenant, _, tokens)| (tenant, tokens.len()));
        for queued in [of(1), of(2), of(1)] {
            waiting.add(queued);
        }
        assert_eq!(next(&mut waiting), Some((tenant(1), 2)));
        waiting.add(of(1));
        assert_eq!(next(&mut waiting), Some((tenant(2), 1)));
        assert_eq!(next(&mut waiting), None, "the first batch is being written");
        waiting.written(tenant(1));
        assert_eq!(next(&mut waiting), Some((tenant(1), 1)));
        for number in [1, 2] {
            waiting.written(tenant(number));
        }
        assert_eq!(next(&mut waiting), None);
    }
}
