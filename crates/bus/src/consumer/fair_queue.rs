//! What waits to be handled in this process: tenants take turns, and what shares a key goes one after the other.

use std::collections::{HashMap, HashSet, VecDeque};

use kernel::TenantId;

/// Jobs by tenant and key. Pure: it holds, it does not wait.
#[derive(Debug)]
pub(super) struct FairQueue<J> {
    tenants: HashMap<TenantId, TenantJobs<J>>,
    /// Tenants that have something to begin, each once, in the order of their turns.
    turns: VecDeque<TenantId>,
}

#[derive(Debug)]
struct TenantJobs<J> {
    by_key: HashMap<u64, VecDeque<J>>,
    /// Keys that have something and are not in hand, each once.
    free: VecDeque<u64>,
    in_hand: HashSet<u64>,
    waiting: usize,
}

/// Jobs of one tenant that may be handled now. Give it back with [`FairQueue::release`].
#[derive(Debug)]
pub(super) struct Taken<J> {
    pub(super) tenant: TenantId,
    pub(super) jobs: Vec<J>,
    pub(super) hold: Hold,
}

/// The keys that are in hand.
#[derive(Debug)]
pub(super) struct Hold {
    tenant: TenantId,
    keys: Vec<u64>,
}

impl<J> Default for FairQueue<J> {
    fn default() -> Self {
        Self { tenants: HashMap::new(), turns: VecDeque::new() }
    }
}

impl<J> Default for TenantJobs<J> {
    fn default() -> Self {
        Self { by_key: HashMap::new(), free: VecDeque::new(), in_hand: HashSet::new(), waiting: 0 }
    }
}

impl<J> FairQueue<J> {
    /// How many jobs of a tenant wait.
    pub(super) fn waiting_of(&self, tenant: TenantId) -> usize {
        self.tenants.get(&tenant).map_or(0, |jobs_of_tenant| jobs_of_tenant.waiting)
    }

    /// Adds a job behind those of its tenant and key.
    pub(super) fn push(&mut self, tenant: TenantId, key: u64, job: J) {
        let jobs_of_tenant = self.tenants.entry(tenant).or_default();
        let had_turn = !jobs_of_tenant.free.is_empty();
        let same_key = jobs_of_tenant.by_key.entry(key).or_default();
        if same_key.is_empty() && !jobs_of_tenant.in_hand.contains(&key) {
            jobs_of_tenant.free.push_back(key);
        }
        same_key.push_back(job);
        jobs_of_tenant.waiting += 1;
        if !had_turn && !jobs_of_tenant.free.is_empty() {
            self.turns.push_back(tenant);
        }
    }

    /// Up to `most` jobs of the tenant whose turn it is; none when nothing may begin. Jobs of one key come in their order.
    pub(super) fn take(&mut self, most: usize) -> Option<Taken<J>> {
        let tenant = self.turns.pop_front()?;
        let jobs_of_tenant = self.tenants.get_mut(&tenant)?;
        let (mut jobs, mut keys) = (Vec::new(), Vec::new());
        while jobs.len() < most.max(1) {
            let Some(key) = jobs_of_tenant.free.pop_front() else { break };
            let Some(same_key) = jobs_of_tenant.by_key.get_mut(&key) else { continue };
            let room = most.max(1) - jobs.len();
            jobs.extend(same_key.drain(..room.min(same_key.len())));
            if same_key.is_empty() {
                jobs_of_tenant.by_key.remove(&key);
            }
            jobs_of_tenant.in_hand.insert(key);
            keys.push(key);
        }
        if !jobs_of_tenant.free.is_empty() {
            self.turns.push_back(tenant);
        }
        jobs_of_tenant.waiting -= jobs.len();
        Some(Taken { tenant, jobs, hold: Hold { tenant, keys } })
    }

