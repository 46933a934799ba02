//! Reply tokens: one use, and a short life that starts when the webhook is delivered.
//!
//! <https://developers.line.biz/en/reference/messaging-api/#send-reply-message-reply-token>

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};

use super::id::{ChannelId, ChatId};

/// A token works for one minute from each delivery of its webhook …
const LIFE_FROM_DELIVERY: TimeDelta = TimeDelta::minutes(1);
/// … but never longer than this after the event.
const LIFE_FROM_EVENT: TimeDelta = TimeDelta::minutes(20);

#[derive(Debug)]
struct ReplyToken {
    channel: ChannelId,
    chat: ChatId,
    event_at: DateTime<Utc>,
    delivered_at: Option<DateTime<Utc>>,
    used: bool,
}

/// All reply tokens that may still matter.
#[derive(Debug, Default)]
pub(crate) struct ReplyTokens {
    by_token: HashMap<String, ReplyToken>,
    by_age: VecDeque<(DateTime<Utc>, String)>,
}

impl ReplyTokens {
    pub(crate) fn issue(&mut self, now: DateTime<Utc>, token: String, channel: ChannelId, chat: ChatId) {
        while self.by_age.front().is_some_and(|(at, _)| now - *at > LIFE_FROM_EVENT) {
            if let Some((_, old)) = self.by_age.pop_front() {
                self.by_token.remove(&old);
            }
        }
        self.by_age.push_back((now, token.clone()));
        self.by_token.insert(token, ReplyToken { channel, chat, event_at: now, delivered_at: None, used: false });
    }

    /// The webhook carrying this token is being delivered (again).
    pub(crate) fn delivered(&mut self, now: DateTime<Utc>, token: &str) {
        if let Some(known) = self.by_token.get_mut(token) {
            known.delivered_at = Some(now);
        }
    }

    /// The chat this token answers, when it may be used now by this channel.
    pub(crate) fn usable(&self, now: DateTime<Utc>, channel: &ChannelId, token: &str) -> Option<&ChatId> {
        let known = self.by_token.get(token)?;
        let fresh = known.delivered_at.is_some_and(|at| now - at <= LIFE_FROM_DELIVERY);
        let recent = now - known.event_at <= LIFE_FROM_EVENT;
        (known.channel == *channel && !known.used && fresh && recent).then_some(&known.chat)
    }

    pub(crate) fn spend(&mut self, token: &str) {
        if let Some(known) = self.by_token.get_mut(token) {
            known.used = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn tokens() -> (ReplyTokens, ChannelId) {
        let channel = ChannelId::from("2000000001");
        let mut tokens = ReplyTokens::default();
        tokens.issue(at(0), "t".into(), channel.clone(), ChatId::from("U1"));
        (tokens, channel)
    }

    #[test]
    fn a_token_is_worth_nothing_before_delivery_and_a_minute_after() {
        let (mut tokens, channel) = tokens();
        assert!(tokens.usable(at(1), &channel, "t").is_none());
        tokens.delivered(at(1), "t");
        assert!(tokens.usable(at(61), &channel, "t").is_some());
        assert!(tokens.usable(at(62), &channel, "t").is_none());
    }

    #[test]
    fn redelivery_gives_another_minute_but_not_past_twenty() {
        let (mut tokens, channel) = tokens();
        tokens.delivered(at(1), "t");
        tokens.delivered(at(1_190), "t");
        assert!(tokens.usable(at(1_200), &channel, "t").is_some());
        assert!(tokens.usable(at(1_201), &channel, "t").is_none());
    }

    #[test]
    fn another_channel_cannot_use_it() {
        let (mut tokens, _) = tokens();
        tokens.delivered(at(1), "t");
        assert!(tokens.usable(at(2), &ChannelId::from("2000000002"), "t").is_none());
    }
}
