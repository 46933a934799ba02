//! Chance that can be repeated: everything a run draws comes from its seed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// The dice of one run.
#[derive(Debug)]
pub struct Dice(StdRng);

impl Dice {
    /// The dice of the run with this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// One of these.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.0.random_range(0..of.len())]
    }

    /// A number from `least` to `most`, both included.
    pub fn number(&mut self, least: u32, most: u32) -> u32 {
        self.0.random_range(least..=most)
    }

    /// A time between two.
    pub fn duration(&mut self, least: Duration, most: Duration) -> Duration {
        self.0.random_range(least..=most)
    }
}
