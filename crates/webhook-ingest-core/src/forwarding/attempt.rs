//! What follows for a body from one call.

use std::time::Duration;

use super::doubling;

/// The first wait of a body between two calls.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST_WAIT: Duration = Duration::from_mins(10);
/// After so many calls, some twenty minutes, a body is given up that alone fails while others are taken.
const MOST_CALLS: u16 = 12;

/// How a call failed. The codes are those of `tsunagi.ingest.v1.ForwardingFailure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// There was no connection.
    NotReached,
    /// No answer came.
    NoAnswer,
    /// 429.
    Throttled,
    /// 5xx.
    ServerError,
    /// Any other status but 2xx; a redirect is not followed.
    Refused,
    /// The address may not be called.
    AddressForbidden,
}

impl Failure {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::NotReached, Self::NoAnswer, Self::Throttled, Self::ServerError, Self::Refused, Self::AddressForbidden];

    /// Its number, as the proto has it.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::NotReached => 1,
            Self::NoAnswer => 2,
            Self::Throttled => 3,
            Self::ServerError => 4,
            Self::Refused => 5,
            Self::AddressForbidden => 6,
        }
    }

    /// How figures name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotReached => "not_reached",
            Self::NoAnswer => "no_answer",
            Self::Throttled => "throttled",
            Self::ServerError => "server_error",
            Self::Refused => "refused",
            Self::AddressForbidden => "address_forbidden",
        }
    }

    /// Whether the body may be what it failed at: the receiver had it.
    #[must_use]
    pub const fn may_be_the_bodys(self) -> bool {
        matches!(self, Self::NoAnswer | Self::ServerError | Self::Refused)
    }
}

/// What one call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The target took the body.
    Taken,
    /// It did not, as far as is known; it is called again, with the same delivery ID.
    Failed(Failure),
    /// It wants no more (410).
    Gone,
}

/// What a status means (<https://www.rfc-editor.org/rfc/rfc9110#section-15>). LINE takes 2xx for success; so does this.
#[must_use]
pub const fn of_status(status: u16) -> Outcome {
    match status {
        200..=299 => Outcome::Taken,
        410 => Outcome::Gone,
        429 => Outcome::Failed(Failure::Throttled),
        500..=599 => Outcome::Failed(Failure::ServerError),
        _ => Outcome::Failed(Failure::Refused),
    }
}

/// What becomes of a body that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another call after this time.
    Again(Duration),
    /// It is given up, so that its senders' later bodies can go.
    GivenUp,
}

/// Decides what becomes of a body after its call number `calls` (1 or more) failed. `others_taken`: the target took another body since
/// this one was called first. Only then is it the body's fault: what a receiver that is down or misconfigured refuses waits for it to
/// be mended, its whole time long.
#[must_use]
pub fn after(failure: Failure, calls: u16, others_taken: bool, jitter: f64) -> Next {
    if calls >= MOST_CALLS && others_taken && failure.may_be_the_bodys() {
        Next::GivenUp
    } else {
        Next::Again(doubling(FIRST_WAIT, LONGEST_WAIT, calls.into(), jitter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_status_is_what_the_receiver_said() {
        for (status, outcome) in [
            (200, Outcome::Taken),
            (204, Outcome::Taken),
            (301, Outcome::Failed(Failure::Refused)),
            (307, Outcome::Failed(Failure::Refused)),
            (400, Outcome::Failed(Failure::Refused)),
            (401, Outcome::Failed(Failure::Refused)),
            (404, Outcome::Failed(Failure::Refused)),
            (410, Outcome::Gone),
            (429, Outcome::Failed(Failure::Throttled)),
            (500, Outcome::Failed(Failure::ServerError)),
            (503, Outcome::Failed(Failure::ServerError)),
            (0, Outcome::Failed(Failure::Refused)),
        ] {
            assert_eq!(of_status(status), outcome, "{status}");
        }
    }

    #[test]
    fn a_body_that_alone_fails_is_given_up_and_no_other() {
        assert_eq!(after(Failure::Refused, MOST_CALLS, true, 0.0), Next::GivenUp);
        assert_eq!(after(Failure::ServerError, MOST_CALLS, true, 0.0), Next::GivenUp);
        for (failure, calls, others_taken) in [
            (Failure::Refused, MOST_CALLS, false),
            (Failure::Refused, MOST_CALLS - 1, true),
            (Failure::NotReached, u16::MAX, true),
            (Failure::Throttled, u16::MAX, true),
            (Failure::AddressForbidden, u16::MAX, true),
        ] {
            assert!(matches!(after(failure, calls, others_taken, 0.0), Next::Again(_)), "{failure:?} {calls}");
        }
        let all: Duration = (1..MOST_CALLS)
            .map(|calls| match after(Failure::Refused, calls, true, 1.0) {
                Next::Again(wait) => wait,
                Next::GivenUp => panic!("given up after {calls}"),
            })
            .sum();
        assert!((Duration::from_mins(15)..Duration::from_hours(1)).contains(&all), "{all:?}");
    }

    proptest! {
        #[test]
        fn waits_grow_and_are_bounded(calls in 1u16.., jitter in -1.0f64..2.0) {
            let wait = |calls| match after(Failure::NotReached, calls, true, jitter) {
                Next::Again(wait) => wait,
                Next::GivenUp => Duration::MAX,
            };
            prop_assert!(wait(calls) >= Duration::from_millis(500) && wait(calls) <= LONGEST_WAIT);
            prop_assert!(wait(calls.saturating_add(1)) >= wait(calls));
        }
    }
}
