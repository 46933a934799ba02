//! Retry keys: an accepted request is remembered for 24 hours and answered 409 when repeated.
//!
//! <https://developers.line.biz/en/docs/messaging-api/retrying-api-request/>

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::id::ChannelId;

const REMEMBERED: TimeDelta = TimeDelta::hours(24);

/// What a repeat of an accepted request is told.
#[derive(Clone, Debug)]
pub(crate) struct Acceptance {
    pub(crate) request_id: String,
    /// Only push answers with the messages it sent.
    pub(crate) sent_messages: Option<Value>,
}

/// Keys of accepted requests, per channel. A refused request leaves its key unused.
#[derive(Debug, Default)]
pub(crate) struct RetryKeys {
    accepted: HashMap<(ChannelId, Uuid), (DateTime<Utc>, Acceptance)>,
    by_age: VecDeque<(DateTime<Utc>, (ChannelId, Uuid))>,
}

impl RetryKeys {
    /// The earlier acceptance under this key, when it is younger than 24 hours.
    pub(crate) fn earlier(&self, now: DateTime<Utc>, channel: &ChannelId, key: Uuid) -> Option<&Acceptance> {
        self.accepted
            .get(&(channel.clone(), key))
            .filter(|(at, _)| now - *at < REMEMBERED)
            .map(|(_, acceptance)| acceptance)
    }

    pub(crate) fn remember(&mut self, now: DateTime<Utc>, channel: ChannelId, key: Uuid, acceptance: Acceptance) {
        while self.by_age.front().is_some_and(|(at, _)| now - *at >= REMEMBERED) {
            if let Some((at, old)) = self.by_age.pop_front()
                && self.accepted.get(&old).is_some_and(|(latest, _)| *latest == at)
            {
                self.accepted.remove(&old);
            }
        }
        self.by_age.push_back((now, (channel.clone(), key)));
        self.accepted.insert((channel, key), (now, acceptance));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_forgotten_after_24_hours_and_no_sooner() {
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let channel = ChannelId::from("1");
        let key = Uuid::from_u128(7);
        let mut keys = RetryKeys::default();
        keys.remember(start, channel.clone(), key, Acceptance { request_id: "r".into(), sent_messages: None });
        let last = start + TimeDelta::hours(24) - TimeDelta::milliseconds(1);
        assert!(keys.earlier(last, &channel, key).is_some());
        assert!(keys.earlier(start + TimeDelta::hours(24), &channel, key).is_none());
        assert!(keys.earlier(start, &ChannelId::from("2"), key).is_none());
    }
}
