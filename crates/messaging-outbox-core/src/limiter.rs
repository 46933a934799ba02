//! How fast an account may call one endpoint.
//!
//! LINE limits by token bucket per channel and endpoint, publishes the rates but not the bucket's capacity, and may allow an
//! account less (<https://developers.line.biz/en/reference/messaging-api/#rate-limits>). The limiter starts just below the
//! published rate with an empty bucket and lets calls out evenly.
//!
//! A refusal says that LINE's bucket is empty at that moment, and nothing else. But what LINE takes between two such moments is
//! what flowed in: so after a refusal the limiter goes on a little too fast, and counts from refusal to refusal until the count
//! is exact. It then stays just below what it measured, for ten minutes, and feels its way up again.

use std::time::Duration;

/// The share of a limit that is used.
const SHARE: f64 = 0.99;
/// The share of the published rate that is used while no other limit is known: LINE's clock and ours differ.
const PUBLISHED_SHARE: f64 = 0.985;
/// The least rate the limiter falls to, in calls per second.
const LEAST: f64 = 1.0;
/// The bucket: how many seconds' worth of calls may go at once after a pause.
const BURST_SECONDS: f64 = 0.02;
/// How long the calls that were out at a refusal may still be refused for the same reason.
const SETTLE: Duration = Duration::from_millis(100);
/// By how much the rate grows in a second while it is below what is thought possible.
const STEP: f64 = 0.1;
/// The longest time that one such growth is for.
const LONGEST_STEP: Duration = Duration::from_secs(1);
/// How much too fast a limit is measured.
const OVER: f64 = 1.02;
/// Calls between the refusals that a first guess is made of: what a bucket without a history lets through says little.
const GUESS: f64 = 10.0;
/// Calls between the refusals that a limit is learnt of.
const EXACT: f64 = 900.0;
/// The shortest time a limit is measured.
const MEASURED: Duration = Duration::from_secs(2);
/// How long nothing is called once a limit is measured, or refused all the same: LINE's bucket is empty then, and without a
/// cushion the next unevenness would be refused.
const CUSHION: Duration = Duration::from_millis(100);
/// By how much a known limit falls when it is refused all the same.
const LOWER: f64 = 0.995;
/// How soon after a refusal a second one says that a known limit is known no more.
const DOUBT: Duration = Duration::from_secs(2);
/// How long a limit learnt by refusal holds before the limiter feels beyond it.
const LIMIT_LIFE: Duration = Duration::from_mins(10);

/// What is known of the limit.
#[derive(Clone, Copy, Debug)]
enum Knowledge {
    /// Nothing but what is published.
    Published,
    /// A refusal said that it is lower; LINE took `taken` calls since the bucket was empty at `since`.
    Measuring { since: Duration, taken: f64 },
    /// Measured.
    Known { limit: f64 },
}

/// The limiter of one account and endpoint. Times are durations since a moment of the caller's choice and never fall.
#[derive(Clone, Debug)]
pub struct Limiter {
    published: f64,
    rate: f64,
    knowledge: Knowledge,
    tokens: f64,
    filled: Duration,
    refused: Option<Duration>,
    halved: Duration,
    grown: Duration,
}

impl Limiter {
    /// A limiter for an endpoint that LINE limits to `published` calls per second; its bucket is empty at `now`.
    #[must_use]
    pub fn new(published: f64, now: Duration) -> Self {
        let published = published.max(LEAST) * PUBLISHED_SHARE;
        Self {
            published,
            rate: published,
            knowledge: Knowledge::Published,
            tokens: 0.0,
            filled: now,
            refused: None,
            halved: now,
            grown: now,
        }
    }

    /// Calls per second at present.
    #[must_use]
    pub const fn rate(&self) -> f64 {
        self.rate
    }

