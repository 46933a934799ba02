//! What follows from an attempt to deliver a notice by e-mail or webhook.
//!
//! A webhook carries the notice's ID in its idempotency header, so whatever is unsure is repeated (at least once). An e-mail has
//! nothing a server would heed but its Message-ID, so after an attempt of unknown outcome it is repeated once and then given up.

use std::time::Duration;

use chrono::TimeDelta;
use kernel::Timestamp;

use super::channel::DeliveryState;
use crate::state::MessageState;

/// The first wait between attempts.
const BASE: Duration = Duration::from_secs(5);
/// The longest wait between attempts.
const CAP: Duration = Duration::from_mins(30);
/// How many attempts of unknown outcome an e-mail may have: the first, and one repetition.
pub const MOST_UNSURE_EMAILS: u16 = 2;

/// What one attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken.
    Taken,
    /// It was refused for good: another attempt would be refused likewise.
    Refused,
    /// It was surely not taken, and may be later: nobody there, too busy, 4xx of a mail server, 5xx of a webhook.
    NotNow,
    /// It may have been taken: no answer came.
    Unknown,
    /// The receiver wants no more of them (410 of a webhook).
    Gone,
    /// There is no such channel any more.
    NoChannel,
}

/// Why a delivery ended as it did. The codes are those of `tsunagi.messaging.v1.NoticeFailure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The receiver refused it.
    Refused,
    /// The receiver could not be reached in time.
    NotReached,
    /// Nobody can find out whether it was taken.
    UnknownOutcome,
    /// The receiver wants no more.
    Gone,
    /// The tenant's share in the operator's staff account is used up for the month.
    ShareUsedUp,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 5] = [Self::Refused, Self::NotReached, Self::UnknownOutcome, Self::Gone, Self::ShareUsedUp];

    /// The reason's number, as the proto has it.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Refused => 1,
            Self::NotReached => 2,
            Self::UnknownOutcome => 3,
            Self::Gone => 4,
            Self::ShareUsedUp => 5,
        }
    }
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The delivery ends.
    Settled(DeliveryState, Option<Reason>),
    /// Another attempt after this time.
    Again(Duration),
}

/// Decides what follows from `outcome` of attempt number `attempts` (1 or more) at `now`. `unsure`: attempts of unknown outcome,
/// this one included, and how many there may be; none: any number. `jitter`: 0 to 1, by chance.
#[must_use]
pub fn next(
    outcome: Outcome,
    attempts: u16,
    unsure: Option<(u16, u16)>,
    expire: Timestamp,
    now: Timestamp,
    jitter: f64,
) -> Next {
    let failed = |reason| Next::Settled(DeliveryState::Failed, Some(reason));
    match outcome {
        Outcome::Taken => Next::Settled(DeliveryState::Delivered, None),
        Outcome::Refused => failed(Reason::Refused),
        Outcome::Gone => failed(Reason::Gone),
        Outcome::NoChannel => Next::Settled(DeliveryState::NoChannel, None),
        Outcome::Unknown if unsure.is_some_and(|(so_far, most)| so_far >= most) => failed(Reason::UnknownOutcome),
        Outcome::NotNow | Outcome::Unknown => {
            let wait = delay(attempts, jitter);
            let next_time = TimeDelta::from_std(wait).ok().and_then(|wait| now.checked_add_signed(wait));
            if next_time.is_some_and(|time| time < expire) {
                Next::Again(wait)
            } else if outcome == Outcome::Unknown {
                failed(Reason::UnknownOutcome)
            } else {
                Next::Settled(DeliveryState::Expired, Some(Reason::NotReached))
            }
        }
    }
}

/// Where a notice stands by LINE whose message stands at `state`; none: still on its way. `expired`: the message was refused because its
/// time was over.
#[must_use]
pub const fn of_message(state: MessageState, expired: bool) -> Option<(DeliveryState, Option<Reason>)> {
    match state {
        MessageState::Accepted | MessageState::SettledArrived => Some((DeliveryState::Delivered, None)),
        MessageState::Refused if expired => Some((DeliveryState::Expired, Some(Reason::NotReached))),
        MessageState::Refused | MessageState::SettledLost => Some((DeliveryState::Failed, Some(Reason::Refused))),
        MessageState::Uncertain => Some((DeliveryState::Failed, Some(Reason::UnknownOutcome))),
        // Only what the member's contact no longer allows is taken back.
        MessageState::Cancelled => Some((DeliveryState::NoChannel, None)),
        MessageState::Queued
        | MessageState::Scheduled
        | MessageState::Sending
        | MessageState::WaitingForQuota
        | MessageState::Received
        | MessageState::Unsent => None,
    }
}

