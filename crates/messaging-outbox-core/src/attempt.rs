//! What follows from an attempt's outcome (L-05).
//!
//! A push carries a retry key: LINE remembers it for 24 hours and answers 409 to a repetition of what it accepted
//! (<https://developers.line.biz/en/docs/messaging-api/retrying-api-request/>), so an unknown outcome is repeated with the
//! same key and body until that time is nearly over, and is uncertain after it. A reply carries none. Its token works once,
//! so the same reply may be repeated with the same token while that lives; but after an unknown outcome a refusal of
//! whatever wording proves nothing, for the token may be used, and the content never goes by push.

use std::time::Duration;

use chrono::TimeDelta;
use kernel::Timestamp;

use crate::quota::QuotaVerdict;
use crate::route::{SendMethod, SendPolicy};
use crate::{backoff, reply_window};

/// How long after the first attempt a key is still used: LINE's 24 hours, less an hour for clocks that differ.
pub const KEY_LIFE: TimeDelta = TimeDelta::hours(23);
/// How often the same reply is tried.
const REPLY_ATTEMPTS: u16 = 4;
/// How long to wait before asking LINE again whether the month's quota has room, at least.
pub const QUOTA_WAIT: Duration = Duration::from_mins(1);

/// What one call to LINE came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// LINE accepted it, now or (409) with an earlier attempt.
    Accepted,
    /// LINE refused the message or the recipient: 400 and the like.
    Refused,
    /// LINE refused the reply token: used, or too late.
    InvalidReplyToken,
    /// LINE refused the access token.
    Unauthorized,
    /// LINE refused for the rate of calls; it may say how long to wait.
    RateLimited(Option<Duration>),
    /// LINE refused for the month's quota, used up or reserved.
    MonthlyLimit,
    /// It surely did not reach LINE: no connection, or no access token to be had.
    NotSent,
    /// It may have reached LINE: no answer, a cut connection, a 5xx.
    Unknown,
}

/// A request and what was tried so far, this attempt included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// How it was sent.
    pub method: SendMethod,
    /// Whether it may cost money.
    pub policy: SendPolicy,
    /// How often it was sent, 1 or more.
    pub attempts: u16,
    /// When it was sent first.
    pub first_time: Timestamp,
    /// The outcome of an earlier attempt is unknown.
    pub in_doubt: bool,
    /// The access token was just renewed for it.
    pub token_renewed: bool,
    /// Until when its reply token is usable; replies only.
    pub reply_until: Option<Timestamp>,
    /// LINE named somebody to push to.
    pub has_recipient: bool,
}

/// Why a message is given up, or waits for quota. The codes are those of `tsunagi.messaging.v1.FailureKind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// LINE refused the message or the recipient.
    Refused,
    /// LINE refuses the account's credential.
    Unauthorized,
    /// The month's quota is used up; the message waits.
    QuotaUsedUp,
    /// What is left of the month's quota is reserved; the message waits.
    QuotaReserved,
    /// No answer came, and it cannot be asked for any more.
    UnknownOutcome,
    /// It could not be sent within its time.
    Expired,
}

impl From<QuotaVerdict> for FailureKind {
    fn from(verdict: QuotaVerdict) -> Self {
        match verdict {
            QuotaVerdict::UsedUp => Self::QuotaUsedUp,
            QuotaVerdict::Reserved => Self::QuotaReserved,
        }
    }
}

impl FailureKind {
    /// The kind's number, as the proto has it.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Refused => 1,
            Self::Unauthorized => 2,
            Self::QuotaUsedUp => 3,
            Self::UnknownOutcome => 4,
            Self::Expired => 5,
            Self::QuotaReserved => 6,
        }
    }
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Done: LINE has it.
    Accepted,
    /// Given up: LINE does not have it.
    Refused(FailureKind),
    /// Given up: LINE may have it.
    Uncertain,
    /// The same request again, after this time; the same key or token and the same body.
    Again(Duration),
    /// A new access token first, then the same request again.
    RenewToken,
    /// By push instead: the reply was definitely not taken.
    Push,
    /// The month's quota has no room; later.
    WaitForQuota,
}

impl Outcome {
    /// Whether the outcome leaves open if LINE accepted the request.
    #[must_use]
    pub const fn leaves_doubt(self) -> bool {
        matches!(self, Self::Unknown)
    }
}

