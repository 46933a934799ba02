//! Any queue, any outcomes, any number of replicas that look at a part of it: what goes, goes in order.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

/// What a table of waiting bodies would hold.
#[derive(Default)]
struct Table {
    /// By body: its senders, when it is due, whether it is claimed.
    waiting: BTreeMap<u128, (BTreeSet<u8>, i64, bool)>,
    next: u128,
    now: i64,
}

fn moment(seconds: i64) -> Timestamp {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn id(number: u128) -> BodyId {
    Uuid::from_u128(number).into()
}

impl Table {
    fn add(&mut self, senders: BTreeSet<u8>) {
        self.next += 1;
        self.waiting.insert(self.next, (senders, self.now, false));
    }

    fn first_of(&self, sender: u8) -> Option<u128> {
        self.waiting.iter().find(|(_, (senders, ..))| senders.contains(&sender)).map(|(body, _)| *body)
    }

    /// The fronts of the lanes from `from` on, at most `lanes` of them.
    fn fronts(&self, from: u8, lanes: usize) -> Vec<Front> {
        let senders: BTreeSet<u8> = self.waiting.values().flat_map(|(senders, ..)| senders).copied().collect();
        let looked = senders.into_iter().filter(|sender| *sender >= from).take(lanes);
        looked.filter_map(|sender| self.first_of(sender)).map(|body| self.front(body)).collect()
    }

    fn front(&self, body: u128) -> Front {
        let (senders, due, claimed) = &self.waiting[&body];
        let firsts = senders.iter().filter_map(|sender| self.first_of(*sender)).map(id).collect();
        Front { body: id(body), firsts, due: moment(*due), claimed: *claimed, size: 1 }
    }

    fn on_their_way(&self) -> Vec<u128> {
        self.waiting
            .iter()
            .filter(|(_, (_, due, claimed))| *claimed && *due > self.now)
            .map(|(body, _)| *body)
            .collect()
    }

    /// Claims what is chosen, having looked that it keeps the rules.
    fn claim(&mut self, from: u8, lanes: usize, pace: Pace, most: usize) -> Result<Vec<u128>, TestCaseError> {
        let before = self.on_their_way();
        let room = most.saturating_sub(before.len());
        let room = Room { calls: room, bytes: usize::MAX, first: 0 };
        let chosen = choose(&self.fronts(from, lanes), pace, before.len(), room, moment(self.now));
        let chosen: Vec<u128> = chosen.into_iter().map(|body| body.uuid().as_u128()).collect();
        prop_assert!(chosen.len() + before.len() <= most.max(before.len()));
        prop_assert!(pace == Pace::Usual || chosen.len() + before.len() <= 1.max(before.len()));
        let mut busy: BTreeSet<u8> = before.iter().flat_map(|body| self.waiting[body].0.clone()).collect();
        for body in &chosen {
            let senders = self.waiting[body].0.clone();
            for sender in &senders {
                prop_assert!(busy.insert(*sender), "two of one sender at once");
                prop_assert_eq!(self.first_of(*sender), Some(*body), "a later one before an earlier one");
            }
        }
        for body in &chosen {
            if let Some(row) = self.waiting.get_mut(body) {
                (row.1, row.2) = (self.now + 30, true);
            }
        }
        Ok(chosen)
    }

    fn settle(&mut self, body: u128, arrived: bool, wait: i64) {
        if arrived {
            self.waiting.remove(&body);
        } else if let Some(row) = self.waiting.get_mut(&body) {
            (row.1, row.2) = (self.now + wait, false);
        }
    }
}

fn some_senders() -> impl Strategy<Value = BTreeSet<u8>> {
    prop_oneof![4 => prop::collection::btree_set(0u8..12, 1), 1 => prop::collection::btree_set(0u8..12, 1..4)]
}

proptest! {
    /// Whatever comes, fails, dies with its replica or is looked at by halves.
    #[test]
    fn a_senders_bodies_go_one_by_one_in_order(
        steps in prop::collection::vec((0u8..5, some_senders(), 0u8..12, any::<bool>(), 1usize..9), 1..120),
    ) {
        let mut table = Table::default();
        for (act, senders, at, flag, most) in steps {
            match act {
                0 | 1 => table.add(senders),
                2 => drop(table.claim(at, 1 + most, if flag { Pace::Usual } else { Pace::Probe }, most)?),
                // Also past the end of claims whose replica died.
                3 => table.now += i64::from(at) * 5,
                _ => {
                    let on_their_way = table.on_their_way();
                    if let Some(body) = on_their_way.get(usize::from(at) % on_their_way.len().max(1)) {
                        table.settle(*body, flag, i64::from(at));
                    }
                }
            }
        }
    }

    /// Some senders fail for ever; whatever does not stand behind them arrives, in few looks, though there is room for one call only.
    #[test]
    fn nothing_starves(bodies in prop::collection::vec(some_senders(), 1..60), broken in prop::collection::btree_set(0u8..12, 0..5)) {
        let mut table = Table::default();
        let (mut held, mut fine) = (broken.clone(), Vec::new());
        for senders in &bodies {
            table.add(senders.clone());
            if senders.is_disjoint(&held) {
                fine.push(table.next);
            } else {
                held.extend(senders);
            }
        }
        let (mut from, mut failures) = (0, 0);
        for _ in 0..bodies.len() * 40 {
            for body in table.claim(from, 3, Pace::Usual, 1)? {
                let fails = !table.waiting[&body].0.is_disjoint(&broken);
                failures += i64::from(fails);
                table.settle(body, !fails, 1 + failures);
            }
            from = if from >= 9 { 0 } else { from + 3 };
            table.now += 1;
        }
        let left: Vec<_> = fine.into_iter().filter(|body| table.waiting.contains_key(body)).collect();
        prop_assert!(left.is_empty(), "{left:?} never went");
    }

    /// Of a target that is down, each front is the probe in turn, so that one bad body never hides that it takes the others.
    #[test]
    fn every_front_becomes_the_probe(lanes in 1u8..10) {
        let mut table = Table::default();
        (0..lanes).for_each(|sender| table.add([sender].into()));
        let mut probed = BTreeSet::new();
        for round in 0..lanes {
            let body = table.claim(0, 99, Pace::Probe, 8)?;
            prop_assert_eq!(body.len(), 1);
            prop_assert!(table.claim(0, 99, Pace::Probe, 8)?.is_empty(), "one at a time");
            table.now += 1;
            table.settle(body[0], false, 600 + i64::from(round));
            probed.extend(body);
        }
        prop_assert_eq!(probed.len(), usize::from(lanes));
    }
}

#[test]
fn a_body_of_two_senders_waits_for_both_and_holds_both() {
    let mut table = Table::default();
    for senders in [&[1][..], &[1, 2], &[2], &[3]] {
        table.add(senders.iter().copied().collect());
    }
    let all = |table: &mut Table| table.claim(0, 99, Pace::Usual, 8).unwrap();
    assert_eq!(all(&mut table), [1, 4]);
    table.settle(1, true, 0);
    assert_eq!(all(&mut table), [2]);
    assert_eq!(all(&mut table), [0u128; 0], "the third waits for the second, which is the first of its lane");
    table.settle(2, true, 0);
    assert_eq!(all(&mut table), [3]);
}
