//! How fast an account may call one endpoint.
//!
//! LINE limits by token bucket per channel and endpoint, publishes the rates but not the bucket's capacity, and may allow an
//! account less (<https://developers.line.biz/en/reference/messaging-api/#rate-limits>). The limiter starts just below the
//! published rate with an empty bucket and lets calls out evenly. A refusal teaches it the real limit: what was accepted in
//! the second before. It then stays a little below that, feels its way up slowly, and remembers where it was refused.

use std::collections::VecDeque;
use std::time::Duration;

/// The share of a limit that is used.
const SHARE: f64 = 0.985;
/// The least rate the limiter falls to, in calls per second.
const LEAST: f64 = 1.0;
/// The bucket: how many seconds' worth of calls may go at once after a pause.
const BURST_SECONDS: f64 = 0.02;
/// How long the calls that were out at a refusal may still be refused for the same reason.
const SETTLE: Duration = Duration::from_millis(100);
/// The length of time a limit is told for.
const SECOND: Duration = Duration::from_secs(1);
/// By how much a known limit falls when it is refused all the same.
const LOWER: f64 = 0.97;
/// By how much the rate grows in a second while it is below what is thought possible.
const STEP: f64 = 0.1;
/// How long a limit learnt by refusal holds before the limiter feels beyond it.
const CEILING_LIFE: Duration = Duration::from_mins(10);

/// The limiter of one account and endpoint. Times are durations since a moment of the caller's choice and never fall.
#[derive(Clone, Debug)]
pub struct Limiter {
    published: f64,
    rate: f64,
    ceiling: Option<f64>,
    tokens: f64,
    filled: Duration,
    refused: Duration,
    changed: Duration,
    grown: Duration,
    accepted: VecDeque<Duration>,
}

impl Limiter {
    /// A limiter for an endpoint that LINE limits to `published` calls per second; its bucket is empty at `now`.
    #[must_use]
    pub fn new(published: f64, now: Duration) -> Self {
        let published = published.max(LEAST) * SHARE;
        Self {
            published,
            rate: published,
            ceiling: None,
            tokens: 0.0,
            filled: now,
            refused: now,
            changed: now,
            grown: now,
            accepted: VecDeque::new(),
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
    pub fn accepted(&mut self, now: Duration) {
        self.forget(now);
        self.accepted.push_back(now);
    }

    /// LINE refused a call for its rate. After a whole second without a refusal, what LINE took in it is the limit; before,
    /// the rate falls by half, or a known limit by a little. Refusals of calls that were already out tell nothing new.
    pub fn refused(&mut self, now: Duration) {
        self.forget(now);
        self.tokens = 0.0;
        let observed = now.saturating_sub(self.refused) >= SECOND;
        self.refused = now;
        if !observed && now.saturating_sub(self.changed) < SETTLE {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "a second holds at most some thousand calls")]
        let taken = self.accepted.len() as f64;
        if observed {
            self.rate = (taken.min(self.rate) * SHARE).max(LEAST);
            self.ceiling = Some(self.rate);
        } else if let Some(ceiling) = self.ceiling {
            self.rate = (ceiling * LOWER).max(LEAST);
            self.ceiling = Some(self.rate);
        } else {
            self.rate = (self.rate / 2.0).max(LEAST);
        }
        self.changed = now;
        self.grown = now + SETTLE;
    }

    /// Calls LINE took in the last second.
    fn forget(&mut self, now: Duration) {
        while self.accepted.front().is_some_and(|first| now.saturating_sub(*first) > Duration::from_secs(1)) {
            self.accepted.pop_front();
        }
    }

    /// Towards the limit learnt or, after a long calm or while none is learnt, towards the published rate.
    fn grow(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.grown).as_secs_f64();
        if passed <= 0.0 {
            return;
        }
        self.grown = now;
        if now.saturating_sub(self.refused) > CEILING_LIFE {
            self.ceiling = None;
        }
        let goal = self.ceiling.unwrap_or(self.published);
        if self.rate < goal {
            self.rate = (self.rate * (1.0 + STEP * passed)).min(goal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Calls as fast as the limiter allows for `seconds` against a bucket of `hidden` per second; returns accepted, refused.
    fn play(limiter: &mut Limiter, hidden: f64, from: f64, seconds: f64) -> (u32, u32) {
        let (mut now, end, mut bucket, mut filled) = (from, from + seconds, hidden * 0.1, from);
        let (mut accepted, mut refused) = (0, 0);
        while now < end {
            match limiter.take(Duration::from_secs_f64(now)) {
                Ok(()) => {
                    bucket = (bucket + (now - filled) * hidden).min(hidden * 0.1 + 1.0);
                    filled = now;
                    if bucket >= 1.0 {
                        bucket -= 1.0;
                        accepted += 1;
                        limiter.accepted(Duration::from_secs_f64(now));
                    } else {
                        refused += 1;
                        limiter.refused(Duration::from_secs_f64(now));
                    }
                }
                Err(wait) => now += wait.as_secs_f64(),
            }
        }
        (accepted, refused)
    }

    #[test]
    fn it_finds_a_hidden_limit_and_then_uses_nearly_all_of_it_without_a_refusal() {
        for hidden in [50.0, 333.0, 1_000.0, 1_900.0] {
            let mut limiter = Limiter::new(2_000.0, Duration::ZERO);
            play(&mut limiter, hidden, 0.0, 30.0);
            let (accepted, refused) = play(&mut limiter, hidden, 30.0, 60.0);
            assert_eq!(refused, 0, "hidden {hidden}, rate {}", limiter.rate());
            assert!(f64::from(accepted) >= hidden * 60.0 * 0.9, "hidden {hidden}: {accepted} accepted");
        }
    }

    #[test]
    fn it_never_passes_the_published_rate_and_starts_empty() {
        let mut limiter = Limiter::new(100.0, Duration::from_secs(5));
        assert!(limiter.take(Duration::from_secs(5)).is_err());
        let (accepted, refused) = play(&mut limiter, 1e9, 5.0, 60.0);
        assert_eq!(refused, 0);
        assert!((5_700..=6_000).contains(&accepted), "{accepted}");
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
                let within = taken[index..].iter().take_while(|t| t.saturating_sub(*start) <= SECOND).count();
                let allowed = published.max(1.0) * (1.0 + BURST_SECONDS) + 2.0;
                prop_assert!(f64::from(u32::try_from(within).unwrap()) <= allowed);
            }
        }
    }
}
