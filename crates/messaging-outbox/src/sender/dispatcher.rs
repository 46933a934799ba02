//! Which lanes this replica holds: takes those with work that nobody holds, in turn, renews their leases, gives them back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use messaging_outbox_core::lane::{HeldLane, make_room, take_turns};
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::call::Hold;
use super::lane::{self, Ending, Handles};
use super::{LOOK_EVERY, Sender};
use crate::postgres::account::AccountKey;
use crate::postgres::lane::{self as rows, Acquired};
use crate::wake::Wake;

/// How long a lane whose account may not send is left alone.
const HALTED_FOR: Duration = Duration::from_secs(2);

/// Lanes with work that one look finds at most.
const LOOKED_AT: i64 = 4096;

struct Held {
    epoch: i64,
    task: tokio::task::Id,
    since: Instant,
    idle: Arc<AtomicBool>,
    /// Gives the lane back.
    stop: CancellationToken,
    renewed: watch::Sender<Instant>,
    wake: Arc<Notify>,
    lost: CancellationToken,
}

/// What one look found.
struct Round {
    /// Lanes whose holder's lease ran out.
    abandoned: Vec<AccountKey>,
    /// Lanes with work in their order from the cursor on, each with whether nobody holds it.
    found: Vec<(AccountKey, bool)>,
    /// There are no others with work.
    whole: bool,
}

struct Dispatcher {
    sender: Arc<Sender>,
    held: HashMap<AccountKey, Held>,
    halted: HashMap<AccountKey, Instant>,
    lanes: JoinSet<(AccountKey, i64, Ending)>,
    /// Behind whom the next look begins.
    cursor: Option<AccountKey>,
    stop: CancellationToken,
}

pub(super) async fn run(sender: Arc<Sender>, stopping: CancellationToken) -> anyhow::Result<()> {
    let mut wakes = sender.tools.wakes.subscribe();
    let mut dispatcher = Dispatcher {
        sender,
        held: HashMap::new(),
        halted: HashMap::new(),
        lanes: JoinSet::new(),
        cursor: None,
        stop: CancellationToken::new(),
    };
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut renew = tokio::time::interval(dispatcher.sender.config.times.renew_every);
    renew.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopping.cancelled() => break,
            _ = renew.tick() => dispatcher.renew().await,
            _ = look.tick() => dispatcher.look().await,
            Some(ended) = dispatcher.lanes.join_next() => dispatcher.ended(ended).await,
            woken = wakes.recv() => dispatcher.woken(woken, &mut wakes).await,
        }
    }
    dispatcher.stop(&mut renew).await;
    dispatcher.sender.drained.cancel();
    Ok(())
}

impl Dispatcher {
    /// Finds lanes with work: those held here hear of it, the others are taken in turn when nobody holds them. Where there is no
    /// place for all of them, lanes that had their turn make room.
    async fn look(&mut self) {
        self.halted.retain(|_, until| *until > Instant::now());
        let Round { abandoned, mut found, whole } = match self.round().await {
            Ok(round) => round,
            Err(error) => {
                tracing::warn!(error = %error, "lanes with work cannot be looked for now");
                return;
            }
        };
        for (key, free) in &mut found {
            if let Some(held) = self.held.get(key) {
                held.wake.notify_one();
            }
            *free &= self.may_take(key);
        }
        let mut wanted: Vec<AccountKey> = abandoned.into_iter().filter(|key| self.may_take(key)).collect();
        // What a dead holder left in hand comes first, and only once.
        found.retain(|(key, _)| !wanted.contains(key));
        let unserved = wanted.len().saturating_sub(self.room());
        wanted.truncate(self.room());
        let turn = take_turns(self.cursor, &found, whole, self.room() - wanted.len());
        self.cursor = turn.next;
        wanted.extend(turn.taken);
        self.take(&wanted).await;
        self.make_room(turn.waiting + unserved);
    }

    /// Looks once round from the cursor on.
    async fn round(&self) -> Result<Round, sqlx::Error> {
        let worker = self.sender.tools.database.worker();
        let abandoned = rows::abandoned(worker, LOOKED_AT).await?;
        let mut found = rows::with_work(worker, self.cursor, LOOKED_AT).await?;
        let left = LOOKED_AT - i64::try_from(found.len()).unwrap_or(LOOKED_AT);
        if let Some(cursor) = self.cursor.filter(|_| left > 0) {
            let first = rows::with_work(worker, None, left).await?;
            found.extend(first.into_iter().take_while(|(key, _)| *key <= cursor));
        }
        let whole = i64::try_from(found.len()).is_ok_and(|count| count < LOOKED_AT);
        Ok(Round { abandoned, found, whole })
    }

    fn may_take(&self, key: &AccountKey) -> bool {
        !self.held.contains_key(key) && !self.halted.contains_key(key)
    }

    fn room(&self) -> usize {
        self.sender.config.lanes.get().saturating_sub(self.held.len())
    }

    /// Has lanes given back for `waiting` others.
    fn make_room(&self, waiting: usize) {
        let (going, staying): (Vec<_>, Vec<_>) = self.held.iter().partition(|(_, held)| held.stop.is_cancelled());
        let staying: Vec<HeldLane<AccountKey>> = staying
            .into_iter()
            .map(|(key, held)| HeldLane {
                key: *key,
                held_for: held.since.elapsed(),
                idle: held.idle.load(Ordering::Relaxed),
            })
            .collect();
        for key in make_room(&staying, waiting.saturating_sub(going.len())) {
            if let Some(held) = self.held.get(&key) {
                held.stop.cancel();
            }
        }
    }

