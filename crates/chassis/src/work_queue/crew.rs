//! Those who work on a queue's jobs in this replica: so many at once, and never all of them on one tenant's.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt as _};
use kernel::TenantId;
use tokio::task::{Id, JoinError, JoinSet};
use uuid::Uuid;

use super::{Job, Want, WorkQueue};
use crate::Host;
use crate::postgres::Database;

/// Jobs that end within this time make room together: a claim costs as much for one job as for many.
const GATHERED_FOR: Duration = Duration::from_millis(20);

/// How a queue's jobs are worked on.
#[derive(Clone, Copy, Debug)]
pub struct Crew {
    /// The queue.
    pub queue: WorkQueue,
    /// Jobs under way at once in each replica.
    pub at_once: NonZeroUsize,
    /// How long a job is claimed for; longer than one takes.
    pub lease: Duration,
    /// How often due jobs are looked for when nobody says that there are some.
    pub look_every: Duration,
}

impl Crew {
    /// Works under `host` until it stops; what is under way then is broken off, and due again when its claim has run out.
    /// `wakes`: somebody says that there is something to do.
    pub fn spawn<W, F>(
        self,
        host: &Host,
        name: &'static str,
        database: &Database,
        wakes: BoxStream<'static, ()>,
        work: W,
    ) where
        W: Fn(Job) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let (database, stopping) = (database.clone(), host.stopping());
        host.spawn(name, async move {
            stopping.run_until_cancelled(self.run(name, &database, wakes, work)).await;
            Ok(())
        });
    }

    async fn run<W, F>(self, name: &'static str, database: &Database, wakes: BoxStream<'static, ()>, work: W)
    where
        W: Fn(Job) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let mut hands = Hands::default();
        let mut turn = Turn::default();
        let mut wakes = wakes.chain(futures::stream::pending());
        loop {
            while let room @ 1.. = self.at_once.get().saturating_sub(hands.under_way.len()) {
                let in_hand = hands.in_hand();
                let (from, share) = (turn.begin(), share(self.at_once));
                let want = Want { from, room, share, in_hand: &in_hand, lease: self.lease };
                match self.queue.claim(database.worker(), &want).await {
                    Ok(claimed) => {
                        let more = turn.go_on(claimed.next, !claimed.jobs.is_empty());
                        for job in claimed.jobs {
                            hands.begin(job.tenant, work(job));
                        }
                        if !more {
                            break;
                        }
                    }
                    Err(error) => {
                        tracing::warn!(queue = name, error = %error, "due jobs cannot be looked for now");
                        break;
                    }
                }
            }
            tokio::select! {
                Some(done) = hands.under_way.join_next_with_id() => {
                    hands.end(name, done);
                    tokio::time::sleep(GATHERED_FOR).await;
                    while let Some(done) = hands.under_way.try_join_next_with_id() {
                        hands.end(name, done);
                    }
                }
                _ = wakes.next() => {}
                () = tokio::time::sleep(self.look_every) => {}
            }
        }
    }
}

/// How many of its jobs one tenant may have under way: a quarter is always left for the others.
fn share(at_once: NonZeroUsize) -> usize {
    at_once.get() - at_once.get().div_ceil(4).min(at_once.get() - 1)
}

/// Whose turn it is, and whether anybody had a due job since the first one's.
#[derive(Default)]
struct Turn {
    next: Uuid,
    found: bool,
}

impl Turn {
    /// From which tenant on to claim.
    fn begin(&mut self) -> Uuid {
        self.found &= !self.next.is_nil();
        self.next
    }

    /// Whether to claim again: until a whole round of tenants gave nothing.
    fn go_on(&mut self, next: Uuid, found: bool) -> bool {
        self.next = next;
        self.found |= found;
        self.found || !next.is_nil()
    }
}

#[derive(Default)]
struct Hands {
    under_way: JoinSet<()>,
    tenants: HashMap<Id, TenantId>,
}

impl Hands {
    fn begin(&mut self, tenant: TenantId, job: impl Future<Output = ()> + Send + 'static) {
        let id = self.under_way.spawn(job).id();
        self.tenants.insert(id, tenant);
    }

    fn end(&mut self, name: &'static str, done: Result<(Id, ()), JoinError>) {
        let id = match done {
            Ok((id, ())) => id,
            Err(error) => {
                // Its claim runs out, and it is tried again.
                tracing::error!(queue = name, error = %error, "a job broke off");
                error.id()
            }
        };
        self.tenants.remove(&id);
    }

    fn in_hand(&self) -> Vec<(TenantId, usize)> {
        let mut counts: HashMap<TenantId, usize> = HashMap::new();
        for tenant in self.tenants.values() {
            *counts.entry(*tenant).or_default() += 1;
        }
        counts.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn claims_go_on_until_a_whole_round_gave_nothing() {
        let (nil, some) = (Uuid::nil(), Uuid::from_u128(9));
        let mut turn = Turn::default();
        let mut claim = |next, found| {
            let from = turn.begin();
            (from, turn.go_on(next, found))
        };
        assert_eq!(claim(some, false), (nil, true), "others are still to be looked at");
        assert_eq!(claim(nil, true), (some, true), "something was found");
        assert_eq!(claim(nil, false), (nil, false));
        assert_eq!(claim(some, true), (nil, true));
        assert_eq!(claim(nil, false), (some, true), "it was found in this round");
        assert_eq!(claim(nil, false), (nil, false));
    }

    proptest! {
        #[test]
        fn a_tenant_may_work_and_never_takes_all_there_is(at_once in 1usize..10_000) {
            let share = share(NonZeroUsize::new(at_once).unwrap());
            prop_assert!(share >= 1);
            prop_assert!(at_once == 1 || share < at_once);
        }
    }
}
