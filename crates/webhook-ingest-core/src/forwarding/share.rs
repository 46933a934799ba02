//! How much a replica may have under way for a target, so that targets that answer slowly leave room for the others.
//!
//! A target's share is a part of what is free, not a number: it shrinks as more of them are busy, and something is always free for who
//! comes next (the dynamic threshold by which switches share their buffers, Choudhury and Hahne 1998). Who has nothing under way may have
//! one call even when nothing is free.

use super::AT_ONCE;

/// Calls under way at once in a replica, but for the first ones of targets.
const CALLS: usize = 256;
/// How many of them one tenant may have.
const OF_ONE_TENANT: usize = 96;
/// Calls under way at once in a replica, whatever they are.
const MOST_CALLS: usize = 1_024;
/// How many of them one tenant may have.
const MOST_OF_ONE_TENANT: usize = 128;
/// Bytes of bodies under way at once in a replica. A webhook has 4 MiB at most.
const BYTES: usize = 32 * 1_024 * 1_024;
/// How many of them one tenant may have.
const BYTES_OF_ONE_TENANT: usize = BYTES / 2;
/// Which part of what is free one target may have: one in so many.
const PART: usize = 8;

/// What is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Calls.
    pub calls: usize,
    /// Bytes of their bodies.
    pub bytes: usize,
}

/// What more may be under way for a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Calls.
    pub calls: usize,
    /// Bytes of their bodies together.
    pub bytes: usize,
    /// Bytes that the first of them may have if it has more than that.
    pub first: usize,
}

impl Room {
    /// The same with no more calls than this.
    #[must_use]
    pub fn of_at_most(self, calls: usize) -> Self {
        Self { calls: self.calls.min(calls), ..self }
    }

    /// Of bodies of these sizes, in this order: how many fit. The first that does not fit ends it: smaller ones behind it would keep it
    /// waiting for ever.
    #[must_use]
    pub fn fit(self, sizes: impl IntoIterator<Item = usize>) -> usize {
        let mut bytes = 0_usize;
        let fits = |(at, size): &(usize, usize)| {
            bytes = bytes.saturating_add(*size);
            bytes <= self.bytes || (*at == 0 && *size <= self.first)
        };
        sizes.into_iter().take(self.calls).enumerate().take_while(fits).count()
    }
}

