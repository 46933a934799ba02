//! What a lane's lease lets its holder do.
//!
//! One replica at a time sends for an account. LINE cannot check a fencing token, so the holder looks at what is left of its
//! lease before each call, and a new holder leaves what the old one had in hand alone for one request's time: every claim is
//! committed before its call, so nothing else can still be on its way.
//!
//! A replica holds so many lanes at most. Where more have work than that, they take turns: those that wait come in the order of a
//! rotating cursor, and a lane that is idle or has had its turn makes room.

use std::time::Duration;

/// The times a lane lives by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneTimes {
    /// How long a lease lasts from its last renewal.
    pub lease: Duration,
    /// How often the holder renews it.
    pub renew_every: Duration,
    /// The longest a call to LINE takes before it is given up.
    pub call: Duration,
}

/// Times that leave no moment for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a lease must outlast two renewals and one call to LINE")]
pub struct LaneTimesError;

impl Default for LaneTimes {
    /// Five seconds of lease, renewed every second; three for a call.
    fn default() -> Self {
        Self { lease: Duration::from_secs(5), renew_every: Duration::from_secs(1), call: Duration::from_secs(3) }
    }
}

impl LaneTimes {
    /// Times that fit together: the lease outlasts two renewals and one call.
    pub fn new(lease: Duration, renew_every: Duration, call: Duration) -> Result<Self, LaneTimesError> {
        let fit = !renew_every.is_zero() && !call.is_zero() && renew_every * 2 + call <= lease;
        if fit { Ok(Self { lease, renew_every, call }) } else { Err(LaneTimesError) }
    }

    /// Whether a call may begin `since_renewal` after the lease was last renewed: it must end before the lease does.
    #[must_use]
    pub fn may_call(&self, since_renewal: Duration) -> bool {
        since_renewal + self.call < self.lease
    }

    /// How long a new holder leaves alone what another holder had in hand. `released`: the other gave the lane back, so
    /// nothing is in hand.
    #[must_use]
    pub const fn settle(&self, released: bool) -> Duration {
        if released { Duration::ZERO } else { self.call }
    }
}

/// A lane holds its place so long while others wait for one.
pub const TURN: Duration = Duration::from_secs(5);

/// Who gets a lane's place next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn<K> {
    /// Those whose turn it is.
    pub taken: Vec<K>,
    /// Behind whom the next round begins; none: with the first one.
    pub next: Option<K>,
    /// How many more wait for a place.
    pub waiting: usize,
}

/// Gives `room` places to those of `found` that nobody holds. `found`: lanes with work in the order of the round that began behind
/// `cursor`, each with whether nobody holds it; `whole`: there are no others with work.
#[must_use]
pub fn take_turns<K: Copy>(cursor: Option<K>, found: &[(K, bool)], whole: bool, room: usize) -> Turn<K> {
    let mut free = found.iter().filter(|(_, free)| *free).map(|(key, _)| *key);
    let taken: Vec<K> = free.by_ref().take(room).collect();
    let waiting = free.count();
    let next = match (waiting, whole) {
        (0, true) => None,
        (0, false) => found.last().map(|(key, _)| *key).or(cursor),
        _ => taken.last().copied().or(cursor),
    };
    Turn { taken, next, waiting }
}

/// A lane held by this replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldLane<K> {
    /// Which.
    pub key: K,
    /// How long it has been held.
    pub held_for: Duration,
    /// It has nothing in hand.
    pub idle: bool,
}

