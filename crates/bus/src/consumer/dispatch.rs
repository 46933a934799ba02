//! Where what comes in meets those who handle it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::TenantId;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::fair_queue::{FairQueue, Hold, Taken};
use super::intake::Overflow;
use super::job::Job;

/// Jobs that may wait in this process.
const CAPACITY: usize = 1024;
/// Later than anybody waits.
const FAR: Duration = Duration::from_secs(3600);

/// The queue between intake and workers.
#[derive(Debug)]
pub(super) struct Dispatch<B> {
    state: Mutex<State<B>>,
    arrived: Notify,
    room: Notify,
    due: Notify,
    handled: AtomicU64,
    /// The earliest moment somebody knows something to be due.
    due_at: Mutex<Option<Instant>>,
    pub(super) overflow: Overflow,
}

#[derive(Debug)]
struct State<B> {
    queue: FairQueue<Job<B>>,
    closed: bool,
}

impl<B> Default for Dispatch<B> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State { queue: FairQueue::default(), closed: false }),
            arrived: Notify::new(),
            room: Notify::new(),
            due: Notify::new(),
            handled: AtomicU64::new(0),
            due_at: Mutex::new(None),
            overflow: Overflow::default(),
        }
    }
}

impl<B> Dispatch<B> {
    /// Adds a job; gives it back when the consumer stops.
    pub(super) fn push(&self, tenant: TenantId, key: u64, job: Job<B>) -> Result<(), Job<B>> {
        let mut state = self.state();
        if state.closed {
            return Err(job);
        }
        state.queue.push(tenant, key, job);
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// The next jobs of one tenant; none when the consumer stops.
    pub(super) async fn take(&self, most: usize, stopping: &CancellationToken) -> Option<Taken<Job<B>>> {
        loop {
            if stopping.is_cancelled() {
                return None;
            }
            let arrived = self.arrived.notified();
            if let Some(taken) = self.state().queue.take(most) {
                // One call wakes one worker; whoever takes leaves the door open for the next.
                self.arrived.notify_one();
                return Some(taken);
            }
            stopping.run_until_cancelled(arrived).await?;
        }
    }

    /// Ends the work on jobs that were taken.
    pub(super) fn release(&self, hold: &Hold, handled: usize) {
        self.state().queue.release(hold);
        self.handled.fetch_add(u64::try_from(handled).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.arrived.notify_one();
        self.room.notify_waiters();
    }

    /// How many more jobs may come.
    pub(super) fn room(&self) -> usize {
        CAPACITY.saturating_sub(self.state().queue.waiting())
    }

    /// Waits until at least `wanted` more jobs may come.
    pub(super) async fn until_room(&self, wanted: usize) {
        loop {
            let room = self.room.notified();
            if self.room() >= wanted.min(CAPACITY) {
                return;
            }
            room.await;
        }
    }

    pub(super) fn waiting_of(&self, tenant: TenantId) -> usize {
        self.state().queue.waiting_of(tenant)
    }

    /// Says that something put aside is due after `pause`.
    pub(super) fn due_in(&self, pause: Duration) {
        let at = Instant::now() + pause.min(FAR);
        let mut due_at = self.due_at.lock().unwrap_or_else(PoisonError::into_inner);
        if due_at.is_none_or(|known| at < known) {
            *due_at = Some(at);
            self.due.notify_one();
        }
    }

    /// Waits until something is known to be due, at most `longest`.
    pub(super) async fn until_due(&self, longest: Duration) {
        let end = Instant::now() + longest;
        loop {
            let known = *self.due_at.lock().unwrap_or_else(PoisonError::into_inner);
            let until = known.map_or(end, |at| at.min(end));
            if until <= Instant::now() {
                self.due_at.lock().unwrap_or_else(PoisonError::into_inner).take_if(|at| *at <= until);
                return;
            }
            tokio::select! {
                () = tokio::time::sleep_until(until) => {}
                () = self.due.notified() => {}
            }
        }
    }

    /// How many jobs were handled so far.
    pub(super) fn handled(&self) -> u64 {
        self.handled.load(Ordering::Relaxed)
    }

    /// Takes nothing more and returns what was not begun.
    pub(super) fn close(&self) -> Vec<Job<B>> {
        let mut state = self.state();
        state.closed = true;
        state.queue.drain()
    }

    fn state(&self) -> MutexGuard<'_, State<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