/// Decides what follows from `outcome` at `now`. `jitter`: 0 to 1, by chance.
#[must_use]
pub fn next(attempt: &Attempt, outcome: Outcome, now: Timestamp, jitter: f64) -> Next {
    match attempt.method {
        SendMethod::Push => after_push(attempt, outcome, now, jitter),
        SendMethod::Reply => after_reply(attempt, outcome, now, jitter),
    }
}

fn after_push(attempt: &Attempt, outcome: Outcome, now: Timestamp, jitter: f64) -> Next {
    let wait = backoff::delay(attempt.attempts, jitter);
    match outcome {
        Outcome::Accepted => Next::Accepted,
        Outcome::Refused | Outcome::InvalidReplyToken => Next::Refused(FailureKind::Refused),
        Outcome::Unauthorized if !attempt.token_renewed => {
            within_key_life(attempt, false, now, Duration::ZERO, Next::RenewToken)
        }
        Outcome::Unauthorized if attempt.in_doubt => Next::Uncertain,
        Outcome::Unauthorized => Next::Refused(FailureKind::Unauthorized),
        Outcome::RateLimited(told) => {
            let wait = told.unwrap_or(wait).max(wait);
            within_key_life(attempt, false, now, wait, Next::Again(wait))
        }
        Outcome::MonthlyLimit => within_key_life(attempt, false, now, QUOTA_WAIT, Next::WaitForQuota),
        Outcome::NotSent => within_key_life(attempt, false, now, wait, Next::Again(wait)),
        Outcome::Unknown => within_key_life(attempt, true, now, wait, Next::Again(wait)),
    }
}

/// `then`, unless an outcome is unknown and LINE may have forgotten the key by the time of the next attempt: from then on
/// the same key would be a new request.
fn within_key_life(attempt: &Attempt, doubt_now: bool, now: Timestamp, wait: Duration, then: Next) -> Next {
    let next_time = TimeDelta::from_std(wait).ok().and_then(|wait| now.checked_add_signed(wait));
    let known = next_time.is_some_and(|time| time < attempt.first_time + KEY_LIFE);
    if (attempt.in_doubt || doubt_now) && !known { Next::Uncertain } else { then }
}

fn after_reply(attempt: &Attempt, outcome: Outcome, now: Timestamp, jitter: f64) -> Next {
    let wait = backoff::delay(attempt.attempts, jitter);
    match outcome {
        Outcome::Accepted => Next::Accepted,
        // How LINE words the refusal of a used token is not promised, so any refusal may be one.
        Outcome::Refused if attempt.in_doubt => Next::Uncertain,
        Outcome::Refused => Next::Refused(FailureKind::Refused),
        Outcome::InvalidReplyToken => definitely_not_replied(attempt, FailureKind::Expired),
        Outcome::Unauthorized if !attempt.token_renewed => Next::RenewToken,
        Outcome::Unauthorized if attempt.in_doubt => Next::Uncertain,
        Outcome::Unauthorized => Next::Refused(FailureKind::Unauthorized),
        Outcome::RateLimited(_) | Outcome::MonthlyLimit | Outcome::NotSent if can_reply_again(attempt, now, wait) => {
            Next::Again(wait)
        }
        Outcome::RateLimited(_) | Outcome::MonthlyLimit | Outcome::NotSent => {
            definitely_not_replied(attempt, FailureKind::Expired)
        }
        Outcome::Unknown if can_reply_again(attempt, now, wait) => Next::Again(wait),
        Outcome::Unknown => Next::Uncertain,
    }
}

fn can_reply_again(attempt: &Attempt, now: Timestamp, wait: Duration) -> bool {
    let then = TimeDelta::from_std(wait).map_or(now, |wait| now + wait);
    attempt.attempts < REPLY_ATTEMPTS && attempt.reply_until.is_some_and(|until| reply_window::is_usable(until, then))
}

fn definitely_not_replied(attempt: &Attempt, otherwise: FailureKind) -> Next {
    if attempt.in_doubt {
        Next::Uncertain
    } else if attempt.policy == SendPolicy::ReplyOnly || !attempt.has_recipient {
        Next::Refused(otherwise)
    } else {
        Next::Push
    }
}

#[cfg(test)]
#[path = "attempt_tests.rs"]
mod tests;