    /// Lets the keys of finished jobs go.
    pub(super) fn release(&mut self, hold: &Hold) {
        let Some(jobs_of_tenant) = self.tenants.get_mut(&hold.tenant) else { return };
        let had_turn = !jobs_of_tenant.free.is_empty();
        for key in &hold.keys {
            jobs_of_tenant.in_hand.remove(key);
            if jobs_of_tenant.by_key.contains_key(key) {
                jobs_of_tenant.free.push_back(*key);
            }
        }
        if !had_turn && !jobs_of_tenant.free.is_empty() {
            self.turns.push_back(hold.tenant);
        }
        if jobs_of_tenant.waiting == 0 && jobs_of_tenant.in_hand.is_empty() {
            self.tenants.remove(&hold.tenant);
        }
    }

    /// Everything that waits, to give it back.
    pub(super) fn drain(&mut self) -> Vec<J> {
        let jobs = self.tenants.values_mut().flat_map(|jobs_of_tenant| {
            jobs_of_tenant.free.clear();
            jobs_of_tenant.waiting = 0;
            jobs_of_tenant.by_key.drain().flat_map(|(_, same_key)| same_key)
        });
        let jobs = jobs.collect();
        self.turns.clear();
        jobs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn tenant(n: u8) -> TenantId {
        Uuid::from_u128(n.into()).into()
    }

    #[test]
    fn a_tenant_with_a_thousand_jobs_delays_another_by_one_turn() {
        let mut queue = FairQueue::default();
        for n in 0..1000u64 {
            queue.push(tenant(1), n, "many");
        }
        queue.push(tenant(2), 0, "one");
        let first = queue.take(16).unwrap();
        let second = queue.take(16).unwrap();
        assert_eq!((first.tenant, second.tenant), (tenant(1), tenant(2)));
        assert_eq!(second.jobs, ["one"]);
    }

    /// Tenant, key, and the place among all that were pushed.
    type Numbered = (u8, u64, usize);
    /// Tenants and keys.
    type Keys = HashSet<(u8, u64)>;

    #[derive(Clone, Debug)]
    enum Step {
        Push(u8, u64),
        Take(usize),
        Release(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (0u8..4, 0u64..4).prop_map(|(tenant, key)| Step::Push(tenant, key)),
            2 => (1usize..5).prop_map(Step::Take),
            2 => (0usize..4).prop_map(Step::Release),
        ];
        proptest::collection::vec(step, 0..200)
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_doubled_and_a_key_is_in_hand_once_and_in_order(steps in steps()) {
            let mut queue = FairQueue::default();
            let mut pushed = 0usize;
            let mut seen: HashMap<(TenantId, u64), usize> = HashMap::new();
            let mut in_hand: Vec<(Taken<Numbered>, Keys)> = Vec::new();
            let mut check = |taken: &Taken<Numbered>| {
                for (tenant_number, key, number) in &taken.jobs {
                    let last = seen.insert((tenant(*tenant_number), *key), *number);
                    prop_assert!(last.is_none_or(|last| last < *number));
                }
                Ok(())
            };
            let mut handled = 0;
            for step in steps {
                match step {
                    Step::Push(number, key) => {
                        queue.push(tenant(number), key, (number, key, pushed));
                        pushed += 1;
                    }
                    Step::Take(most) => if let Some(taken) = queue.take(most) {
                        prop_assert!(!taken.jobs.is_empty() && taken.jobs.len() <= most);
                        check(&taken)?;
                        let keys: Keys = taken.jobs.iter().map(|job| (job.0, job.1)).collect();
                        prop_assert!(in_hand.iter().all(|(_, others)| others.is_disjoint(&keys)));
                        handled += taken.jobs.len();
                        in_hand.push((taken, keys));
                    },
                    Step::Release(which) => if which < in_hand.len() {
                        let (taken, _) = in_hand.remove(which);
                        queue.release(&taken.hold);
                    },
                }
                let waiting: usize = (0..4).map(|number| queue.waiting_of(tenant(number))).sum();
                prop_assert_eq!(handled + waiting, pushed);
            }
            for (taken, _) in in_hand {
                queue.release(&taken.hold);
            }
            while let Some(taken) = queue.take(3) {
                check(&taken)?;
                handled += taken.jobs.len();
                queue.release(&taken.hold);
            }
            prop_assert_eq!(handled, pushed);
            prop_assert!(queue.tenants.is_empty());
        }
    }
}
