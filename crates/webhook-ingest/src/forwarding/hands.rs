//! The calls under way in this replica, and how much of them is whose.

use std::collections::HashMap;
use std::hash::Hash;

use kernel::TenantId;
use tokio::task::{Id, JoinError, JoinSet};
use webhook_ingest_core::forwarding::share::{Load, Room, room};

use super::waiting::Named;

/// The calls under way.
#[derive(Default)]
pub(super) struct Hands {
    calls: JoinSet<()>,
    of: HashMap<Id, (Named, usize)>,
    all: Load,
    tenants: HashMap<TenantId, Load>,
    targets: HashMap<Named, Load>,
}

impl Hands {
    /// What more may be under way for a target.
    pub(super) fn room(&self, target: Named) -> Room {
        room(self.all, load_of(&self.tenants, &target.0), load_of(&self.targets, &target))
    }

    /// Calls under way for a target, and for its tenant.
    pub(super) fn calls_of(&self, target: Named) -> (usize, usize) {
        (load_of(&self.targets, &target).calls, load_of(&self.tenants, &target.0).calls)
    }

    /// Begins a call with a body of so many bytes.
    pub(super) fn begin(&mut self, target: Named, bytes: usize, call: impl Future<Output = ()> + Send + 'static) {
        let id = self.calls.spawn(call).id();
        self.of.insert(id, (target, bytes));
        let tenants = self.tenants.entry(target.0).or_default();
        for load in [&mut self.all, tenants, self.targets.entry(target).or_default()] {
            load.calls += 1;
            load.bytes += bytes;
        }
    }

    /// Waits until a call ends; whose it was. None: nothing is under way.
    pub(super) async fn ended(&mut self) -> Option<Named> {
        let ended = self.calls.join_next_with_id().await?;
        self.end(ended)
    }

    /// Whose calls have ended, too.
    pub(super) fn ended_meanwhile(&mut self) -> Vec<Named> {
        let mut targets = Vec::new();
        while let Some(ended) = self.calls.try_join_next_with_id() {
            targets.extend(self.end(ended));
        }
        targets
    }

    fn end(&mut self, ended: Result<(Id, ()), JoinError>) -> Option<Named> {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                // Its claim runs out, and it is called again.
                tracing::error!(error = %error, "a call broke off");
                error.id()
            }
        };
        let (target, bytes) = self.of.remove(&id)?;
        self.all = without(self.all, bytes);
        lessen(&mut self.tenants, target.0, bytes);
        lessen(&mut self.targets, target, bytes);
        Some(target)
    }
}

fn load_of<K: Eq + Hash>(loads: &HashMap<K, Load>, whose: &K) -> Load {
    loads.get(whose).copied().unwrap_or_default()
}

fn without(load: Load, bytes: usize) -> Load {
    Load { calls: load.calls.saturating_sub(1), bytes: load.bytes.saturating_sub(bytes) }
}

/// Who has nothing under way any more is not remembered.
fn lessen<K: Eq + Hash>(loads: &mut HashMap<K, Load>, whose: K, bytes: usize) {
    let left = without(load_of(loads, &whose), bytes);
    if left.calls == 0 {
        loads.remove(&whose);
    } else {
        loads.insert(whose, left);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn what_began_is_counted_until_it_ends_even_if_it_breaks_off() {
        let target = |tenant, target| (TenantId::from(Uuid::from_u128(tenant)), Uuid::from_u128(target));
        let mut hands = Hands::default();
        hands.begin(target(1, 1), 10, async {});
        hands.begin(target(1, 2), 20, std::future::pending());
        hands.begin(target(2, 3), 30, async { panic!("it breaks off") });
        assert_eq!(hands.all, Load { calls: 3, bytes: 60 });
        assert_eq!((hands.calls_of(target(1, 1)), hands.calls_of(target(1, 9))), ((1, 2), (0, 2)));
        let mut ended = vec![hands.ended().await.unwrap(), hands.ended().await.unwrap()];
        ended.sort_unstable();
        assert_eq!(ended, [target(1, 1), target(2, 3)]);
        assert_eq!(hands.all, Load { calls: 1, bytes: 20 });
        assert_eq!((hands.tenants.len(), hands.targets.len(), hands.of.len()), (1, 1, 1));
    }
}