    /// Takes the right to make one call at `now`, or tells how long until there is one.
    pub fn take(&mut self, now: Duration) -> Result<(), Duration> {
        self.grow(now);
        let passed = now.saturating_sub(self.filled).as_secs_f64();
        self.filled = now.max(self.filled);
        self.tokens = (self.tokens + passed * self.rate).min((self.rate * BURST_SECONDS).max(1.0));
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            Ok(())
        } else {
            Err(Duration::from_secs_f64((1.0 - self.tokens) / self.rate).max(Duration::from_micros(50)))
        }
    }

    /// LINE took a call.
    pub const fn accepted(&mut self) {
        if let Knowledge::Measuring { taken, .. } = &mut self.knowledge {
            *taken += 1.0;
        }
    }

    /// LINE refused a call for its rate.
    pub fn refused(&mut self, now: Duration) {
        let last = self.refused.replace(now);
        let since_last = last.map_or(Duration::MAX, |last| now.saturating_sub(last));
        match self.knowledge {
            Knowledge::Published => self.begin(now, self.rate / 2.0),
            Knowledge::Measuring { since, taken } => self.measure(now, since, taken, since_last),
            Knowledge::Known { .. } if since_last < SETTLE => {}
            Knowledge::Known { limit } if since_last < DOUBT => self.begin(now, limit),
            Knowledge::Known { limit } => self.know(limit * LOWER),
        }
    }

    /// Begins to measure: LINE's bucket is empty.
    fn begin(&mut self, now: Duration, rate: f64) {
        self.knowledge = Knowledge::Measuring { since: now, taken: 0.0 };
        self.rate = rate.clamp(LEAST, self.published);
        self.tokens = 0.0;
        self.halved = now;
        self.grown = now + SETTLE;
    }

    /// A refusal while measuring: the bucket is empty again.
    fn measure(&mut self, now: Duration, since: Duration, taken: f64, since_last: Duration) {
        let span = now.saturating_sub(since);
        if since_last > self.overtake() {
            // So long without a refusal, the bucket may have been full, and what flowed in then was not counted.
            self.begin(now, self.rate);
        } else if taken >= EXACT && span >= MEASURED {
            self.know(taken / span.as_secs_f64());
        } else if taken >= GUESS && span >= SETTLE {
            // The count may be wrong by one at either end: too fast by that much, too, or the next refusal does not come.
            let over = OVER.max(1.0 + 1.5 / taken);
            self.rate = (taken / span.as_secs_f64() * over).clamp(LEAST, self.published);
            self.grown = now + self.overtake();
        } else if now.saturating_sub(self.halved) >= SETTLE {
            self.rate = (self.rate / 2.0).max(LEAST);
            self.halved = now;
            self.grown = now + SETTLE;
        }
    }

    fn know(&mut self, limit: f64) {
        self.knowledge = Knowledge::Known { limit };
        self.rate = (limit * SHARE).clamp(LEAST, self.published);
        self.tokens = -self.rate * CUSHION.as_secs_f64();
    }

    /// How long it takes at most until a rate that is too fast by as much as limits are measured is refused.
    fn overtake(&self) -> Duration {
        Duration::from_secs_f64(3.0 / ((OVER - 1.0) * self.rate)).max(Duration::from_millis(300))
    }

    /// Towards the published rate while it is not known what is possible. A limit measured long ago may be higher by now.
    fn grow(&mut self, now: Duration) {
        if matches!(self.knowledge, Knowledge::Known { .. })
            && self.refused.is_some_and(|refused| now.saturating_sub(refused) > LIMIT_LIFE)
        {
            self.knowledge = Knowledge::Published;
            self.grown = now;
        }
        // While nothing is called, nothing is felt for.
        let passed = now.saturating_sub(self.grown).min(LONGEST_STEP).as_secs_f64();
        if passed <= 0.0 || matches!(self.knowledge, Knowledge::Known { .. }) {
            return;
        }
        self.grown = now;
        if self.rate < self.published {
            self.rate = (self.rate * (1.0 + STEP * passed)).min(self.published);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// LINE's side: a token bucket whose refill is uneven.
    struct Bucket {
        per_second: f64,
        capacity: f64,
        /// Each refill is stretched or shrunk by up to this share.
        jitter: f64,
        level: f64,
        filled: f64,
        seed: u64,
    }

    impl Bucket {
        fn full(per_second: f64, capacity: f64, jitter: f64, seed: u64) -> Self {
            Self { per_second, capacity, jitter, level: capacity, filled: 0.0, seed: seed | 1 }
        }

        fn take(&mut self, now: f64) -> bool {
            self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let chance = f64::from(u32::try_from(self.seed >> 33).unwrap()) / f64::from(1u32 << 31);
            let stretch = 1.0 + self.jitter * (2.0 * chance - 1.0);
            self.level = (self.level + (now - self.filled) * self.per_second * stretch).min(self.capacity);
            self.filled = now;
            let granted = self.level >= 1.0;
            self.level -= if granted { 1.0 } else { 0.0 };
            granted
        }
    }

    /// Calls as fast as the limiter allows from `from` on for `seconds`; returns accepted, refused.
    fn play(limiter: &mut Limiter, bucket: &mut Bucket, from: f64, seconds: f64) -> (u32, u32) {
        let (mut now, end) = (from, from + seconds);
        let (mut accepted, mut refused) = (0, 0);
        while now < end {
            match limiter.take(Duration::from_secs_f64(now)) {
                Ok(()) if bucket.take(now) => {
                    accepted += 1;
                    limiter.accepted();
                }
                Ok(()) => {
                    refused += 1;
                    limiter.refused(Duration::from_secs_f64(now));
                }
                Err(wait) => now += wait.as_secs_f64(),
            }
        }
        (accepted, refused)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// P-5: 98 % of a hidden limit for a minute without a refusal, once it is learnt.
        #[test]
        fn it_learns_a_hidden_uneven_limit_and_then_uses_98_percent_of_it_without_a_refusal(
            hidden in 50.0f64..1_900.0, seconds_of_capacity in 0.1f64..1.0, jitter in 0.0f64..0.1, seed: u64,
        ) {
            let mut limiter = Limiter::new(2_000.0, Duration::ZERO);
            let mut bucket = Bucket::full(hidden, hidden * seconds_of_capacity, jitter, seed);
            let learning = play(&mut limiter, &mut bucket, 0.0, 90.0);
            let (accepted, refused) = play(&mut limiter, &mut bucket, 90.0, 60.0);
            let share = f64::from(accepted) / (hidden * 60.0);
            prop_assert_eq!(refused, 0, "{} of {}, learnt with {:?}", limiter.rate(), hidden, learning);
            prop_assert!(share >= 0.98, "{} of {} is {}", limiter.rate(), hidden, share);
            prop_assert!(learning.1 < 500, "learnt with {:?}", learning);
        }

        #[test]
        fn a_limit_that_falls_or_grows_is_found_again(
            first in 100.0f64..1_900.0, second in 100.0f64..1_900.0, seed: u64,
        ) {
            let mut limiter = Limiter::new(2_000.0, Duration::ZERO);
            let mut bucket = Bucket::full(first, first * 0.2, 0.02, seed);
            play(&mut limiter, &mut bucket, 0.0, 90.0);
            bucket.per_second = second;
            bucket.capacity = second * 0.2;
            // A lower one shows at once, a higher one is felt for after a while.
            play(&mut limiter, &mut bucket, 90.0, 800.0);
            let (accepted, _) = play(&mut limiter, &mut bucket, 890.0, 60.0);
            prop_assert!(f64::from(accepted) >= second * 60.0 * 0.95, "{} of {}", limiter.rate(), second);
        }
    }

    #[test]
    fn it_never_passes_the_published_rate_and_starts_empty() {
        let mut limiter = Limiter::new(100.0, Duration::from_secs(5));
        assert!(limiter.take(Duration::from_secs(5)).is_err());
        let mut boundless = Bucket::full(1e9, 1e9, 0.0, 1);
        let (accepted, refused) = play(&mut limiter, &mut boundless, 5.0, 60.0);
        assert_eq!(refused, 0);
        assert!((5_880..=6_000).contains(&accepted), "98 % of it: {accepted}");
    }

    proptest! {
        #[test]
        fn no_second_holds_more_calls_than_the_rate_and_the_bucket_allow(
            published in 1.0f64..3_000.0, gaps in prop::collection::vec(0u64..40_000, 1..120),
        ) {
            let mut limiter = Limiter::new(published, Duration::ZERO);
            let (mut now, mut taken) = (Duration::ZERO, Vec::new());
            for gap in gaps {
                now += Duration::from_micros(gap);
                while limiter.take(now).is_ok() { taken.push(now); }
            }
            for (index, start) in taken.iter().enumerate().step_by(11) {
                let within =
                    taken[index..].iter().take_while(|t| t.saturating_sub(*start) <= Duration::from_secs(1)).count();
                let allowed = published.max(1.0) * (1.0 + BURST_SECONDS) + 2.0;
                prop_assert!(f64::from(u32::try_from(within).unwrap()) <= allowed);
            }
        }
    }
}
