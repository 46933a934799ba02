//! A lane held by this replica: takes what waits, keeps the order of every conversation, and calls LINE as fast as the account's
//! limits allow.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use line_client::ChannelAccessToken;
use messaging_outbox_core::attempt::{self, Next, Outcome};
use messaging_outbox_core::quota::QuotaVerdict;
use messaging_outbox_core::route::{self, SendMethod};
use messaging_outbox_core::state::MessageState;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Sender;
use super::backlog::{Backlog, Place};
use super::book::Limiters;
use super::call::{self, Called, Hold};
use super::claimer::Claim;
use super::planner::Planned;
use super::request::Request;
use super::settlement::{Settlement, Unsent};
use crate::postgres::account::Account;
use crate::postgres::send_queue::Want;

/// A lane with nothing to do is given back after this long.
const IDLE_FOR: Duration = Duration::from_secs(2);
/// Requests that wait longer than this go back into the queue.
const LONGEST_IN_HAND: Duration = Duration::from_secs(20);
/// While the outcomes of more requests than this wait to be written, the lane takes nothing new.
const MOST_UNWRITTEN: usize = 2_048;
/// Messages of every class.
const EVERY_CLASS: i16 = i16::MAX;

/// How a lane ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Nothing of it is in hand: it can be given back.
    Clean,
    /// The account may not send now: given back, and left alone for a while.
    Halted,
    /// The lease is lost, or rows may be in hand that nobody has: its lease must run out.
    Abandoned,
}

/// What the dispatcher shares with a lane.
pub(super) struct Handles {
    pub(super) hold: Hold,
    pub(super) wake: Arc<Notify>,
    pub(super) lost: CancellationToken,
    /// The lane is to be given back: the process stops, or others wait for its place.
    pub(super) stop: CancellationToken,
    /// The lane has nothing in hand.
    pub(super) idle: Arc<AtomicBool>,
    /// What another holder left in hand is left alone until then.
    pub(super) settled_at: Instant,
}

type Calls = FuturesUnordered<Pin<Box<dyn Future<Output = (Request, Called)> + Send>>>;
type Claiming = Pin<Box<dyn Future<Output = Claim> + Send>>;

struct Lane {
    sender: Arc<Sender>,
    handles: Handles,
    account: Option<Arc<Account>>,
    backlog: Backlog,
    calls: Calls,
    claiming: Option<(Claiming, usize)>,
    /// More may wait in the queue than the last claim gave.
    more: bool,
    /// Somebody woke the lane since the last claim.
    woken: bool,
    limiters: Limiters,
    /// When the limiters let the next call out; LINE limits each endpoint by itself.
    limited_until: HashMap<SendMethod, Instant>,
    /// Until when pushes wait for quota, and why.
    pushes_wait: Option<(Instant, QuotaVerdict)>,
    /// Conversations of which something was put back, until then, since the claim under way was asked for: what that brings of
    /// them was claimed too early.
    put_back: HashMap<Place, Instant>,
    settlements: TaskTracker,
    /// What is put back and not yet written.
    put_backs: TaskTracker,
    idle_since: Instant,
    ending: Option<Ending>,
}

/// Works the lane until it has been idle for a while, is lost, or is to be given back.
pub(super) async fn run(sender: Arc<Sender>, handles: Handles) -> Ending {
    let limiters = sender.book.open(handles.hold.key);
    let mut lane = Lane {
        sender,
        handles,
        account: None,
        backlog: Backlog::default(),
        calls: FuturesUnordered::new(),
        claiming: None,
        more: true,
        woken: true,
        limiters,
        limited_until: HashMap::new(),
        pushes_wait: None,
        put_back: HashMap::new(),
        settlements: TaskTracker::new(),
        put_backs: TaskTracker::new(),
        idle_since: Instant::now(),
        ending: None,
    };
    lane.put_backs.close();
    while lane.ending.is_none() {
        lane.step().await;
    }
    lane.end().await
}

impl Lane {
    async fn step(&mut self) {
        self.ask_for_more();
        self.call_what_may_leave().await;
        let in_hand = self.claiming.is_some() || !self.calls.is_empty() || self.backlog.len() > 0;
        // While pushes wait for quota the lane is kept, or the next holder would ask LINE the same at once.
        let busy = in_hand || (self.more && self.short_of_quota(Instant::now()).is_some());
        self.handles.idle.store(!busy, Ordering::Relaxed);
        if busy {
            self.idle_since = Instant::now();
        }
        let until = self.next_moment(busy);
        tokio::select! {
            biased;
            () = self.handles.lost.cancelled() => self.ending = Some(Ending::Abandoned),
            () = self.handles.stop.cancelled() => self.ending = Some(Ending::Clean),
            Some((request, called)) = self.calls.next(), if !self.calls.is_empty() => self.after(request, called).await,
            claim = claimed(&mut self.claiming), if self.claiming.is_some() => self.take(claim).await,
            () = self.put_backs.wait(), if !self.put_backs.is_empty() => {}
            () = self.handles.wake.notified() => self.woken = true,
            () = tokio::time::sleep_until(until) => {
                if !busy && self.idle_since.elapsed() >= IDLE_FOR {
                    self.ending = Some(Ending::Clean);
                }
            }
        }
    }

