//! What this replica spilled stays in its memory as well until Postgres has it: whoever loses every stream of NATS while
//! Postgres is away has not lost what the replicas remember.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::BodyId;

use super::message::SpilledBody;
use crate::commit::{Settled, Store};
use crate::taken::Taken;
use crate::vault::Vault;

/// Bytes remembered at once. What is beyond, the oldest first, is in the stream alone.
const ROOM: usize = 32 * 1_024 * 1_024;
/// What a body costs beside its payload, in bytes, about.
const OVERHEAD: usize = 512;
/// Bodies stored by one statement at most, and their bytes.
const PORTION: usize = 256;
const PORTION_BYTES: usize = 1_024 * 1_024;
/// How often it is looked whether Postgres is back.
const PAUSE: Duration = Duration::from_millis(500);
/// How long Postgres may take over a portion. Nobody waits for it here.
const PATIENCE: Duration = Duration::from_secs(10);

/// Spilled bodies that are not known to be in Postgres. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept(Arc<Mutex<Bodies>>);

#[derive(Debug, Default)]
struct Bodies {
    by_id: BTreeMap<BodyId, SpilledBody>,
    bytes: usize,
}

impl Kept {
    /// Remembers bodies that the stream has.
    pub(super) fn add(&self, bodies: impl IntoIterator<Item = (BodyId, SpilledBody)>) {
        let mut kept = self.bodies();
        for (id, body) in bodies {
            kept.bytes += weight(&body);
            if let Some(known) = kept.by_id.insert(id, body) {
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

    /// How many bodies are not known to be in Postgres.
    pub(crate) fn count(&self) -> usize {
        self.bodies().by_id.len()
    }

    /// Stores what is remembered whenever Postgres is there, for ever. The bodies that come out of the stream as well are the
    /// same ones, and storing them twice stores them once. What Postgres refuses is the stream's to keep.
    pub(crate) async fn run(self, mut store: Store, vault: Vault) {
        loop {
            let portion = if store.is_postgres_away() { Vec::new() } else { self.oldest(&vault) };
            if portion.is_empty() || !self.store(&mut store, &portion).await {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Stores a portion, and forgets what need not be remembered any more; false when Postgres was away.
    async fn store(&self, store: &mut Store, portion: &[(BodyId, Option<Taken>)]) -> bool {
        let bodies: Vec<&Taken> = portion.iter().filter_map(|(_, body)| body.as_ref()).collect();
        let stored = tokio::time::timeout(PATIENCE, store.store_each(&bodies, &Vec::new())).await;
        let Ok(Settled { durable, away, .. }) = stored else { return false };
        let durable: HashSet<BodyId> =
            bodies.iter().zip(durable).filter(|(_, durable)| *durable).map(|(body, _)| body.body).collect();
        self.forget(portion.iter().map(|(id, _)| id).filter(|id| !away || durable.contains(id)));
        !away
    }

    fn oldest(&self, vault: &Vault) -> Vec<(BodyId, Option<Taken>)> {
        let kept = self.bodies();
        let mut bytes = 0;
        let fits = |(_, body): &(&BodyId, &SpilledBody)| {
            let first = bytes == 0;
            bytes += weight(body);
            first || bytes <= PORTION_BYTES
        };
        let portion = kept.by_id.iter().take(PORTION).take_while(fits);
        portion.map(|(id, body)| (*id, body.opened(vault).ok())).collect()
    }

    fn bodies(&self) -> MutexGuard<'_, Bodies> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn weight(body: &SpilledBody) -> usize {
    body.size() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kernel::{Clock, SystemClock, Timestamp};
    use uuid::Uuid;

    use super::*;
    use crate::vault::known;

    fn body(bytes: usize) -> Taken {
        // In microseconds, as it is spilled.
        let now = Timestamp::from_timestamp_micros(SystemClock.now().timestamp_micros()).unwrap();
        Taken {
            tenant: Uuid::from_u128(1).into(),
            account: Uuid::from_u128(2).into(),
            body: BodyId::new(now),
            verified_at: now,
            trace: None,
            payload: Bytes::from(vec![b' '; bytes]),
            events: Vec::new(),
            signature: None,
            quarantine: None,
        }
    }

    fn add(kept: &Kept, vault: &Vault, body: &Taken) {
        kept.add([(body.body, SpilledBody::of(body, vault).unwrap())]);
    }

    fn ids(kept: &Kept, vault: &Vault) -> Vec<BodyId> {
        kept.oldest(vault).into_iter().map(|(id, _)| id).collect()
    }

    #[test]
    fn the_oldest_give_way_and_nothing_is_counted_twice() {
        let (kept, vault) = (Kept::default(), known(&[body(0).tenant]));
        let large: Vec<Taken> = (0..5).map(|_| body(0)).collect();
        for body in &large {
            let spilled = SpilledBody::of(body, &vault).unwrap().of_bytes(ROOM / 4 - OVERHEAD);
            kept.add([(body.body, spilled.clone()), (body.body, spilled)]);
        }
        let mut all: Vec<BodyId> = large.iter().map(|body| body.body).collect();
        all.sort_unstable();
        // Each larger than a portion, so that each is one.
        for oldest in &all[1..] {
            assert_eq!(ids(&kept, &vault), [*oldest]);
            kept.forget([oldest]);
        }
        assert!(ids(&kept, &vault).is_empty());
        assert_eq!(kept.bodies().bytes, 0);
    }

    #[test]
    fn a_body_is_remembered_as_it_was_taken_and_holds_no_larger_buffer() {
        let buffer = Bytes::from(vec![b' '; 65_536]);
        let small = Taken { payload: buffer.slice(..2), ..body(0) };
        let (kept, vault) = (Kept::default(), known(&[small.tenant]));
        add(&kept, &vault, &small);
        let (before, taken) = (format!("{small:?}"), kept.oldest(&vault).remove(0).1.unwrap());
        drop(small);
        assert!(buffer.is_unique(), "nothing remembers the buffer");
        assert_eq!(format!("{taken:?}"), before);
    }
}
