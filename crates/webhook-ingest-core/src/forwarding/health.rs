//! How a target does: from single failures to being down, from being down to being paused.

use std::time::Duration;

use chrono::TimeDelta;
use kernel::Timestamp;

use super::attempt::Failure;
use super::{PATIENCE, doubling};
use crate::forwarding::choice::Pace;

/// So many strikes, and the target is down.
pub const DOWN_AT: u32 = 5;
/// After so long without a body taken a target is told as down, though it may be a single body that fails.
pub const TOLD_AFTER: TimeDelta = TimeDelta::minutes(5);
/// The first pause between probes.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// The longest pause that a target's own `Retry-After` is granted.
pub const LONGEST_ASKED_PAUSE: Duration = Duration::from_mins(30);

/// How a target does, since it last took a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Calls that failed.
    pub failures: u32,
    /// Failures that speak against the target and not against one body: all that no body can cause, each body's first one, and those
    /// of probes.
    pub strikes: u32,
    /// The first failure.
    pub failing_since: Option<Timestamp>,
    /// Nothing is tried before.
    pub next_try: Option<Timestamp>,
}

/// Why a target is paused. The codes are those of `tsunagi.ingest.v1.ForwardingPauseReason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseReason {
    /// Somebody asked for it.
    Requested,
    /// It took nothing for [`PATIENCE`].
    Failing,
    /// It answered 410.
    Gone,
}

impl PauseReason {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Requested, Self::Failing, Self::Gone];

    /// Its number, as the proto has it.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Requested => 1,
            Self::Failing => 2,
            Self::Gone => 3,
        }
    }
}

impl Health {
    /// Whether the target is down: only probed, one body at a time.
    #[must_use]
    pub const fn is_down(&self) -> bool {
        self.strikes >= DOWN_AT
    }

    /// Whether it is to be told as down: it is, or it took nothing for [`TOLD_AFTER`] though it was tried.
    #[must_use]
    pub fn is_told_as_down(&self, now: Timestamp) -> bool {
        let long = self.failing_since.is_some_and(|since| now.signed_duration_since(since) >= TOLD_AFTER);
        self.is_down() || (self.failures >= DOWN_AT && long)
    }

    /// How it is called now; none: not now.
    #[must_use]
    pub fn pace(&self, now: Timestamp) -> Option<Pace> {
        if self.next_try.is_some_and(|time| now < time) {
            None
        } else if self.is_down() {
            Some(Pace::Probe)
        } else {
            Some(Pace::Usual)
        }
    }

    /// After one more failure, of a body's call number `calls`. `asked`: how long the target asked to be left alone. `jitter`: 0 to 1, by
    /// chance.
    #[must_use]
    pub fn after(self, failure: Failure, calls: u16, asked: Option<Duration>, now: Timestamp, jitter: f64) -> Self {
        // Calls that were under way when it was found down say what is known already: together they are no row of probes.
        let is_under_way = self.is_down() && self.next_try.is_some_and(|time| now < time);
        let is_strike = !is_under_way && (calls <= 1 || !failure.may_be_the_bodys() || self.is_down());
        let strikes = self.strikes.saturating_add(u32::from(is_strike));
        let probed = (strikes >= DOWN_AT).then(|| doubling(FIRST_PAUSE, LONGEST_PAUSE, strikes + 1 - DOWN_AT, jitter));
        let pause = probed.max(asked.map(|asked| asked.min(LONGEST_ASKED_PAUSE)));
        let next_try = pause.and_then(|pause| now.checked_add_signed(TimeDelta::from_std(pause).ok()?));
        Self {
            failures: self.failures.saturating_add(1),
            strikes,
            failing_since: self.failing_since.or(Some(now)),
            // Of calls that were under way together, the one that is told last does not shorten the pause.
            next_try: next_try.max(self.next_try),
        }
    }

