//! Writes what became of requests, for many lanes together. What was written is the state, the queue's row, the figures of the
//! month, and what watchers and other services hear of it: one transaction for each tenant and batch, at most one of each at a
//! time.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chassis::failpoint;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use kernel::{AccountId, MessageId, TenantId};
use line_client::{Accepted as LineAccepted, Failure as LineFailure};
use messaging_outbox_core::attempt::FailureKind;
use messaging_outbox_core::quota::{QuotaMonth, QuotaVerdict};
use messaging_outbox_core::route::SendMethod;
use messaging_outbox_core::send_gate::SendBarrier;
use messaging_outbox_core::state::MessageState;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;
use uuid::Uuid;

use super::Tools;
use super::request::Request;
use crate::change;
use crate::postgres::account::AccountKey;
use crate::postgres::conversation;
use crate::postgres::quota::{self, Sent};
use crate::postgres::send_queue::Claimed;
use crate::postgres::settle::{self, Accepted, Failure, GivenUp, PutBack, Settled};

/// Requests whose outcomes are written in one transaction at most.
const AT_ONCE: usize = 1024;
/// Tenants written at once.
const TENANTS_AT_ONCE: usize = 6;
/// How long to wait before writing again what could not be written.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// How long writing is tried after the process was told to stop. What is not written then, the next holder finds out.
const AFTER_STOP: Duration = Duration::from_secs(8);

/// Why a message is given up.
#[derive(Clone, Debug)]
pub(super) struct Unsent {
    pub(super) state: MessageState,
    pub(super) failure: Failure,
}

impl Unsent {
    /// LINE's last word, and what it means.
    pub(super) fn told(state: MessageState, kind: FailureKind, last: Option<&LineFailure>) -> Self {
        let mut failure = Failure { kind: kind.code(), ..Failure::default() };
        if let Some(last) = last {
            failure.line_message = last.message.clone().unwrap_or_default();
            failure.line_details = last
                .details
                .iter()
                .map(|d| {
                    format!(
                        "{}: {}",
                        d.property.as_deref().unwrap_or_default(),
                        d.message.as_deref().unwrap_or_default()
                    )
                })
                .collect();
            failure.line_request = last.request_id.clone().unwrap_or_default();
            failure.http_status = last.status.map_or(0, i32::from);
        }
        Self { state, failure }
    }

    /// Something came between queueing and sending.
    pub(super) fn barred(barrier: SendBarrier) -> Self {
        let mut unsent = Self::told(MessageState::Refused, FailureKind::Refused, None);
        unsent.failure.line_details = vec![barrier.reason().to_owned()];
        unsent
    }

    /// Only a reply was allowed, and no token was left.
    pub(super) fn expired() -> Self {
        Self::told(MessageState::Refused, FailureKind::Expired, None)
    }

    /// The content is gone.
    pub(super) fn erased() -> Self {
        let mut unsent = Self::told(MessageState::Refused, FailureKind::Refused, None);
        unsent.failure.line_details = vec!["CONTENT_ERASED".to_owned()];
        unsent
    }
}

/// What became of a request.
#[derive(Debug, Default)]
pub(super) struct Settlement {
    tenant: Option<TenantId>,
    accepted: Vec<Accepted>,
    given_up: Vec<GivenUp>,
    put_back: Vec<PutBack>,
}

impl Settlement {
    /// The messages of the class whose conversations change with them.
    fn urgent(&self) -> Vec<Uuid> {
        let accepted = self.accepted.iter().map(|one| (one.class, one.message));
        let given_up = self.given_up.iter().map(|one| (one.class, one.message));
        let put_back = self.put_back.iter().map(|one| (one.class, one.message));
        let all = accepted.chain(given_up).chain(put_back);
        all.filter(|(class, _)| *class == 0).map(|(_, message)| message.uuid()).collect()
    }

    /// LINE accepted it.
    pub(super) fn accepted(key: AccountKey, request: &Request, answer: &LineAccepted) -> Self {
        let line_request = answer.accepted_request_id.clone().or_else(|| answer.request_id.clone());
        let accepted = request.parts.iter().enumerate().map(|(place, part)| {
            let sent = answer.sent.get(place);
            Accepted {
                account: key.account,
                class: request.class,
                message: part.message,
                method: request.method,
                leads: place == 0,
                line_message: sent.map(|sent| sent.id.as_str().to_owned()),
                quote_token: sent.and_then(|sent| sent.quote_token.clone()),
                line_request: line_request.clone(),
            }
        });
        Self { tenant: Some(key.tenant), accepted: accepted.collect(), ..Self::default() }
    }