    /// Asks for more when there is room; for urgent messages also when there is none for others. Not before what was put back is
    /// written, or the queue would give what comes behind it.
    fn ask_for_more(&mut self) {
        let unwritten = !self.put_backs.is_empty() || self.settlements.len() > MOST_UNWRITTEN;
        if self.claiming.is_some() || !(self.more || self.woken) || unwritten {
            return;
        }
        let most = self.sender.config.calls_of_lane.get();
        let room = (most * 2).saturating_sub(self.backlog.len());
        let pushes_wait = self.short_of_quota(Instant::now()).is_some();
        let want = if room >= most && !pushes_wait {
            (room, EVERY_CLASS)
        } else if self.woken || (self.more && pushes_wait) {
            (16, route::CONVERSATION)
        } else {
            return;
        };
        self.woken = false;
        let want = Want {
            key: self.handles.hold.key,
            epoch: self.handles.hold.epoch,
            room: i32::try_from(want.0).unwrap_or(i32::MAX),
            last_class: want.1,
        };
        let sender = Arc::clone(&self.sender);
        let room = usize::try_from(want.room).unwrap_or(0);
        self.claiming = Some((Box::pin(async move { sender.claims.claim(want).await }), room));
    }

    async fn take(&mut self, claim: Claim) {
        let room = self.claiming.take().map_or(0, |(_, room)| room);
        let planned = match claim {
            Claim::Planned(planned) if !planned.broken => planned,
            Claim::Planned(_) | Claim::Away => {
                self.ending = Some(Ending::Abandoned);
                return;
            }
        };
        let Planned { requests, rows, account, .. } = planned;
        self.more = rows >= room;
        if !account.as_ref().is_some_and(|account| account.may_send()) {
            self.ending = Some(Ending::Halted);
            return;
        }
        self.account = account;
        let put_back = std::mem::take(&mut self.put_back);
        for mut request in requests {
            if let Some(until) = put_back.get(&(request.class, request.conversation)) {
                let wait = until.saturating_duration_since(Instant::now());
                self.write_back(&request, wait, None).await;
                continue;
            }
            if request.in_doubt && request.calls == 0 && self.handles.settled_at > Instant::now() {
                request.not_before = Some(self.handles.settled_at);
            }
            self.backlog.push(request);
        }
    }

    async fn call_what_may_leave(&mut self) {
        let now = Instant::now();
        self.limited_until.retain(|_, until| *until > now);
        while self.calls.len() < self.sender.config.calls_of_lane.get() {
            let limited = &self.limited_until;
            let Some(request) = self.backlog.next(now, |method| !limited.contains_key(&method)) else { return };
            if request.method == SendMethod::Push
                && let Some((wait, verdict)) = self.short_of_quota(now)
            {
                self.put_back(&request, wait, Some(verdict)).await;
                continue;
            }
            if let Err(wait) = self.limiters.take(request.method) {
                self.limited_until.insert(request.method, now + wait);
                self.backlog.again(Request { not_before: None, ..request });
                continue;
            }
            self.call(request, None);
        }
    }

    /// How long pushes still wait for quota at `now`, and why.
    fn short_of_quota(&self, now: Instant) -> Option<(Duration, QuotaVerdict)> {
        let (until, verdict) = self.pushes_wait?;
        let wait = until.checked_duration_since(now).filter(|wait| !wait.is_zero())?;
        Some((wait, verdict))
    }

    fn call(&mut self, request: Request, refused: Option<ChannelAccessToken>) {
        let Some(account) = self.account.clone() else { return };
        let (sender, hold) = (Arc::clone(&self.sender), self.handles.hold.clone());
        self.calls.push(Box::pin(call::call(sender, hold, account, request, refused)));
    }

    async fn after(&mut self, mut request: Request, called: Called) {
        let place = (request.class, request.conversation);
        let (outcome, failure, verdict, access) = match called {
            Called::Accepted(answer) => {
                self.limiters.accepted(request.method);
                let Hold { key, epoch, .. } = self.handles.hold;
                let settlement = Settlement::accepted(key, epoch, &request, &answer);
                self.settle(settlement).await;
                self.backlog.done(place);
                return;
            }
            Called::Held => {
                request.not_before = Some(Instant::now() + Duration::from_millis(100));
                self.backlog.again(request);
                return;
            }
            Called::Not { outcome, failure, verdict, access } => (outcome, failure, verdict, access),
        };
        if matches!(outcome, Outcome::RateLimited(_)) {
            self.limiters.refused(request.method);
        }
        request.last = failure.or(request.last);
        let next = attempt::next(&request.attempt(), outcome, self.sender.tools.clock.now(), rand::random());
        request.in_doubt |= outcome.leaves_doubt();
        self.follow(request, next, verdict, access).await;
    }