/// Whether an e-mail may be tried again after `unsure` attempts of unknown outcome.
#[must_use]
pub const fn may_try_email(unsure: u16) -> bool {
    unsure < MOST_UNSURE_EMAILS
}

/// The wait after `attempts` attempts: doubles from 5 seconds to 30 minutes, then between half and all of it by `jitter`.
fn delay(attempts: u16, jitter: f64) -> Duration {
    let doublings = u32::from(attempts.saturating_sub(1)).min(16);
    let full = BASE.saturating_mul(1 << doublings).min(CAP);
    full.mul_f64(f64::midpoint(1.0, jitter.clamp(0.0, 1.0)))
}

/// What a webhook's status means. 408, 425 and 429 ask to come again; every other 4xx would be the same again, as would a redirect,
/// which is never followed.
#[must_use]
pub const fn of_status(status: u16) -> Outcome {
    match status {
        200..=299 => Outcome::Taken,
        410 => Outcome::Gone,
        408 | 425 | 429 | 500..=599 => Outcome::NotNow,
        _ => Outcome::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn an_unsure_e_mail_is_repeated_once_and_an_unsure_webhook_as_long_as_there_is_time() {
        let next = |unsure| next(Outcome::Unknown, 1, unsure, at(3_600), at(0), 0.5);
        assert!(matches!(next(Some((1, MOST_UNSURE_EMAILS))), Next::Again(_)));
        let given_up = Next::Settled(DeliveryState::Failed, Some(Reason::UnknownOutcome));
        assert_eq!(next(Some((2, MOST_UNSURE_EMAILS))), given_up);
        assert!(matches!(next(None), Next::Again(_)));
        assert!(may_try_email(0) && may_try_email(1) && !may_try_email(2));
    }

    #[test]
    fn a_notice_by_line_ends_with_its_message() {
        let ended = |state| of_message(state, false).is_some();
        assert_eq!(of_message(MessageState::Accepted, false), Some((DeliveryState::Delivered, None)));
        assert_eq!(of_message(MessageState::Refused, true).map(|(state, _)| state), Some(DeliveryState::Expired));
        assert_eq!(of_message(MessageState::Refused, false).map(|(state, _)| state), Some(DeliveryState::Failed));
        let going: Vec<_> = MessageState::ALL.into_iter().filter(|state| !ended(*state)).collect();
        let outbound = [MessageState::Queued, MessageState::Sending, MessageState::WaitingForQuota];
        assert!(outbound.iter().all(|state| going.contains(state)));
    }

    #[test]
    fn a_webhooks_status_says_whether_to_come_again() {
        for (status, outcome) in [
            (200, Outcome::Taken),
            (204, Outcome::Taken),
            (301, Outcome::Refused),
            (400, Outcome::Refused),
            (408, Outcome::NotNow),
            (410, Outcome::Gone),
            (429, Outcome::NotNow),
            (500, Outcome::NotNow),
            (503, Outcome::NotNow),
        ] {
            assert_eq!(of_status(status), outcome, "{status}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_tried_again_after_its_time_and_waits_grow(
            attempts in 1u16.., left in -10i64..90_000, jitter in 0.0f64..1.0,
        ) {
            for outcome in [Outcome::NotNow, Outcome::Unknown] {
                match next(outcome, attempts, None, at(left), at(0), jitter) {
                    Next::Again(wait) => {
                        prop_assert!(at(0) + wait < at(left));
                        prop_assert!(wait >= BASE / 2 && wait <= CAP);
                    }
                    Next::Settled(state, reason) => {
                        prop_assert!(matches!(state, DeliveryState::Expired | DeliveryState::Failed));
                        prop_assert!(reason.is_some());
                        prop_assert!(left <= 1_800);
                    }
                }
            }
            prop_assert!(delay(attempts.saturating_add(2), 0.0) >= delay(attempts, 1.0).min(CAP / 2));
        }
    }
}
