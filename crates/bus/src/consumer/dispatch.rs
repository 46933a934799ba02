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

/// Messages from the stream that may wait in this process,
const FRESH: usize = 768;
/// and messages that were put aside. Neither keeps the other out.
const PARKED: usize = 256;
/// Later than anybody waits.
const FAR: Duration = Duration::from_hours(1);

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
    fresh: usize,
    parked: usize,
    closed: bool,
}

impl<B> State<B> {
    fn waiting(&mut self, from_stream: bool) -> &mut usize {
        if from_stream { &mut self.fresh } else { &mut self.parked }
    }
}

impl<B> Default for Dispatch<B> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State { queue: FairQueue::default(), fresh: 0, parked: 0, closed: false }),
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
        *state.waiting(job.is_fresh()) += 1;
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
            if let Some(taken) = self.begin(most) {
                return Some(taken);
            }
            stopping.run_until_cancelled(arrived).await?;
        }
    }

    fn begin(&self, most: usize) -> Option<Taken<Job<B>>> {
        let mut state = self.state();
        let taken = state.queue.take(most)?;
        for job in &taken.jobs {
            *state.waiting(job.is_fresh()) -= 1;
        }
        drop(state);
        // One call wakes one worker; whoever takes leaves the door open for the next.
        self.arrived.notify_one();
        self.room.notify_waiters();
        Some(taken)
    }

    /// Ends the work on jobs that were taken.
    pub(super) fn release(&self, hold: &Hold, handled: usize) {
        self.state().queue.release(hold);
        self.handled.fetch_add(u64::try_from(handled).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.arrived.notify_one();
    }

    /// Waits until at least `wanted` more jobs may come, from the stream or from those put aside; how many may come.
    pub(super) async fn until_room(&self, wanted: usize, from_stream: bool) -> usize {
        let capacity = if from_stream { FRESH } else { PARKED };
        loop {
            let changed = self.room.notified();
            let room = capacity.saturating_sub(*self.state().waiting(from_stream));
            if room >= wanted {
                return room;
            }
            changed.await;
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
