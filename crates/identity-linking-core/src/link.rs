//! Links between customers and LINE users, and what leads to them. Who is linked to whom is decided by [`crate::matching`]; here
//! is who may ask, how often, who says who it was, and how a link ends.

mod act;
mod card;
mod confirmation;
mod form_token;
mod link_token;
mod merge;
mod nonce;
mod policy;
mod rate;
mod submission;
mod tab;
mod takeover;
mod telling;
mod wish;

pub use act::{Act, Tap, act_of, is_too_old_to_answer};
pub use card::{Answer, Card, LONGEST_ADDRESS};
pub use confirmation::{CONFIRMED_WITHIN, Confirmation, Decided, Pending, Verdict, judge};
pub use form_token::{FormToken, FormTokenState, IssuedFormToken, LIFE as FORM_TOKEN_LIFE};
pub use link_token::NoLinkToken;
pub use merge::{Undo, undo};
pub use nonce::Nonce;
pub use policy::{LeastAssurance, LinkPolicy};
pub use rate::{Counted, RateScope};
pub use submission::{Earlier, Submission, Typed};
pub use tab::{LineTab, NOT_LINKED, Plan, PlanGate, line_tab};
pub use takeover::{TAKEOVER_OPEN_FOR, TakeoverState, taken_over, told_apart};
pub use telling::{Telling, teller};
pub use wish::Wishes;

use kernel::{CustomerId, FriendId, ProviderId, Timestamp};

use crate::matching::Assurance;
use crate::word::words;
use crate::{Line, Unfit};

words! {
    /// How a link came to be.
    LinkOrigin {
        /// The claim matched one record and no other.
        Match = "MATCH",
        /// The record was made for the LINE user (F-09).
        Created = "CREATED",
        /// Staff settled a held attempt.
        Staff = "STAFF",
        /// Taken over from another LINE user, with approval (L-03).
        Takeover = "TAKEOVER",
        /// The customer absorbed a provisional one that was linked (D-9), or that was undone.
        Merge = "MERGE",
    }
}

impl LinkOrigin {
    /// Whether it says who the LINE user is, so that what is held of the same user needs no review any more. A record made for the
    /// user does not.
    pub fn answers_what_is_held(self) -> bool {
        self != Self::Created
    }
}

words! {
    /// Why a link ended.
    LinkEndCause {
        /// The LINE user ended it.
        LineUser = "LINE_USER",
        /// Staff ended it.
        Staff = "STAFF",
        /// Another LINE user of the same person took over (L-03).
        Takeover = "TAKEOVER",
        /// The customer was absorbed (D-9), or that was undone.
        Merge = "MERGE",
    }
}

/// What staff say about a decision of theirs: 1 to 500 characters.
pub type Note = Line<500>;

/// A link between a customer and a LINE user. At most one is active for a customer and a provider, and for a LINE user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The customer.
    pub customer: CustomerId,
    /// The LINE user.
    pub friend: FriendId,
    /// The provider the LINE user belongs to.
    pub provider: ProviderId,
    /// How sure it is that both are the same person (D-7).
    pub assurance: Assurance,
    /// How it came to be.
    pub origin: LinkOrigin,
    /// How it ended; none: it is active.
    pub end: Option<LinkEnd>,
    /// What staff said when they vouched for it or ended it.
    pub note: Option<Note>,
}

/// How a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkEnd {
    /// When.
    pub time: Timestamp,
    /// Why.
    pub cause: LinkEndCause,
}

impl Link {
    /// Whether it is active.
    pub fn is_active(&self) -> bool {
        self.end.is_none()
    }

    /// The link after staff vouched for it: [`Assurance::Proven`] (D-7).
    #[must_use]
    pub fn confirmed(self, note: Note) -> Self {
        Self { assurance: Assurance::Proven, note: Some(note), ..self }
    }

    /// The link after it ended; an ended one stays as it is, so that a repetition changes nothing.
    #[must_use]
    pub fn ended(self, time: Timestamp, cause: LinkEndCause, note: Option<Note>) -> Self {
        if self.end.is_some() {
            return self;
        }
        Self { end: Some(LinkEnd { time, cause }), note: note.or(self.note.clone()), ..self }
    }
}

/// How many of `all` are linked, by hundred; 0 where there are none (F-114).
#[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
pub fn rate(linked: i64, all: i64) -> f64 {
    if all > 0 { 100.0 * linked as f64 / all as f64 } else { 0.0 }
}

/// Reads a note that must be there.
///
/// # Errors
/// When it is empty, longer than 500 characters, or more than one line.
pub fn note(text: &str) -> Result<Note, Unfit> {
    Note::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn link() -> Link {
        let id = Uuid::from_u128(7);
        Link {
            customer: id.into(),
            friend: id.into(),
            provider: id.into(),
            assurance: Assurance::Name,
            origin: LinkOrigin::Match,
            end: None,
            note: None,
        }
    }

    #[test]
    fn a_link_ends_once_and_keeps_why() {
        let early = Timestamp::UNIX_EPOCH;
        let ended = link().ended(early, LinkEndCause::LineUser, None);
        assert!(!ended.is_active());
        let again = ended.clone().ended(early + chrono::TimeDelta::hours(1), LinkEndCause::Staff, note("重複").ok());
        assert_eq!(again, ended);
    }

    #[test]
    fn staff_make_a_link_certain_and_say_how_they_know() {
        let confirmed = link().confirmed(note("来店時に確認").unwrap());
        assert_eq!(confirmed.assurance, Assurance::Proven);
        assert!(note("").is_err() && note(&"あ".repeat(501)).is_err() && note("一\n二").is_err());
    }
}