/// What more may be under way for a target of which so much is, as of its tenant and of all.
#[must_use]
pub fn room(all: Load, tenants: Load, targets: Load) -> Room {
    let free = |most: usize, of_tenant: usize, load: fn(Load) -> usize| {
        most.saturating_sub(load(all)).min(of_tenant.saturating_sub(load(tenants)))
    };
    let calls = |load: Load| load.calls;
    let (most, bytes) =
        (free(MOST_CALLS, MOST_OF_ONE_TENANT, calls), free(BYTES, BYTES_OF_ONE_TENANT, |load| load.bytes));
    let share = (free(CALLS, OF_ONE_TENANT, calls) / PART).clamp(1, AT_ONCE);
    Room {
        calls: share.saturating_sub(targets.calls).min(most),
        bytes: (bytes / PART).saturating_sub(targets.bytes),
        first: if targets.calls == 0 { bytes } else { 0 },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A replica whose calls never end: of each target, its tenant and the sizes of its bodies under way.
    #[derive(Default)]
    struct Replica(Vec<(usize, Vec<usize>)>);

    fn load<'a>(bodies: impl Iterator<Item = &'a usize>) -> Load {
        bodies.fold(Load::default(), |load, size| Load { calls: load.calls + 1, bytes: load.bytes + size })
    }

    impl Replica {
        fn room(&self, target: usize) -> Room {
            let tenant = self.0[target].0;
            let of = |wanted: &dyn Fn(usize) -> bool| {
                load(self.0.iter().filter(|(tenant, _)| wanted(*tenant)).flat_map(|(_, bodies)| bodies))
            };
            room(of(&|_| true), of(&|other| other == tenant), load(self.0[target].1.iter()))
        }

        /// Begins as many calls as it may, of bodies of this size; how many.
        fn fill(&mut self, target: usize, size: usize) -> usize {
            let begun = self.room(target).fit(std::iter::repeat(size));
            self.0[target].1.extend(std::iter::repeat_n(size, begun));
            begun
        }

        /// Calls end and others begin, target by target: who had much gets less.
        fn go_on(&mut self, size: usize) {
            for target in (0..self.0.len()).cycle().take(4 * self.0.len()) {
                self.0[target].1.clear();
                self.fill(target, size);
            }
        }

        /// A target of a tenant that nothing is under way for.
        fn another(&mut self, tenant: usize) -> usize {
            self.0.push((tenant, Vec::new()));
            self.0.len() - 1
        }
    }

    #[test]
    fn two_dozen_that_answer_slowly_take_nothing_from_the_next_and_fifty_leave_it_more_than_one() {
        let mut replica = Replica::default();
        for n in 0..25 {
            let target = replica.another(n / 3);
            assert_eq!(replica.fill(target, 1_000), AT_ONCE, "target {n}");
        }
        for n in 25..50 {
            let target = replica.another(n / 3);
            replica.fill(target, 1_000);
        }
        replica.go_on(1_000);
        let next = replica.another(1_000);
        assert!(replica.fill(next, 1_000) > 1, "{:?}", replica.room(next));
    }

    #[test]
    fn large_bodies_leave_room_for_the_largest_there_may_be() {
        let (mut replica, largest) = (Replica::default(), 4 * 1_024 * 1_024);
        for n in 0..24 {
            let target = replica.another(n);
            replica.fill(target, 1_000_000);
        }
        replica.go_on(1_000_000);
        let next = replica.another(1_000);
        assert!(replica.fill(next, largest) >= 1, "{:?}", replica.room(next));
    }

    #[test]
    fn where_nothing_is_free_everybody_gets_one_call_and_no_more() {
        let mut replica = Replica::default();
        for n in 0..700 {
            let target = replica.another(n);
            let begun = replica.fill(target, 1);
            assert!(begun > 0 && (n < 300 || begun == 1), "target {n}: {begun}");
        }
    }

    #[test]
    fn a_body_that_is_larger_than_its_targets_share_goes_alone() {
        let mut replica = Replica::default();
        let target = replica.another(0);
        assert_eq!([replica.fill(target, 12_000_000), replica.fill(target, 4_000_000)], [1, 0]);
    }

    #[test]
    fn what_does_not_fit_waits_for_its_turn_and_keeps_it() {
        let room = Room { calls: 8, bytes: 100, first: 0 };
        assert_eq!((room.fit([40, 40, 40, 1]), room.fit([101, 1])), (2, 0));
        assert_eq!(Room { first: 500, ..room }.fit([101, 1]), 1);
        assert_eq!(room.of_at_most(1).fit([40, 40]), 1);
    }

    proptest! {
        /// Whatever is asked for in whichever order: bounds hold, and whoever has nothing under way gets a call.
        #[test]
        fn nobody_is_left_without_a_call_and_nothing_grows_without_bound(
            asked in prop::collection::vec((0usize..30, 0usize..3, 1usize..2_000_000), 1..300),
        ) {
            let mut replica = Replica::default();
            for n in 0..90 {
                replica.another(n / 3);
            }
            for (tenant, target, size) in asked {
                let target = 3 * tenant + target;
                let (idle, room) = (replica.0[target].1.is_empty(), replica.room(target));
                let begun = replica.fill(target, size);
                prop_assert!(!idle || room.calls > 0);
                prop_assert!(!idle || begun > 0 || size > room.first);
                let all = load(replica.0.iter().flat_map(|(_, bodies)| bodies));
                prop_assert!(all.calls <= MOST_CALLS && all.bytes <= BYTES, "{:?}", all);
                prop_assert!(replica.0[target].1.len() <= AT_ONCE);
                let of_tenant = replica.0[3 * tenant..3 * tenant + 3].iter().flat_map(|(_, bodies)| bodies);
                let of_tenant = load(of_tenant);
                prop_assert!(of_tenant.calls <= OF_ONE_TENANT && of_tenant.bytes <= BYTES_OF_ONE_TENANT, "{:?}", of_tenant);
            }
        }

        #[test]
        fn a_tenant_with_ever_so_many_targets_leaves_the_others_theirs(targets in 1usize..500, large in any::<bool>()) {
            let mut replica = Replica::default();
            for _ in 0..targets {
                let target = replica.another(0);
                replica.fill(target, if large { 1_000_000 } else { 1 });
            }
            prop_assert!(load(replica.0.iter().flat_map(|(_, bodies)| bodies)).calls <= MOST_OF_ONE_TENANT);
            let next = replica.another(1);
            prop_assert_eq!(replica.fill(next, 1), AT_ONCE);
            let largest = replica.another(2);
            prop_assert_eq!(replica.fill(largest, 4 * 1_024 * 1_024), 1);
        }
    }
}
