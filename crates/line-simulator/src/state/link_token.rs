//! Link tokens of the account-link flow: ten minutes, one use, one user.
//!
//! <https://developers.line.biz/en/docs/messaging-api/linking-accounts/>

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::id::{ChannelId, PersonId};

const LIFE: TimeDelta = TimeDelta::minutes(10);
const NONCE_LENGTH: std::ops::RangeInclusive<usize> = 10..=255;

#[derive(Debug)]
struct LinkToken {
    channel: ChannelId,
    person: PersonId,
    issued_at: DateTime<Utc>,
}

/// What the dialog shows the visitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DialogOutcome {
    /// The event `accountLink` with result `ok` goes out.
    Linked(ChannelId),
    /// The visitor is not the one the token was issued for: the event says `failed`.
    SomebodyElse(ChannelId),
    /// Expired, used or never issued: an error page and no event.
    DeadToken,
    /// Shorter than 10 or longer than 255 characters: an error page and no event; the token stays good.
    BadNonce,
}

/// Link tokens not yet used.
#[derive(Debug, Default)]
pub(crate) struct LinkTokens {
    by_token: HashMap<String, LinkToken>,
}

impl LinkTokens {
    pub(crate) fn issue(&mut self, now: DateTime<Utc>, token: String, channel: ChannelId, person: PersonId) {
        self.by_token.retain(|_, t| now - t.issued_at < LIFE);
        self.by_token.insert(token, LinkToken { channel, person, issued_at: now });
    }

    /// A visitor opens the dialog. Any answer but an error page uses the token up.
    pub(crate) fn open(&mut self, now: DateTime<Utc>, token: &str, nonce: &str, visitor: &PersonId) -> DialogOutcome {
        if !NONCE_LENGTH.contains(&nonce.chars().count()) {
            return DialogOutcome::BadNonce;
        }
        match self.by_token.remove(token) {
            Some(known) if now - known.issued_at < LIFE => {
                if known.person == *visitor {
                    DialogOutcome::Linked(known.channel)
                } else {
                    DialogOutcome::SomebodyElse(known.channel)
                }
            }
            _ => DialogOutcome::DeadToken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued() -> (LinkTokens, DateTime<Utc>) {
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let mut tokens = LinkTokens::default();
        tokens.issue(start, "t".into(), ChannelId::from("1"), PersonId::from("p"));
        (tokens, start)
    }

    #[test]
    fn works_once() {
        let (mut tokens, start) = issued();
        let me = PersonId::from("p");
        assert_eq!(tokens.open(start, "t", "0123456789", &me), DialogOutcome::Linked(ChannelId::from("1")));
        assert_eq!(tokens.open(start, "t", "0123456789", &me), DialogOutcome::DeadToken);
    }

    #[test]
    fn dies_after_ten_minutes() {
        let (mut tokens, start) = issued();
        let late = start + TimeDelta::minutes(10);
        assert_eq!(tokens.open(late, "t", "0123456789", &PersonId::from("p")), DialogOutcome::DeadToken);
    }

    #[test]
    fn nonces_are_10_to_255_characters() {
        let (mut tokens, start) = issued();
        let me = PersonId::from("p");
        assert_eq!(tokens.open(start, "t", "012345678", &me), DialogOutcome::BadNonce);
        assert_eq!(tokens.open(start, "t", &"n".repeat(256), &me), DialogOutcome::BadNonce);
        assert_eq!(tokens.open(start, "t", &"n".repeat(255), &me), DialogOutcome::Linked(ChannelId::from("1")));
    }
}
