//! Webhook events: the common envelope, and the message contents people write.
//!
//! Shapes: <https://developers.line.biz/en/reference/messaging-api/#webhook-event-objects>.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::id::{ChannelId, ChatId};
use super::world::{ActError, World};

/// An event on its way to an account's webhook URL.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) channel: ChannelId,
    pub(crate) webhook_event_id: String,
    pub(crate) event: Value,
    pub(crate) reply_token: Option<String>,
}

/// What an act of a person brought about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The webhook event sent; absent when the act causes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_event_id: Option<String>,
    /// Its reply token; worth nothing before the webhook was delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_token: Option<String>,
    /// The message written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The address a tapped button opens; nothing was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
}

/// The parts of an event that differ from kind to kind.
pub(crate) struct EventParts<'a> {
    pub(crate) kind: &'a str,
    /// `source`, absent on a few kinds.
    pub(crate) source: Option<Value>,
    /// The chat a reply token answers; `None` for kinds without one.
    pub(crate) reply_to: Option<ChatId>,
    /// Another module channel holds the chat: no reply token, `mode: standby`.
    pub(crate) standby: bool,
    /// Properties beyond the common ones.
    pub(crate) extra: Map<String, Value>,
}

impl<'a> EventParts<'a> {
    /// A one-on-one or group event that can be replied to.
    pub(crate) fn replyable(kind: &'a str, source: Value, chat: ChatId) -> Self {
        Self { kind, source: Some(source), reply_to: Some(chat), standby: false, extra: Map::new() }
    }

    /// An event without a reply token.
    pub(crate) fn silent(kind: &'a str, source: Option<Value>) -> Self {
        Self { kind, source, reply_to: None, standby: false, extra: Map::new() }
    }

    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.extra.insert(name.to_owned(), value);
        self
    }

    pub(crate) fn standby(mut self, standby: bool) -> Self {
        self.standby = standby;
        self
    }
}

impl World {
    /// Makes an event, enters it in the books and puts it on its way, if the account wants webhooks.
    pub(crate) fn emit(&mut self, now: DateTime<Utc>, channel: &ChannelId, parts: EventParts<'_>) -> Done {
        let webhook_event_id = self.mint.webhook_event_id(now);
        let mode = if parts.standby { "standby" } else { "active" };
        let mut event = json!({
            "type": parts.kind,
            "mode": mode,
            "timestamp": now.timestamp_millis(),
            "webhookEventId": webhook_event_id,
            "deliveryContext": { "isRedelivery": false },
        });
        if let Some(source) = parts.source {
            event["source"] = source;
        }
        let reply_token = match parts.reply_to {
            Some(chat) if !parts.standby => {
                let token = self.mint.hex(16);
                self.reply_tokens.issue(now, token.clone(), channel.clone(), chat);
                event["replyToken"] = json!(token);
                Some(token)
            }
            _ => None,
        };
        if let Value::Object(common) = &mut event {
            common.extend(parts.extra);
        }
        self.books.webhook(channel, &webhook_event_id, &event);
        let done = Done { webhook_event_id: Some(webhook_event_id.clone()), reply_token, ..Done::default() };
        let reply_token = done.reply_token.clone();
        self.outbox.push(Outgoing { channel: channel.clone(), webhook_event_id, event, reply_token });
        done
    }

    /// Sends an event of any type: `type`, `source` and further properties as given, the common ones filled in.
    pub(crate) fn raw_event(
        &mut self,
        now: DateTime<Utc>,
        channel: &ChannelId,
        mut event: Map<String, Value>,
    ) -> Result<Done, ActError> {
        let kind = event.remove("type").and_then(|kind| kind.as_str().map(str::to_owned));
        let kind = kind.ok_or(ActError::Impossible("an event needs a type"))?;
        let source = event.remove("source");
        self.account(channel)?;
        Ok(self.emit(now, channel, EventParts { extra: event, ..EventParts::silent(&kind, source) }))
    }
}