    /// It is given up.
    pub(super) fn given_up(
        key: AccountKey,
        epoch: i64,
        messages: impl Iterator<Item = (i16, MessageId)>,
        unsent: Unsent,
        attempts: u16,
    ) -> Self {
        let failure = Failure { attempts: i32::from(attempts), ..unsent.failure };
        let state = unsent.state;
        let one =
            |(class, message)| GivenUp { account: key.account, class, message, epoch, state, failure: failure.clone() };
        Self { tenant: Some(key.tenant), given_up: messages.map(one).collect(), ..Self::default() }
    }

    /// One message goes back as it was claimed.
    pub(super) fn put_back(key: AccountKey, epoch: i64, row: &Claimed, wait: Duration) -> Self {
        let back = PutBack {
            account: key.account,
            class: row.class,
            message: row.message,
            epoch,
            wait,
            attempts: row.attempts.saturating_sub(1),
            in_doubt: row.in_doubt,
            frozen: row.in_doubt,
            short: None,
        };
        Self { tenant: Some(key.tenant), put_back: vec![back], ..Self::default() }
    }

    /// A request goes back for a while. `short`: for want of quota.
    pub(super) fn request_put_back(
        key: AccountKey,
        epoch: i64,
        request: &Request,
        wait: Duration,
        short: Option<QuotaVerdict>,
    ) -> Self {
        let last = request.last.as_ref().filter(|last| last.status == Some(429));
        let short = short.map(|verdict| Unsent::told(MessageState::WaitingForQuota, verdict.into(), last).failure);
        let back = request.parts.iter().map(|part| PutBack {
            account: key.account,
            class: request.class,
            message: part.message,
            epoch,
            wait,
            attempts: part.earlier_attempts.saturating_add(request.calls),
            in_doubt: request.in_doubt,
            frozen: request.in_doubt,
            short: short.clone(),
        });
        Self { tenant: Some(key.tenant), put_back: back.collect(), ..Self::default() }
    }
}

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
            let (tools, turns, stopping) = (&tools, &turns, &stopping);
            writing.push(async move {
                persist(tools, turns, tenant, &all, stopping).await;
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

async fn persist(tools: &Tools, turns: &Semaphore, tenant: TenantId, all: &Settlement, stopping: &CancellationToken) {
    let mut give_up_at = None;
    loop {
        let turn = turns.acquire().await;
        failpoint::reached("messaging.before_settle");
        match write(tools, tenant, all).await {
            Ok(()) => break,
            Err(error) => tracing::warn!(%tenant, error = format!("{error:#}"), "outcomes cannot be written now"),
        }
        // Others write while this waits.
        drop(turn);
        if stopping.is_cancelled() {
            let end = *give_up_at.get_or_insert_with(|| tokio::time::Instant::now() + AFTER_STOP);
            if tokio::time::Instant::now() > end {
                return;
            }
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
    failpoint::reached("messaging.after_settle");
}

async fn write(tools: &Tools, tenant: TenantId, all: &Settlement) -> anyhow::Result<()> {
    let now = tools.clock.now();
    let mut tx = tools.database.tenant(tenant).await?;
    let urgent = all.urgent();
    if !urgent.is_empty() {
        conversation::lock_of(&mut tx, &urgent).await?;
    }
    let mut settled: Vec<Settled> = Vec::new();
    if !all.accepted.is_empty() {
        settled.extend(settle::accept(&mut tx, &all.accepted, now).await?);
    }
    let recorded: BTreeSet<MessageId> = settled.iter().map(|one| one.message).collect();
    for given_up in &all.given_up {
        settled.extend(settle::give_up(&mut tx, given_up).await?);
    }
    for back in &all.put_back {
        settled.extend(settle::put_back(&mut tx, back).await?);
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
    let urgent: Vec<Settled> = settled.iter().copied().filter(|one| one.class == 0).collect();
    let changed = conversation::bump(&mut tx, &urgent).await?;
    change::note(&mut tx, &tools.wakes, &changed).await?;
    change::announce_states(&mut tx, &urgent, now).await?;
    tx.commit().await?;
    for one in &settled {
        metrics::counter!("tsunagi_messaging_settled_total", "state" => one.state.name()).increment(1);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio_util::task::TaskTracker;

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
