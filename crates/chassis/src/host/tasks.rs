//! The tasks of a process: who runs, who died, and when all have ended.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Why a process did not end well.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A task failed, panicked or ended early.
    #[error("{task} died: {cause:#}")]
    PartDied {
        /// The task's name.
        task: String,
        /// Its error.
        cause: anyhow::Error,
    },
    /// Tasks were still running when the drain deadline passed.
    #[error("the drain deadline passed; still running: {}", .still_running.join(", "))]
    DrainDeadline {
        /// Their names.
        still_running: Vec<String>,
    },
    /// A second signal came while the process was stopping.
    #[error("a second signal ended the process at once")]
    SecondSignal,
}

#[derive(Clone)]
pub(super) struct Tasks {
    leaving: CancellationToken,
    stopping: CancellationToken,
    at_once: CancellationToken,
    tracker: TaskTracker,
    states: Arc<Mutex<States>>,
}

#[derive(Default)]
struct States {
    running: BTreeMap<String, usize>,
    first_death: Option<HostError>,
}

impl Tasks {
    pub(super) fn new() -> Self {
        Self {
            leaving: CancellationToken::new(),
            stopping: CancellationToken::new(),
            at_once: CancellationToken::new(),
            tracker: TaskTracker::new(),
            states: Arc::default(),
        }
    }

    pub(super) fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Cancelled when no more work should be sent here; what comes is served until [`Tasks::stopping`].
    pub(super) fn leaving(&self) -> CancellationToken {
        self.leaving.clone()
    }

    pub(super) fn leave(&self) {
        self.leaving.cancel();
    }

    pub(super) fn stop(&self) {
        self.leaving.cancel();
        self.stopping.cancel();
    }

    pub(super) fn stop_at_once(&self) {
        // First, or a process whose tasks end quickly would seem to have ended well.
        self.at_once.cancel();
        self.stop();
    }

    pub(super) fn spawn(&self, name: String, task: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        let tasks = self.clone();
        tasks.change_running(&name, true);
        self.tracker.spawn(async move {
            let outcome = AssertUnwindSafe(task).catch_unwind().await;
            let cause = match outcome {
                Ok(Ok(())) if tasks.stopping.is_cancelled() => None,
                Ok(Ok(())) => Some(anyhow::anyhow!("it ended although the process was not stopping")),
                Ok(Err(error)) => Some(error),
                Err(_) => Some(anyhow::anyhow!("it panicked")),
            };
            tasks.change_running(&name, false);
            if let Some(cause) = cause {
                tracing::error!(task = name, error = format!("{cause:#}"), "a part died; the process stops");
                let death = HostError::PartDied { task: name, cause };
                tasks.states().first_death.get_or_insert(death);
                tasks.stop();
            }
        });
    }

    pub(super) async fn wait(&self, drain: Duration) -> Result<(), HostError> {
        self.stopping.cancelled().await;
        self.tracker.close();
        tokio::select! {
            biased;
            () = self.at_once.cancelled() => return Err(HostError::SecondSignal),
            () = self.tracker.wait() => {}
            () = tokio::time::sleep(drain) => {
                let still_running = self.states().running.keys().cloned().collect();
                return Err(HostError::DrainDeadline { still_running });
            }
        }
        self.states().first_death.take().map_or(Ok(()), Err)
    }

    fn change_running(&self, name: &str, begins: bool) {
        let mut states = self.states();
        let count = states.running.entry(name.to_owned()).or_default();
        *count = if begins { *count + 1 } else { count.saturating_sub(1) };
        let now = u32::try_from(*count).unwrap_or(u32::MAX);
        if now == 0 {
            states.running.remove(name);
        }
        metrics::gauge!("tsunagi_task_running", "task" => name.to_owned()).set(f64::from(now));
    }

    fn states(&self) -> std::sync::MutexGuard<'_, States> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn until_stopped(tasks: &Tasks) -> impl Future<Output = anyhow::Result<()>> + Send + 'static {
        let stopping = tasks.stopping();
        async move {
            stopping.cancelled().await;
            Ok(())
        }
    }

    #[tokio::test]
    async fn tasks_that_end_after_the_stop_are_a_good_end() {
        let tasks = Tasks::new();
        tasks.spawn("worker".to_owned(), until_stopped(&tasks));
        tasks.stop();
        tasks.wait(LONG).await.unwrap();
    }

    #[tokio::test]
    async fn a_task_that_fails_panics_or_ends_early_stops_the_others_and_is_told() {
        type Task = std::pin::Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;
        let bad: [(Task, &str); 3] = [
            (Box::pin(async { anyhow::bail!("no luck") }), "bad died: no luck"),
            (Box::pin(async { panic!("told to nobody") }), "bad died: it panicked"),
            (Box::pin(async { Ok(()) }), "bad died: it ended although the process was not stopping"),
        ];
        for (task, told) in bad {
            let tasks = Tasks::new();
            tasks.spawn("worker".to_owned(), until_stopped(&tasks));
            tasks.spawn("bad".to_owned(), task);
            assert_eq!(tasks.wait(LONG).await.unwrap_err().to_string(), told);
        }
    }

    #[tokio::test]
    async fn the_deadline_names_who_still_runs() {
        let tasks = Tasks::new();
        tasks.spawn("quick".to_owned(), until_stopped(&tasks));
        tasks.spawn("stuck".to_owned(), std::future::pending());
        tasks.stop();
        let error = tasks.wait(Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(error.to_string(), "the drain deadline passed; still running: stuck");
    }

    #[tokio::test]
    async fn a_second_signal_does_not_wait() {
        let tasks = Tasks::new();
        tasks.spawn("stuck".to_owned(), std::future::pending());
        tasks.stop_at_once();
        assert!(matches!(tasks.wait(LONG).await, Err(HostError::SecondSignal)));
    }

    #[tokio::test]
    async fn a_second_signal_is_told_however_quickly_the_tasks_end() {
        for _ in 0..100 {
            let tasks = Tasks::new();
            tasks.spawn("worker".to_owned(), until_stopped(&tasks));
            tasks.leave();
            tasks.stop_at_once();
            tasks.tracker.close();
            tasks.tracker.wait().await;
            assert!(matches!(tasks.wait(LONG).await, Err(HostError::SecondSignal)));
        }
    }
}
