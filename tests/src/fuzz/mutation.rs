//! New inputs from old ones.

use rand::RngExt as _;
use rand::rngs::StdRng;

/// Changes made to one input at most.
const CHANGES: u32 = 8;

/// One of the pool, changed a few times; never longer than `longest`.
pub(super) fn of(pool: &[Vec<u8>], dictionary: &[&str], longest: usize, dice: &mut StdRng) -> Vec<u8> {
    let pick = |dice: &mut StdRng| pool.get(dice.random_range(0..pool.len().max(1))).cloned().unwrap_or_default();
    let mut input = pick(dice);
    for _ in 0..dice.random_range(1..=CHANGES) {
        let at = dice.random_range(0..=input.len());
        match dice.random_range(0..9_u8) {
            0 => input.insert(at, dice.random()),
            1 if at < input.len() => input[at] ^= 1 << dice.random_range(0..8_u8),
            2 if at < input.len() => input[at] = dice.random(),
            3 => {
                let end = at + dice.random_range(0..=(input.len() - at).min(64));
                input.drain(at..end);
            }
            4 => {
                let end = at + dice.random_range(0..=(input.len() - at).min(512));
                let part = input[at..end].to_vec();
                let to = dice.random_range(0..=input.len());
                input.splice(to..to, part);
            }
            // Over and over: depth, and what grows faster than its input.
            5 => {
                let end = at + (input.len() - at).min(dice.random_range(1..=16));
                let times = 1_usize << dice.random_range(0..=10_u8);
                let part = input[at..end].repeat(times.min(longest / (end - at).max(1)));
                input.splice(at..at, part);
            }
            // The head of one and the tail of another.
            6 => {
                let other = pick(dice);
                let from = dice.random_range(0..=other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            _ if !dictionary.is_empty() => {
                let word = dictionary[dice.random_range(0..dictionary.len())];
                input.splice(at..at, word.bytes());
            }
            _ => input.truncate(at),
        }
        input.truncate(longest);
    }
    input
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_inputs_and_none_is_too_long() {
        let pool = [b"{\"a\":1}".to_vec(), Vec::new(), vec![b'['; 100]];
        let made = |seed| {
            let mut dice = StdRng::seed_from_u64(seed);
            (0..2_000).map(|_| of(&pool, &["null"], 300, &mut dice)).collect::<Vec<_>>()
        };
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
        assert!(made(1).iter().all(|input| input.len() <= 300));
        assert!(made(1).iter().any(|input| input.len() == 300));
    }
}
