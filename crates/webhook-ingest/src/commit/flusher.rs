//! Takes batches from the queue and settles them, one after the other. A few run at once, so that one batch is gathered and
//! sent while another waits for its fsync.

use std::sync::Arc;

use super::queue::{Outlet, Waiting};
use super::settle::{Settled, Store};
use crate::measures::Measures;
use crate::publish::{Hand, Marks};
use crate::taken::Taken;

/// One flusher.
pub(crate) struct Flusher {
    pub(crate) outlet: Outlet,
    pub(crate) store: Store,
    pub(crate) publishing: Hand,
    pub(crate) marks: Marks,
    pub(crate) measures: Arc<Measures>,
}

impl Flusher {
    /// Flushes until the queue is closed and empty.
    pub(crate) async fn run(mut self) {
        while let Some(batch) = self.outlet.next_batch().await {
            self.flush(batch).await;
        }
    }

    async fn flush(&mut self, batch: Vec<Waiting>) {
        let done = self.marks.take();
        let bodies: Vec<&Taken> = batch.iter().map(|waiting| &waiting.taken).collect();
        let started = std::time::Instant::now();
        let Settled { durable, committed, unmarked, .. } = self.store.settle(&bodies, done).await;
        let stored = committed.iter().map(|committed| committed.bodies.len()).sum();
        self.measures.commit(stored, started.elapsed());
        for (waiting, durable) in batch.into_iter().zip(durable) {
            // A request that gave up meanwhile was answered 503; its body is stored nonetheless, and known when LINE repeats it.
            let _ = waiting.durable.send(durable);
        }
        self.marks.add(unmarked);
        for committed in committed {
            self.publishing.over(committed);
        }
    }
}