/// Which lanes make room for `waiting` others: the idle ones, then those that had their [`TURN`], the longest held first.
#[must_use]
pub fn make_room<K: Copy>(held: &[HeldLane<K>], waiting: usize) -> Vec<K> {
    let mut may: Vec<&HeldLane<K>> = held.iter().filter(|lane| lane.idle || lane.held_for >= TURN).collect();
    may.sort_by_key(|lane| (!lane.idle, std::cmp::Reverse(lane.held_for)));
    may.into_iter().take(waiting).map(|lane| lane.key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whoever_always_has_work_gets_a_turn_however_many_others_have(
            lanes in 1usize..40, places in 1usize..10, looked_at in 1usize..40, taken_elsewhere in 0usize..40,
        ) {
            let (mut cursor, mut held) = (None, Vec::<(usize, usize)>::new());
            let mut last_turn = vec![0usize; lanes];
            // Each round is one turn long; a look goes round once, at most so far.
            for round in 1..200 {
                let place = |key: usize| cursor.map_or(key, |cursor: usize| (key + lanes - cursor - 1) % lanes);
                let mut found: Vec<(usize, bool)> = (0..lanes)
                    .map(|key| (key, key != taken_elsewhere && held.iter().all(|(held, _)| *held != key)))
                    .collect();
                found.sort_by_key(|(key, _)| place(*key));
                found.truncate(looked_at);
                let turn = take_turns(cursor, &found, looked_at >= lanes, places - held.len());
                prop_assert!(turn.taken.len() + held.len() <= places);
                cursor = turn.next;
                held.extend(turn.taken.iter().map(|key| (*key, round)));
                for (key, _) in &held {
                    last_turn[*key] = round;
                }
                let all: Vec<HeldLane<usize>> = held
                    .iter()
                    .map(|(key, since)| HeldLane {
                        key: *key, held_for: TURN * u32::try_from(round - since + 1).unwrap(), idle: false,
                    })
                    .collect();
                let room = make_room(&all, turn.waiting);
                held.retain(|(key, _)| !room.contains(key));
            }
            for (key, last) in last_turn.into_iter().enumerate().filter(|(key, _)| *key != taken_elsewhere) {
                prop_assert!(last > 100, "{key} had its last turn in round {last}");
            }
        }
    }

    #[test]
    fn only_an_idle_lane_or_one_that_had_its_turn_makes_room_and_no_more_than_are_needed() {
        let lane = |key, seconds, idle| HeldLane { key, held_for: Duration::from_secs(seconds), idle };
        let held = [lane('a', 1, false), lane('b', 6, false), lane('c', 9, false), lane('d', 0, true)];
        assert!(make_room(&held, 0).is_empty());
        assert_eq!(make_room(&held, 1), ['d']);
        assert_eq!(make_room(&held, 9), ['d', 'c', 'b']);
    }

    #[test]
    fn a_round_goes_on_behind_the_last_who_got_a_place() {
        let found = [('c', true), ('d', false), ('e', true), ('a', true)];
        let turn = take_turns(Some('b'), &found, true, 1);
        assert_eq!(turn, Turn { taken: vec!['c'], next: Some('c'), waiting: 2 });
        assert_eq!(take_turns(Some('b'), &found, true, 0), Turn { taken: vec![], next: Some('b'), waiting: 3 });
        assert_eq!(take_turns(Some('b'), &found, false, 3).next, Some('a'), "others were not looked at");
        assert_eq!(take_turns(Some('b'), &found, true, 3).next, None);
    }

    proptest! {
        #[test]
        fn no_call_outlives_its_lease_and_none_is_in_the_air_when_the_next_holder_touches_it(
            lease in 1u64..20_000, renew in 0u64..5_000, call in 0u64..10_000, since in 0u64..20_000, takeover in 0u64..5_000,
        ) {
            let ms = Duration::from_millis;
            if let Ok(times) = LaneTimes::new(ms(lease), ms(renew), ms(call)) {
                prop_assert!(times.may_call(times.renew_every), "a holder that renews in time can always call");
                if times.may_call(ms(since)) {
                    let last_answer = ms(since) + times.call;
                    prop_assert!(last_answer < times.lease);
                    prop_assert!(last_answer < times.lease + ms(takeover) + times.settle(false));
                }
            }
        }
    }

    #[test]
    fn a_released_lane_has_nothing_in_hand() {
        let times = LaneTimes::default();
        assert_eq!(LaneTimes::new(times.lease, times.renew_every, times.call), Ok(times));
        assert_eq!((times.settle(true), times.settle(false)), (Duration::ZERO, Duration::from_secs(3)));
        assert_eq!(
            LaneTimes::new(Duration::from_secs(3), Duration::from_secs(1), Duration::from_secs(3)),
            Err(LaneTimesError)
        );
    }
}
