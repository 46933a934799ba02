//! Channel access tokens of all four kinds: who holds one, until when, and which are revoked.
//!
//! <https://developers.line.biz/en/docs/basics/channel-access-token/>

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::id::ChannelId;

/// Short-lived tokens and the longest v2.1 tokens live 30 days.
pub(crate) const THIRTY_DAYS: TimeDelta = TimeDelta::days(30);
/// A stateless token lives 15 minutes.
pub(crate) const FIFTEEN_MINUTES: TimeDelta = TimeDelta::minutes(15);
/// At most this many v2.1 tokens, and this many short-lived tokens, per channel.
const MOST_PER_CHANNEL: usize = 30;

/// How a token came to be; decides its life and who may revoke it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    LongLived,
    ShortLived,
    Stateless,
    /// Issued for a JWT assertion; the key ID names the token in listings.
    V21 {
        key_id: String,
    },
}

/// One token's facts.
#[derive(Clone, Debug)]
pub(crate) struct AccessToken {
    pub(crate) channel: ChannelId,
    pub(crate) kind: TokenKind,
    /// `None` for a long-lived token.
    pub(crate) expires_at: Option<DateTime<Utc>>,
    issued_at: DateTime<Utc>,
}

impl AccessToken {
    fn live(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_none_or(|at| now < at)
    }
}

/// Why a token does not open the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenFault {
    Unknown,
    Expired,
}

/// The channel already has 30 v2.1 tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyTokens;

/// Every token issued and not revoked.
#[derive(Debug, Default)]
pub(crate) struct AccessTokens {
    by_text: HashMap<String, AccessToken>,
}

impl AccessTokens {
    /// Adds a token. The 31st short-lived one revokes the oldest, the 31st v2.1 one is refused, a new long-lived one
    /// replaces the old.
    pub(crate) fn issue(
        &mut self,
        now: DateTime<Utc>,
        text: String,
        channel: ChannelId,
        kind: TokenKind,
        life: Option<TimeDelta>,
    ) -> Result<(), TooManyTokens> {
        if kind != TokenKind::Stateless {
            let mut held: Vec<(DateTime<Utc>, String)> = self
                .by_text
                .iter()
                .filter(|(_, t)| t.channel == channel && t.live(now))
                .filter(|(_, t)| std::mem::discriminant(&t.kind) == std::mem::discriminant(&kind))
                .map(|(text, t)| (t.issued_at, text.clone()))
                .collect();
            held.sort();
            let most = if kind == TokenKind::LongLived { 1 } else { MOST_PER_CHANNEL };
            if held.len() >= most {
                if matches!(kind, TokenKind::V21 { .. }) {
                    return Err(TooManyTokens);
                }
                for (_, oldest) in held.drain(..=held.len() - most) {
                    self.by_text.remove(&oldest);
                }
            }
        }
        let token = AccessToken { channel, kind, expires_at: life.map(|life| now + life), issued_at: now };
        self.by_text.insert(text, token);
        Ok(())
    }

    pub(crate) fn find(&self, now: DateTime<Utc>, text: &str) -> Result<&AccessToken, TokenFault> {
        let token = self.by_text.get(text).ok_or(TokenFault::Unknown)?;
        if token.live(now) { Ok(token) } else { Err(TokenFault::Expired) }
    }

    /// Forgets a token, when `may` agrees. Revoking what is unknown changes nothing.
    pub(crate) fn revoke(&mut self, text: &str, may: impl FnOnce(&AccessToken) -> bool) {
        if self.by_text.get(text).is_some_and(may) {
            self.by_text.remove(text);
        }
    }

    /// Key IDs of a channel's live v2.1 tokens.
    pub(crate) fn key_ids(&self, now: DateTime<Utc>, channel: &ChannelId) -> Vec<String> {
        self.by_text
            .values()
            .filter(|t| t.channel == *channel && t.live(now))
            .filter_map(|t| match &t.kind {
                TokenKind::V21 { key_id } => Some(key_id.clone()),
                _ => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_31st_short_lived_token_revokes_the_oldest_and_the_31st_v21_is_refused() {
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let channel = ChannelId::from("1");
        let mut tokens = AccessTokens::default();
        for n in 0..31 {
            let at = start + TimeDelta::seconds(n);
            let short = TokenKind::ShortLived;
            tokens.issue(at, format!("s{n}"), channel.clone(), short, Some(THIRTY_DAYS)).unwrap();
            let v21 = TokenKind::V21 { key_id: format!("k{n}") };
            let refused = tokens.issue(at, format!("v{n}"), channel.clone(), v21, Some(THIRTY_DAYS));
            assert_eq!(refused.is_err(), n == 30);
        }
        let now = start + TimeDelta::minutes(1);
        assert_eq!(tokens.find(now, "s0").unwrap_err(), TokenFault::Unknown);
        assert!(tokens.find(now, "s1").is_ok());
        assert_eq!(tokens.find(now + TimeDelta::days(31), "s1").unwrap_err(), TokenFault::Expired);
        assert_eq!(tokens.key_ids(now, &channel).len(), 30);
    }
}
