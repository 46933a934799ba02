//! Held bodies in memory, until they are written down: bounded, and never waited for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use kernel::{AccountId, BodyId, TenantId, Timestamp, TraceParent};
use line_types::signature::Signature;
use webhook_ingest_core::Room;

use super::count;

/// A body that is held.
#[derive(Clone, Debug)]
pub(crate) struct HeldBody {
    /// The tenant whose key it came to.
    pub(crate) tenant: TenantId,
    /// The account whose key it came to.
    pub(crate) account: AccountId,
    /// The version of the account whose secrets did not prove it.
    pub(crate) judged_version: i64,
    /// The ID it gets if it is proved, of the moment it was received.
    pub(crate) body: BodyId,
    /// When it was received.
    pub(crate) received_at: Timestamp,
    /// What it was signed with, as it says.
    pub(crate) signature: Signature,
    /// The trace of the request it came with.
    pub(crate) trace: Option<TraceParent>,
    /// The bytes.
    pub(crate) payload: Bytes,
}

/// What waits to be written down. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held(Arc<Mutex<Waiting>>);

#[derive(Debug)]
struct Waiting {
    by_account: HashMap<(TenantId, AccountId), OfAccount>,
    room: Room,
}

/// What waits of one account.
#[derive(Debug)]
struct OfAccount {
    bodies: Vec<HeldBody>,
    room: Room,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { by_account: HashMap::new(), room: Room::OF_REPLICA }
    }
}

impl Held {
    /// Remembers a body, if there is room for it.
    pub(crate) fn offer(&self, body: HeldBody) {
        let mut waiting = self.waiting();
        let Waiting { by_account, room } = &mut *waiting;
        let size = body.payload.len();
        let new = || OfAccount { bodies: Vec::new(), room: Room::OF_ACCOUNT };
        let account = by_account.entry((body.tenant, body.account)).or_insert_with(new);
        if !room.fits(size) || !account.room.take(size) {
            drop(waiting);
            return count("no_room", 1);
        }
        let _ = room.take(size);
        account.bodies.push(body);
    }

    /// Takes everything out, account by account.
    pub(super) fn take(&self) -> Vec<Vec<HeldBody>> {
        let taken = std::mem::take(&mut *self.waiting());
        taken.by_account.into_values().map(|account| account.bodies).filter(|bodies| !bodies.is_empty()).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use kernel::{Clock as _, SystemClock};
    use uuid::Uuid;

    use super::*;

    fn body(account: u128, payload: Bytes) -> HeldBody {
        let now = SystemClock.now();
        HeldBody {
            tenant: Uuid::from_u128(1).into(),
            account: Uuid::from_u128(account).into(),
            judged_version: 1,
            body: BodyId::new(now),
            received_at: now,
            signature: Signature::from_bytes(&[0; 32]).unwrap(),
            trace: None,
            payload,
        }
    }

    fn sizes(held: &Held) -> Vec<usize> {
        let mut sizes: Vec<usize> = held.take().iter().map(Vec::len).collect();
        sizes.sort_unstable();
        sizes
    }

    #[test]
    fn a_flood_fills_the_part_of_one_account_and_leaves_another_its_own() {
        let held = Held::default();
        for _ in 0..10_000 {
            held.offer(body(1, Bytes::from_static(b"{}")));
        }
        held.offer(body(2, Bytes::from_static(b"{}")));
        assert_eq!(sizes(&held), [1, 500]);
        assert!(sizes(&held).is_empty(), "taken out once");
        held.offer(body(1, Bytes::from_static(b"{}")));
        assert_eq!(sizes(&held), [1], "and there is room again");
    }

    #[test]
    fn many_accounts_together_fill_what_a_replica_has_and_no_more() {
        let held = Held::default();
        for account in 0..1_000 {
            for _ in 0..20 {
                held.offer(body(account, Bytes::from_static(b"{}")));
            }
        }
        assert_eq!(sizes(&held).iter().sum::<usize>(), 4_096);
    }
}