    async fn woken(&mut self, first: Result<Wake, broadcast::error::RecvError>, wakes: &mut broadcast::Receiver<Wake>) {
        let mut keys = HashSet::new();
        let mut missed = matches!(first, Err(broadcast::error::RecvError::Lagged(_)));
        let mut next = first.ok();
        loop {
            match next {
                Some(Wake::Queue(key)) => {
                    keys.insert(key);
                }
                Some(Wake::Look) => {
                    // Lanes at work learn how their account stands now by their next claim.
                    self.halted.clear();
                    self.held.values().for_each(|held| held.wake.notify_one());
                    missed = true;
                }
                Some(Wake::Change(_) | Wake::Content | Wake::Notice | Wake::Placing) | None => {}
            }
            next = match wakes.try_recv() {
                Ok(wake) => Some(wake),
                Err(broadcast::error::TryRecvError::Lagged(_)) => {
                    missed = true;
                    None
                }
                Err(_) => break,
            };
        }
        if missed {
            self.look().await;
        } else if !keys.is_empty() {
            self.offer(&keys.into_iter().collect::<Vec<_>>()).await;
        }
    }

    /// Somebody says that these lanes have work.
    async fn offer(&mut self, keys: &[AccountKey]) {
        let mut wanted = Vec::new();
        for key in keys {
            match self.held.get(key) {
                Some(held) => held.wake.notify_one(),
                None if self.may_take(key) => wanted.push(*key),
                None => {}
            }
        }
        wanted.truncate(self.room());
        self.take(&wanted).await;
    }

    /// Takes those lanes that nobody holds.
    async fn take(&mut self, wanted: &[AccountKey]) {
        if wanted.is_empty() {
            return;
        }
        let (sender, asked_at) = (Arc::clone(&self.sender), Instant::now());
        let lease = sender.config.times.lease;
        match rows::acquire(sender.tools.database.worker(), sender.holder, wanted, lease).await {
            Ok(acquired) => acquired.into_iter().for_each(|lane| self.open(lane, asked_at)),
            // What was taken all the same is never renewed, and runs out.
            Err(error) => tracing::warn!(error = %error, "lanes cannot be taken now"),
        }
    }

    fn open(&mut self, lane: Acquired, leased_at: Instant) {
        let (renewed, renewal) = watch::channel(leased_at);
        let (wake, lost) = (Arc::<Notify>::default(), CancellationToken::new());
        let (idle, stop) = (Arc::<AtomicBool>::default(), self.stop.child_token());
        let settle = self.sender.config.times.settle(!lane.taken_over);
        let handles = Handles {
            hold: Hold { key: lane.key, epoch: lane.epoch, renewed: renewal },
            wake: Arc::clone(&wake),
            lost: lost.clone(),
            stop: stop.clone(),
            idle: Arc::clone(&idle),
            settled_at: Instant::now() + settle,
        };
        let sender = Arc::clone(&self.sender);
        let task = self.lanes.spawn(async move {
            let (key, epoch) = (handles.hold.key, handles.hold.epoch);
            (key, epoch, lane::run(sender, handles).await)
        });
        let since = Instant::now();
        let held = Held { epoch: lane.epoch, task: task.id(), since, idle, stop, renewed, wake, lost };
        self.held.insert(lane.key, held);
        self.note_figures();
    }

    /// Renews every lease; a lane that is not among the renewed is lost.
    async fn renew(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let asked_at = Instant::now();
        let times = self.sender.config.times;
        let lanes: Vec<(AccountKey, i64)> = self.held.iter().map(|(key, held)| (*key, held.epoch)).collect();
        match rows::renew(self.sender.tools.database.worker(), self.sender.holder, &lanes, times.lease).await {
            Ok(renewed) => {
                let renewed: HashMap<AccountKey, i64> = renewed.into_iter().collect();
                for (key, held) in &self.held {
                    if renewed.get(key) == Some(&held.epoch) {
                        held.renewed.send_replace(asked_at);
                    } else {
                        held.lost.cancel();
                    }
                }
            }
            Err(error) => {
                tracing::warn!(error = %error, "leases cannot be renewed now");
                for held in self.held.values().filter(|held| held.renewed.borrow().elapsed() >= times.lease) {
                    held.lost.cancel();
                }
            }
        }
    }

    async fn ended(&mut self, ended: Result<(AccountKey, i64, Ending), tokio::task::JoinError>) {
        let (key, epoch, ending) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                // Its lease is not renewed any more and runs out.
                tracing::error!(error = %error, "a lane's task broke off");
                self.held.retain(|_, held| held.task != error.id());
                return;
            }
        };
        self.held.remove(&key);
        self.note_figures();
        if ending == Ending::Halted {
            self.halted.insert(key, Instant::now() + HALTED_FOR);
        }
        if ending == Ending::Abandoned {
            metrics::counter!("tsunagi_messaging_lanes_lost_total").increment(1);
        } else if let Err(error) = rows::release(self.sender.tools.database.worker(), &[(key, epoch)]).await {
            tracing::warn!(error = %error, "a lane is not given back; its lease runs out");
        }
    }

    /// Lets every lane finish what is out, and gives them all back.
    async fn stop(&mut self, renew: &mut tokio::time::Interval) {
        self.stop.cancel();
        while !self.lanes.is_empty() {
            tokio::select! {
                Some(ended) = self.lanes.join_next() => self.ended(ended).await,
                _ = renew.tick() => self.renew().await,
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a number of lanes")]
    fn note_figures(&self) {
        metrics::gauge!("tsunagi_messaging_lanes_held").set(self.held.len() as f64);
    }
}
