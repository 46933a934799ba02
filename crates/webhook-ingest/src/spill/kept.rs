//! What this replica spilled stays in its memory as well until Postgres has it: whoever loses every stream of NATS while
//! Postgres is away has not lost what the replicas remember.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::BodyId;

use crate::commit::Store;
use crate::taken::Taken;

/// Bytes of bodies remembered at once. What is beyond, the oldest first, is in the stream alone.
const ROOM: usize = 32 * 1_024 * 1_024;
/// What a body costs beside its payload, in bytes, about.
const OVERHEAD: usize = 512;
/// Bodies stored by one statement.
const PORTION: usize = 256;
/// How often it is looked whether Postgres is back.
const PAUSE: Duration = Duration::from_millis(500);
/// How long Postgres may take over a portion. Nobody waits for it here.
const PATIENCE: Duration = Duration::from_secs(10);

/// Spilled bodies that are not known to be in Postgres. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept(Arc<Mutex<Bodies>>);

#[derive(Debug, Default)]
struct Bodies {
    by_id: BTreeMap<BodyId, Taken>,
    bytes: usize,
}

impl Kept {
    /// Remembers bodies that the stream has.
    pub(super) fn add(&self, bodies: &[&Taken]) {
        let mut kept = self.bodies();
        for body in bodies {
            kept.bytes += weight(body);
            if let Some(known) = kept.by_id.insert(body.body, Taken::clone(body)) {
                kept.bytes -= weight(&known);
            }
        }
        while kept.bytes > ROOM {
            let Some((_, oldest)) = kept.by_id.pop_first() else { break };
            kept.bytes -= weight(&oldest);
        }
    }

    /// Forgets bodies that are in Postgres.
    pub(super) fn forget<'a>(&self, bodies: impl IntoIterator<Item = &'a BodyId>) {
        let mut kept = self.bodies();
        for id in bodies {
            if let Some(known) = kept.by_id.remove(id) {
                kept.bytes -= weight(&known);
            }
        }
    }

    /// Stores what is remembered whenever Postgres is there, for ever. The bodies that come out of the stream as well are the
    /// same ones, and storing them twice stores them once. What Postgres refuses is the stream's to keep.
    pub(crate) async fn run(self, mut store: Store) {
        loop {
            let portion = if store.is_postgres_away() { Vec::new() } else { self.oldest() };
            let bodies: Vec<&Taken> = portion.iter().collect();
            let stored = match &bodies[..] {
                [] => None,
                bodies => tokio::time::timeout(PATIENCE, store.store_each(bodies, &Vec::new())).await.ok(),
            };
            match stored {
                Some(_) if !store.is_postgres_away() => self.forget(portion.iter().map(|body| &body.body)),
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    fn oldest(&self) -> Vec<Taken> {
        self.bodies().by_id.values().take(PORTION).cloned().collect()
    }

    fn bodies(&self) -> MutexGuard<'_, Bodies> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn weight(body: &Taken) -> usize {
    body.payload.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kernel::{Clock, SystemClock};
    use uuid::Uuid;

    use super::*;

    fn body(bytes: usize) -> Taken {
        let now = SystemClock.now();
        Taken {
            tenant: Uuid::from_u128(1).into(),
            account: Uuid::from_u128(2).into(),
            body: BodyId::new(now),
            verified_at: now,
            trace: None,
            payload: Bytes::from(vec![b' '; bytes]),
            events: Vec::new(),
            quarantine: None,
        }
    }

    #[test]
    fn the_oldest_give_way_and_nothing_is_counted_twice() {
        let kept = Kept::default();
        let large: Vec<Taken> = (0..5).map(|_| body(ROOM / 4)).collect();
        for body in &large {
            kept.add(&[body]);
            kept.add(&[body]);
        }
        let mut ids: Vec<BodyId> = large.iter().map(|body| body.body).collect();
        ids.sort_unstable();
        assert_eq!(kept.oldest().iter().map(|body| body.body).collect::<Vec<_>>(), ids[2..]);
        kept.forget(&ids);
        assert!(kept.oldest().is_empty());
        assert_eq!(kept.bodies().bytes, 0);
    }
}
