//! What becomes of a message that was tried: the handler's word for it, and the rule that decides between another try and giving
//! up.

use std::time::Duration;

use crate::outbox::OutboxError;

/// What went wrong, for the log and the dead letter's reason. Holds no personal data.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The handler is through with the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// Its changes are to be committed, and the event is never handed out again.
    Done,
    /// It can never be handled, for this reason: nothing is committed, and it becomes a dead letter at once.
    Never(&'static str),
}

/// The handler could not do it now. Nothing it changed is committed.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Something the handler needs is away; try again after about this long. Not counted as an attempt.
    #[error("something that is needed is away")]
    Unavailable(Duration, #[source] Cause),
    /// The event itself is the trouble, as far as can be told. Counted; after enough of them it becomes a dead letter.
    #[error("the event cannot be handled")]
    Failed(#[source] Cause),
}

impl Trouble {
    /// A counted failure.
    pub fn failed(cause: impl Into<Cause>) -> Self {
        Self::Failed(cause.into())
    }

    /// Something is away for about `wait`.
    pub fn unavailable(wait: Duration, cause: impl Into<Cause>) -> Self {
        Self::Unavailable(wait, cause.into())
    }
}

/// Deadlocks, serialization failures and a database that is away are no fault of the event; anything else is.
impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        if chassis::postgres::is_unavailable(&error) {
            Self::Unavailable(Duration::from_millis(100), error.into())
        } else {
            Self::Failed(error.into())
        }
    }
}

impl From<OutboxError> for Trouble {
    fn from(error: OutboxError) -> Self {
        match error {
            OutboxError::Database(error) => error.into(),
            error => Self::Failed(error.into()),
        }
    }
}

/// When a consumer gives a message up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// After this many failed attempts,
    pub attempts: u32,
    /// and not before the message has been here this long.
    pub age: Duration,
    /// The pause after the first failure; it doubles with each further one,
    pub first_pause: Duration,
    /// up to this.
    pub longest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts: 10,
            age: Duration::from_mins(10),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_mins(5),
        }
    }
}

/// What follows from a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Try again after this long.
    Again(Duration),
    /// It becomes a dead letter.
    GiveUp,
}

impl Patience {
    /// Decides over a message after `attempts` failed attempts, `age` after it came first.
    #[must_use]
    pub fn decide(&self, attempts: u32, age: Duration) -> Verdict {
        if attempts >= self.attempts && age >= self.age {
            Verdict::GiveUp
        } else {
            Verdict::Again(self.pause(attempts))
        }
    }

    /// The pause after `attempts` failed attempts.
    #[must_use]
    pub fn pause(&self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);
        self.first_pause.saturating_mul(1 << doublings).min(self.longest_pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn by_default_it_tries_for_more_than_ten_minutes() {
        let patience = Patience::default();
        let pauses: Vec<u64> = (1..=10).map(|attempts| patience.pause(attempts).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(patience.decide(10, Duration::from_secs(599)), Verdict::Again(Duration::from_mins(5)));
        assert_eq!(patience.decide(9, Duration::from_hours(2)), Verdict::Again(Duration::from_secs(256)));
        assert_eq!(patience.decide(10, Duration::from_mins(10)), Verdict::GiveUp);
    }

    fn patience() -> impl Strategy<Value = Patience> {
        (1u32..20, 0u64..10_000, 1u64..10_000, 1u64..1_000_000).prop_map(|(attempts, age, first, longest)| Patience {
            attempts,
            age: Duration::from_millis(age),
            first_pause: Duration::from_millis(first),
            longest_pause: Duration::from_millis(first.max(longest)),
        })
    }

    proptest! {
        #[test]
        fn it_gives_up_exactly_when_both_attempts_and_age_are_reached(p in patience(), attempts: u32, age in 0u64..20_000) {
            let age = Duration::from_millis(age);
            let gives_up = p.decide(attempts, age) == Verdict::GiveUp;
            prop_assert_eq!(gives_up, attempts >= p.attempts && age >= p.age);
        }

        #[test]
        fn pauses_never_shrink_and_stay_within_their_bounds(p in patience(), attempts in 1u32..u32::MAX) {
            let (pause, next) = (p.pause(attempts), p.pause(attempts + 1));
            prop_assert!(pause <= next);
            prop_assert!(pause >= p.first_pause && next <= p.longest_pause);
        }

        #[test]
        fn every_message_that_keeps_failing_is_given_up_in_the_end(p in patience()) {
            let (mut attempts, mut age) = (0u32, Duration::ZERO);
            loop {
                attempts += 1;
                match p.decide(attempts, age) {
                    Verdict::Again(pause) => age += pause,
                    Verdict::GiveUp => break,
                }
                prop_assert!(attempts < 100_000);
            }
        }
    }
}
