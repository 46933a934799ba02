//! When each delivery of a recording is sent again. Pure: the same recording, wishes and seed give the same plan.

use chrono::TimeDelta;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::Delivery;

/// How to replay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Replay {
    /// So many times as fast as it was recorded; as fast as they are answered when absent.
    pub speed: Option<u32>,
    /// In any order. The moments stay, what is sent at them changes.
    pub shuffle: bool,
    /// 0..1, the chance that a delivery comes a second time, byte for byte: right behind the first, or anywhere after it when
    /// shuffled.
    pub duplicate: f64,
    /// Draws order and repetitions.
    pub seed: u64,
}

impl Default for Replay {
    fn default() -> Self {
        Self { speed: None, shuffle: false, duplicate: 0.0, seed: 0 }
    }
}

/// One request of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sending {
    /// How long after the replay's beginning.
    pub after: TimeDelta,
    /// Which delivery of the recording, from 0.
    pub delivery: usize,
    /// Whether it was sent before.
    pub again: bool,
}

/// Every request of a replay, in order.
pub fn plan(deliveries: &[Delivery], replay: &Replay) -> Vec<Sending> {
    let mut dice = StdRng::seed_from_u64(replay.seed);
    let mut order: Vec<usize> = (0..deliveries.len()).collect();
    if replay.shuffle {
        order.shuffle(&mut dice);
    }
    let chance = replay.duplicate.clamp(0.0, 1.0);
    let mut sequence: Vec<(usize, bool)> = Vec::with_capacity(order.len());
    for delivery in order {
        sequence.push((delivery, false));
        if chance > 0.0 && dice.random_bool(chance) {
            sequence.push((delivery, true));
        }
    }
    if replay.shuffle {
        scatter_repetitions(&mut sequence, &mut dice);
    }
    let moments = moments(deliveries, replay.speed, sequence.len());
    sequence.into_iter().zip(moments).map(|((delivery, again), after)| Sending { after, delivery, again }).collect()
}

/// Moves each repetition anywhere behind what it repeats.
fn scatter_repetitions(sequence: &mut Vec<(usize, bool)>, dice: &mut StdRng) {
    let repeated: Vec<usize> = sequence.iter().filter(|(_, again)| *again).map(|(delivery, _)| *delivery).collect();
    sequence.retain(|(_, again)| !again);
    for delivery in repeated {
        let first = sequence.iter().position(|(known, _)| *known == delivery).unwrap_or(0);
        let to = dice.random_range(first + 1..=sequence.len());
        sequence.insert(to, (delivery, true));
    }
}

/// The moments of the recording, from its first, at the wished speed: as many as are asked for, spread evenly over them.
fn moments(deliveries: &[Delivery], speed: Option<u32>, count: usize) -> Vec<TimeDelta> {
    let (Some(first), Some(speed)) = (deliveries.first(), speed) else { return vec![TimeDelta::zero(); count] };
    let speed = i32::try_from(speed.max(1)).unwrap_or(i32::MAX);
    let mut latest = TimeDelta::zero();
    (0..count)
        .map(|at| {
            let delivery = &deliveries[at * deliveries.len() / count];
            // A recording over a clock that was turned back goes on without waiting.
            latest = latest.max((delivery.at - first.at) / speed);
            latest
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;
    use crate::state::id::ChannelId;

    fn deliveries(gaps: &[i64]) -> Vec<Delivery> {
        let mut at = 1_700_000_000_000;
        gaps.iter()
            .map(|gap| {
                at += gap;
                Delivery {
                    at: DateTime::from_timestamp_millis(at).unwrap(),
                    account: ChannelId::from("1"),
                    redelivery: false,
                    signature: String::new(),
                    body: String::new(),
                }
            })
            .collect()
    }

    proptest! {
        /// Whatever is wished, nothing is lost, nothing comes more than twice or before its first time, and time goes forward.
        #[test]
        fn nothing_is_lost_and_nothing_comes_again_before_it_came(
            gaps in proptest::collection::vec(-1_000_i64..100_000, 0..60),
            speed in proptest::option::of(1_u32..1_000), shuffle: bool, duplicate in 0.0..1.0_f64, seed: u64,
        ) {
            let deliveries = deliveries(&gaps);
            let replay = Replay { speed, shuffle, duplicate, seed };
            let planned = plan(&deliveries, &replay);
            prop_assert_eq!(&planned, &plan(&deliveries, &replay), "the same seed, the same plan");
            for which in 0..deliveries.len() {
                let times: Vec<bool> = planned.iter().filter(|s| s.delivery == which).map(|s| s.again).collect();
                prop_assert!(times == [false] || times == [false, true], "{which}: {times:?}");
            }
            prop_assert!(planned.windows(2).all(|pair| pair[0].after <= pair[1].after));
            prop_assert!(planned.first().is_none_or(|first| first.after.is_zero()));
        }

        /// Without wishes it is the recording itself.
        #[test]
        fn a_plain_replay_keeps_order_and_moments(gaps in proptest::collection::vec(0_i64..100_000, 1..60)) {
            let deliveries = deliveries(&gaps);
            let planned = plan(&deliveries, &Replay { speed: Some(1), ..Replay::default() });
            for (at, sending) in planned.iter().enumerate() {
                prop_assert_eq!(sending.delivery, at);
                prop_assert_eq!(sending.after, deliveries[at].at - deliveries[0].at);
            }
        }
    }

    #[test]
    fn shuffled_and_doubled_it_is_another_order_and_all_of_it_twice() {
        let deliveries = deliveries(&[1_000; 50]);
        let planned = plan(&deliveries, &Replay { shuffle: true, duplicate: 1.0, seed: 7, ..Replay::default() });
        assert_eq!(planned.len(), 100);
        let firsts: Vec<usize> = planned.iter().filter(|s| !s.again).map(|s| s.delivery).collect();
        assert_ne!(firsts, (0..50).collect::<Vec<_>>());
        let adjacent = planned.windows(2).filter(|pair| pair[0].delivery == pair[1].delivery).count();
        assert!(adjacent < 25, "{adjacent} of 50 repetitions stand right behind what they repeat");
    }
}