    /// Whether nobody can hope any more that it takes something by itself.
    #[must_use]
    pub fn is_to_be_paused(&self, now: Timestamp) -> bool {
        self.failing_since.is_some_and(|since| now.signed_duration_since(since) >= PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use proptest::prelude::*;

    const NOW: Timestamp = DateTime::UNIX_EPOCH;

    fn failed(times: usize, failure: Failure, calls: u16) -> Health {
        (0..times).fold(Health::default(), |health, _| health.after(failure, calls, None, NOW, 0.5))
    }

    #[test]
    fn a_target_that_nobody_reaches_is_down_and_one_bad_body_brings_none_down() {
        assert!(failed(5, Failure::NotReached, 9).is_down());
        assert!(!failed(4, Failure::NotReached, 1).is_down());
        assert!(failed(5, Failure::Refused, 1).is_down(), "five bodies refused at once");
        let bad = failed(1_000, Failure::ServerError, 2);
        assert!(!bad.is_down() && bad.failures == 1_000 && bad.pace(NOW) == Some(Pace::Usual));
        assert!(!bad.is_told_as_down(NOW) && bad.is_told_as_down(NOW + TOLD_AFTER), "it is told all the same");
        assert!(failed(5, Failure::NotReached, 1).is_told_as_down(NOW));
    }

    #[test]
    fn a_target_that_is_down_is_probed_after_a_pause() {
        let down = failed(5, Failure::NoAnswer, 1);
        let next = down.next_try.unwrap();
        assert_eq!((down.pace(NOW), down.pace(next)), (None, Some(Pace::Probe)));
        assert_eq!(Health::default().pace(NOW), Some(Pace::Usual));
    }

    #[test]
    fn calls_that_were_under_way_together_make_the_pause_no_longer() {
        let down = failed(5, Failure::ServerError, 1);
        let at_once = (0..8).fold(down, |health, _| health.after(Failure::ServerError, 1, None, NOW, 0.5));
        assert_eq!(at_once.next_try, down.next_try);
        let probe = down.next_try.unwrap();
        assert_eq!(
            at_once.after(Failure::ServerError, 1, None, probe, 0.5).next_try,
            down.after(Failure::ServerError, 1, None, probe, 0.5).next_try
        );
    }

    #[test]
    fn pauses_between_probes_grow_to_five_minutes() {
        let (mut health, mut pauses) = (failed(5, Failure::ServerError, 1), Vec::new());
        for _ in 0..12 {
            let now = health.next_try.unwrap();
            health = health.after(Failure::ServerError, 9, None, now, 1.0);
            pauses.push((health.next_try.unwrap() - now).num_seconds());
        }
        assert_eq!(pauses, [4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300, 300]);
    }

    #[test]
    fn a_target_is_left_alone_as_long_as_it_asks_and_no_longer_than_half_an_hour() {
        let asked = |seconds| {
            let health = Health::default();
            health.after(Failure::Throttled, 1, Some(Duration::from_secs(seconds)), NOW, 0.0).next_try.unwrap() - NOW
        };
        assert_eq!((asked(7), asked(u64::MAX)), (TimeDelta::seconds(7), TimeDelta::minutes(30)));
        let later = Health::default().after(Failure::Throttled, 1, Some(Duration::from_mins(9)), NOW, 0.0);
        let told_after = later.after(Failure::Throttled, 1, Some(Duration::from_secs(1)), NOW, 0.0);
        assert_eq!(later.next_try, told_after.next_try);
    }

    #[test]
    fn three_days_without_a_body_taken_are_enough() {
        let health = failed(9, Failure::Refused, 3);
        assert!(!health.is_to_be_paused(NOW + PATIENCE - TimeDelta::seconds(1)));
        assert!(health.is_to_be_paused(NOW + PATIENCE));
        assert!(!Health::default().is_to_be_paused(NOW + PATIENCE), "a target that was never tried is not failing");
    }

    proptest! {
        #[test]
        fn pauses_are_bounded_and_the_first_failure_is_remembered(
            failures in prop::collection::vec((0usize..6, 1u16..20, prop::option::of(0u64..100_000), 0i64..1_000, 0.0f64..1.0), 1..60),
        ) {
            let (mut health, mut now) = (Health::default(), NOW);
            for (kind, calls, asked, later, jitter) in failures {
                now += TimeDelta::seconds(later);
                let was_down = health.is_down();
                health = health.after(Failure::ALL[kind], calls, asked.map(Duration::from_secs), now, jitter);
                prop_assert!(!was_down || health.is_down());
                prop_assert!(!health.is_down() || health.next_try.is_some());
                let most = now + TimeDelta::from_std(LONGEST_ASKED_PAUSE).unwrap();
                prop_assert!(health.next_try.is_none_or(|time| time <= most));
                prop_assert!(health.failing_since.is_some_and(|since| since <= now));
            }
        }
    }
}
