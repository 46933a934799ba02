//! Whether the process should be sent work.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The gates of a process. It is ready when all are open and it is not leaving: the end begins with being ready no more.
#[derive(Clone, Debug)]
pub struct Readiness {
    gates: Arc<Mutex<Vec<(String, bool)>>>,
    changes: watch::Sender<u64>,
    leaving: CancellationToken,
}

/// One thing that must be true before the process is ready. Begins closed.
#[derive(Clone, Debug)]
pub struct Gate {
    readiness: Readiness,
    index: usize,
}

impl Readiness {
    pub(super) fn new(leaving: CancellationToken) -> Self {
        Self { gates: Arc::default(), changes: watch::Sender::new(0), leaving }
    }

    /// Adds a gate called `name`, closed.
    pub fn gate(&self, name: impl Into<String>) -> Gate {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.push((name.into(), false));
        let index = gates.len() - 1;
        drop(gates);
        self.changes.send_modify(|count| *count += 1);
        Gate { readiness: self.clone(), index }
    }

    /// Whether the process is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.closed().is_empty()
    }

    /// What is missing: the names of the closed gates, and `stopping`.
    #[must_use]
    pub fn closed(&self) -> Vec<String> {
        let gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        let closed = gates.iter().filter(|(_, open)| !open).map(|(name, _)| name.clone());
        closed.chain(self.leaving.is_cancelled().then(|| "stopping".to_owned())).collect()
    }

    /// Waits until the process is ready; never ends when it is not before it stops.
    pub async fn ready(&self) {
        let mut changes = self.changes.subscribe();
        while !self.is_ready() {
            // The sender lives in `self`.
            let _ = changes.changed().await;
        }
    }

    /// Waits until the process is not `ready` any more, or is, or leaves.
    pub(crate) async fn changed_from(&self, ready: bool) {
        let mut changes = self.changes.subscribe();
        while self.is_ready() == ready && !self.is_leaving() {
            tokio::select! {
                _ = changes.changed() => {}
                () = self.leaving.cancelled() => {}
            }
        }
    }

    /// Whether the process is about to stop, and so will never be ready again.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.is_cancelled()
    }
}

impl Gate {
    /// Opens or closes the gate.
    pub fn set(&self, open: bool) {
        let mut gates = self.readiness.gates.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((name, was)) = gates.get_mut(self.index) else { return };
        if std::mem::replace(was, open) != open {
            tracing::info!(gate = name.as_str(), open, "readiness changed");
        }
        drop(gates);
        self.readiness.changes.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ready_when_every_gate_is_open_and_not_leaving() {
        let leaving = CancellationToken::new();
        let readiness = Readiness::new(leaving.clone());
        assert!(readiness.is_ready());
        let (one, two) = (readiness.gate("one"), readiness.gate("two"));
        one.set(true);
        assert_eq!(readiness.closed(), ["two"]);
        let waiting = tokio::spawn({
            let readiness = readiness.clone();
            async move { readiness.ready().await }
        });
        two.set(true);
        waiting.await.unwrap();
        leaving.cancel();
        assert_eq!(readiness.closed(), ["stopping"]);
    }
}
