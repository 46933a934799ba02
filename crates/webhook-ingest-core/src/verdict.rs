//! The whole decision on one request: what LINE is answered, and what must be durable before.

use std::sync::Arc;

use bytes::Bytes;
use kernel::Timestamp;
use line_types::signature::Signature;

use crate::account::{Account, Accounts, SecretGrant};
use crate::event::{Event, Unreadable, read};
use crate::finding::FindingKind;
use crate::hold::is_worth_holding;
use crate::key::WebhookKey;
use crate::signature::Presented;
use crate::window::Window;

/// What LINE is answered. Anything but a 2xx counts as failure there, and is delivered again where the channel has
/// redelivery switched on (<https://developers.line.biz/en/docs/messaging-api/receiving-messages/#webhook-redelivery>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200: kept, or nothing to keep.
    Accepted,
    /// 401: not proved to come from LINE.
    Unproved,
    /// 404: no such address.
    UnknownKey,
    /// 413: over the size limit.
    TooLarge,
    /// 503: this service cannot judge or keep it now.
    Unavailable,
}

impl Answer {
    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Accepted => 200,
            Self::Unproved => 401,
            Self::UnknownKey => 404,
            Self::TooLarge => 413,
            Self::Unavailable => 503,
        }
    }
}

/// Why a proved body is quarantined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QuarantineReason {
    /// Its `destination` is another bot.
    WrongDestination,
    /// It is no webhook, or holds an event that cannot be read.
    Unreadable,
    /// It holds an event outside of the window in which repetitions are recognised.
    OutsideWindow,
}

impl QuarantineReason {
    /// The finding that goes with it.
    #[must_use]
    pub const fn finding(self) -> FindingKind {
        match self {
            Self::WrongDestination => FindingKind::WrongDestination,
            Self::Unreadable => FindingKind::UnreadableBody,
            Self::OutsideWindow => FindingKind::OutsideWindow,
        }
    }
}

/// What must be durable before the answer is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Events to handle once, with their body.
    pub events: Vec<Event>,
    /// Why the body is quarantined, if it is.
    pub quarantine: Option<QuarantineReason>,
}

impl Keep {
    /// Whether nothing has to be kept.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.events.is_empty() && self.quarantine.is_none()
    }
}

/// A request that is answered without its body being believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What LINE is answered.
    pub answer: Answer,
    /// What it says about the account, if it got as far as one.
    pub finding: Option<FindingKind>,
}

/// The decision on one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What LINE is answered once `keep` is durable.
    pub answer: Answer,
    /// What must be durable first.
    pub keep: Keep,
    /// What it says about the account.
    pub finding: Option<FindingKind>,
    /// Whether only an older secret proved it: the rotation is not finished on LINE's side.
    pub by_old_secret: bool,
    /// The signature under which the body is held, though nothing proves it: a secret not known here yet may. Nothing waits for that.
    pub hold: Option<Signature>,
}

impl Verdict {
    const fn nothing(answer: Answer, finding: Option<FindingKind>) -> Self {
        Self { answer, keep: Keep { events: Vec::new(), quarantine: None }, finding, by_old_secret: false, hold: None }
    }
}

impl From<Refusal> for Verdict {
    fn from(refusal: Refusal) -> Self {
        Self::nothing(refusal.answer, refusal.finding)
    }
}

/// Most bytes a body may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeLimit(pub usize);

impl SizeLimit {
    /// What is answered beyond the limit: 413.
    pub const REFUSAL: Refusal = Refusal { answer: Answer::TooLarge, finding: Some(FindingKind::BodyTooLarge) };

    /// Whether a body of this size is read at all.
    ///
    /// # Errors
    /// [`SizeLimit::REFUSAL`] beyond the limit.
    pub fn check(self, bytes: u64) -> Result<(), Refusal> {
        if usize::try_from(bytes).is_ok_and(|bytes| bytes <= self.0) { Ok(()) } else { Err(Self::REFUSAL) }
    }
}

/// What can be told before the body is read: whose the address is. Refusing here costs the sender no upload.
///
/// # Errors
/// 404 for what is no key, a key nobody has, another tenant's key, and one that has expired: all alike.
pub fn account_of<'a>(accounts: &'a Accounts, key: &str, now: Timestamp) -> Result<&'a Arc<Account>, Refusal> {
    let opened = WebhookKey::parse(key).ok().and_then(|key| accounts.opened_by(&key, now));
    opened.ok_or(Refusal { answer: Answer::UnknownKey, finding: None })
}

/// Decides on a body that arrived whole at a known account's address.
#[must_use]
pub fn admit(account: &Account, presented: Presented, body: &Bytes, window: Window, now: Timestamp) -> Verdict {
    let signature = match presented {
        Presented::Missing => return Verdict::nothing(Answer::Unproved, Some(FindingKind::SignatureMissing)),
        Presented::Unusable => return Verdict::nothing(Answer::Unproved, Some(FindingKind::SignatureWrong)),
        // Not the sender's fault: the account's secret has not reached this service, or is sealed to another key.
        Presented::One(_) if account.secrets.is_empty() => return Verdict::nothing(Answer::Unavailable, None),
        Presented::One(signature) => signature,
    };
    let proves =
        |secret: &SecretGrant| secret.expires.is_none_or(|end| now < end) && secret.key.verifies(&signature, body);
    let Some(secret) = account.secrets.iter().position(proves) else {
        let hold = is_worth_holding(account, body, now).then_some(signature);
        return Verdict { hold, ..Verdict::nothing(Answer::Unproved, Some(FindingKind::SignatureWrong)) };
    };
    let keep = keep(account, body, window, now);
    let finding = keep.quarantine.map(QuarantineReason::finding);
    Verdict { answer: Answer::Accepted, keep, finding, by_old_secret: secret > 0, hold: None }
}

/// What of a proved body must be kept.
fn keep(account: &Account, body: &Bytes, window: Window, now: Timestamp) -> Keep {
    let quarantined = |reason| Keep { events: Vec::new(), quarantine: Some(reason) };
    let reading = match read(body) {
        Ok(reading) => reading,
        Err(Unreadable) => return quarantined(QuarantineReason::Unreadable),
    };
    if account.bot_user_id.as_ref().is_some_and(|bot| *bot != reading.destination) {
        return quarantined(QuarantineReason::WrongDestination);
    }
    let found = reading.events.len();
    let mut events = reading.events;
    events.retain(|event| window.holds(event.id, now));
    let quarantine = if reading.faulty > 0 {
        Some(QuarantineReason::Unreadable)
    } else if events.len() < found {
        Some(QuarantineReason::OutsideWindow)
    } else {
        None
    };
    Keep { events, quarantine }
}

#[cfg(test)]
mod tests;
