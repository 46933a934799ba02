//! Where proved bodies wait for their batch.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};

use crate::taken::Taken;

/// Most bodies in one batch.
const LARGEST_BATCH: usize = 512;
/// Bytes of bodies after which a batch takes no more: what a statement holds in memory, here and in the server.
const LARGEST_BATCH_BYTES: usize = 4 << 20;

/// A body, and the request that waits for it.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) taken: Taken,
    pub(crate) durable: oneshot::Sender<bool>,
}

/// The way in. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Queue(mpsc::Sender<Waiting>);

/// The way out, shared by the flushers.
#[derive(Clone, Debug)]
pub(crate) struct Outlet(Arc<Mutex<mpsc::Receiver<Waiting>>>);

/// The body is not durable anywhere, as far as is known: the sender must not be told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body could not be made durable in time")]
pub(crate) struct NotKept;

/// A queue for at most `capacity` waiting bodies.
pub(crate) fn queue(capacity: usize) -> (Queue, Outlet) {
    let (entry, outlet) = mpsc::channel(capacity);
    (Queue(entry), Outlet(Arc::new(Mutex::new(outlet))))
}

impl Queue {
    /// Waits until the body is durable, at most `within`.
    ///
    /// # Errors
    /// When it is not by then, or when too many wait already.
    pub(crate) async fn keep(&self, taken: Taken, within: Duration) -> Result<(), NotKept> {
        let (durable, told) = oneshot::channel();
        self.0.try_send(Waiting { taken, durable }).map_err(|_| NotKept)?;
        match tokio::time::timeout(within, told).await {
            Ok(Ok(true)) => Ok(()),
            _ => Err(NotKept),
        }
    }
}

impl Outlet {
    /// The next batch: whatever waits, at least one body; none once the queue is closed and empty. Requests that gave up
    /// meanwhile are left out: LINE has been told 503.
    pub(crate) async fn next_batch(&self) -> Option<Vec<Waiting>> {
        let mut outlet = self.0.lock().await;
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < LARGEST_BATCH && bytes < LARGEST_BATCH_BYTES {
            let waiting = if batch.is_empty() {
                outlet.recv().await?
            } else {
                match outlet.try_recv() {
                    Ok(waiting) => waiting,
                    Err(_) => break,
                }
            };
            if !waiting.durable.is_closed() {
                bytes += waiting.taken.payload.len();
                batch.push(waiting);
            }
        }
        Some(batch)
    }
}