    async fn follow(
        &mut self,
        mut request: Request,
        next: Next,
        verdict: Option<QuotaVerdict>,
        access: Option<ChannelAccessToken>,
    ) {
        let place = (request.class, request.conversation);
        match next {
            Next::Accepted => {
                let Hold { key, epoch, .. } = self.handles.hold;
                let settlement = Settlement::accepted(key, epoch, &request, &line_client::Accepted::default());
                self.settle(settlement).await;
                self.backlog.done(place);
            }
            Next::Refused(kind) => {
                let unsent = Unsent::told(MessageState::Refused, kind, request.last.as_ref());
                self.give_up(&request, unsent).await;
            }
            Next::Uncertain => {
                let kind = attempt::FailureKind::UnknownOutcome;
                let unsent = Unsent::told(MessageState::Uncertain, kind, request.last.as_ref());
                self.give_up(&request, unsent).await;
            }
            Next::Again(wait) if wait > LONGEST_IN_HAND => self.put_back(&request, wait, None).await,
            Next::Again(wait) => {
                request.not_before = Some(Instant::now() + wait);
                self.backlog.again(request);
            }
            Next::RenewToken => {
                request.token_renewed = true;
                self.call(request, access);
            }
            Next::Push => {
                let push = request.by_push(self.sender.tools.clock.now());
                self.backlog.again(push);
            }
            Next::WaitForQuota => {
                let verdict = verdict.unwrap_or(QuotaVerdict::Reserved);
                let wait = self.sender.config.quota_waits.after(verdict);
                self.pushes_wait = Some((Instant::now() + wait, verdict));
                self.put_back(&request, wait, Some(verdict)).await;
            }
        }
    }

    async fn give_up(&mut self, request: &Request, unsent: Unsent) {
        let (key, epoch) = (self.handles.hold.key, self.handles.hold.epoch);
        let messages = request.parts.iter().map(|part| (request.class, part.message));
        let settlement = Settlement::given_up(key, epoch, messages, unsent, request.attempts());
        self.settle(settlement).await;
        self.backlog.done((request.class, request.conversation));
    }

    /// Puts the request back, and with it what waits behind it in its conversation.
    async fn put_back(&mut self, request: &Request, wait: Duration, short: Option<QuotaVerdict>) {
        let place = (request.class, request.conversation);
        if self.claiming.is_some() {
            self.put_back.insert(place, Instant::now() + wait);
        }
        let behind = self.backlog.take(place);
        self.write_back(request, wait, short).await;
        for request in behind.iter().skip(1) {
            self.write_back(request, wait, None).await;
        }
    }

    async fn write_back(&mut self, request: &Request, wait: Duration, short: Option<QuotaVerdict>) {
        let (key, epoch) = (self.handles.hold.key, self.handles.hold.epoch);
        let settlement = Settlement::request_put_back(key, epoch, request, wait, short);
        let written = vec![self.settlements.token(), self.put_backs.token()];
        self.sender.settlements.send(settlement, written).await;
    }

    async fn settle(&mut self, settlement: Settlement) {
        self.sender.settlements.send(settlement, vec![self.settlements.token()]).await;
    }

    fn next_moment(&self, busy: bool) -> Instant {
        let idle_end = self.idle_since + IDLE_FOR;
        let far = Instant::now() + Duration::from_secs(1);
        let first = [self.backlog.next_time(), (!busy).then_some(idle_end)];
        first.into_iter().flatten().chain(self.limited_until.values().copied()).min().unwrap_or(far)
    }

    /// Takes nothing new, hears the calls that are out, and puts back what did not leave.
    async fn end(mut self) -> Ending {
        let mut ending = self.ending.unwrap_or(Ending::Abandoned);
        let (key, epoch) = (self.handles.hold.key, self.handles.hold.epoch);
        while let Some((request, called)) = self.calls.next().await {
            self.after(request, called).await;
        }
        if let Some((claiming, _)) = self.claiming.take() {
            match claiming.await {
                Claim::Planned(planned) if !planned.broken => {
                    for request in planned.requests {
                        self.backlog.push(request);
                    }
                }
                Claim::Planned(_) | Claim::Away => ending = Ending::Abandoned,
            }
        }
        if ending != Ending::Abandoned {
            let now = Instant::now();
            for request in self.backlog.drain() {
                let wait = request.not_before.map_or(Duration::ZERO, |time| time.saturating_duration_since(now));
                self.settle(Settlement::request_put_back(key, epoch, &request, wait, None)).await;
            }
        }
        self.settlements.close();
        tokio::select! {
            () = self.settlements.wait() => {}
            () = self.handles.lost.cancelled() => ending = Ending::Abandoned,
        }
        self.sender.book.close(key, self.limiters);
        ending
    }
}

async fn claimed(claiming: &mut Option<(Claiming, usize)>) -> Claim {
    match claiming {
        Some((claiming, _)) => claiming.as_mut().await,
        None => std::future::pending().await,
    }
}
