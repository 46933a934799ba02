//! One webhook event in full.

use std::fmt;

use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::{
    content::MessageContent,
    depth::{self, MAX_DEPTH},
    lenient, number,
    payload::{AccountLink, Beacon, Membership, Module, Postback},
    source::Source,
    surrogate,
};
use crate::{
    id::{MessageId, WebhookEventId},
    open_enum::open_enum,
};

/// One webhook event: <https://developers.line.biz/en/reference/messaging-api/#common-properties>.
#[derive(Clone, PartialEq)]
pub struct Event {
    /// The identifier to recognise a repetition by; none if LINE gave none in the form of a ULID.
    pub webhook_event_id: Option<WebhookEventId>,
    /// The event type as LINE wrote it; empty if it wrote none.
    pub event_type: String,
    /// When it happened, in milliseconds since 1970; the nearest an `i64` holds. 0 where LINE gave none: such an event never wins
    /// over another.
    pub timestamp: i64,
    /// Whether this channel may answer.
    pub mode: Mode,
    /// Whether LINE says that it sent this event before. Tells nothing about whether the first copy arrived.
    pub is_redelivery: bool,
    /// Where it comes from; absent on failed account links, deliveries and module events.
    pub source: Option<Source>,
    /// The token to answer with: free, once, within a minute.
    pub reply_token: Option<String>,
    /// What happened.
    pub kind: EventKind,
    /// The whole event as LINE sent it, with all that this version does not know. Half characters stand as U+FFFD and numbers
    /// beyond what is held as ±1e308.
    pub raw: Map<String, Value>,
}

/// What happened: <https://developers.line.biz/en/reference/messaging-api/#webhook-event-objects>.
#[derive(Clone, PartialEq)]
pub enum EventKind {
    /// Somebody sent a message; the sender need not be a friend.
    Message(MessageContent),
    /// Somebody edited a message; of several edits the one with the largest timestamp holds.
    MessageEdited(MessageContent),
    /// Somebody took a message back: its content must go everywhere. May arrive before the message.
    Unsend(MessageId),
    /// Somebody became a friend.
    Follow {
        /// Whether an earlier block was lifted; LINE does not promise that it is exact.
        is_unblocked: Option<bool>,
    },
    /// Somebody blocked the official account.
    Unfollow,
    /// The official account joined a chat.
    Join,
    /// The official account left a chat or was removed.
    Leave,
    /// Members joined a chat.
    MemberJoined(Vec<Source>),
    /// Members left a chat.
    MemberLeft(Vec<Source>),
    /// Somebody tapped something with a postback action.
    Postback(Postback),
    /// Somebody watched a video to its end.
    VideoPlayComplete {
        /// The tracking id we gave the video.
        tracking_id: String,
    },
    /// Somebody is near a beacon.
    Beacon(Beacon),
    /// LINE's account-link dialog ended.
    AccountLink(AccountLink),
    /// A membership changed.
    Membership(Membership),
    /// A LINE notification message was delivered.
    Delivery {
        /// Hash of the phone number, or the tag of the request.
        data: String,
    },
    /// A module channel was attached or detached.
    Module(Module),
    /// This module channel took over the chat.
    Activated {
        /// When that ends, in milliseconds since 1970.
        expire_at: Option<i64>,
    },
    /// This module channel gave the chat away.
    Deactivated,
    /// The official account was suspended.
    BotSuspended,
    /// The official account was resumed.
    BotResumed,
    /// A type this version does not know, or a known type without what it must have. See [`Event::raw`].
    Other,
}

open_enum! {
    /// Whether this channel may answer.
    Mode {
        /// It may.
        Active = "active",
        /// Another module channel holds the chat: record, send nothing.
        Standby = "standby",
    }
}

/// Why a text is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Not JSON.
    #[error("event is not JSON")]
    NotJson,
    /// JSON of another kind.
    #[error("event is not an object")]
    NotAnObject,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("event is nested too deeply")]
    TooDeep,
}

impl Event {
    /// The event types this version knows.
    pub const KNOWN_TYPES: &'static [&'static str] = &[
        "message",
        "messageEdited",
        "unsend",
        "follow",
        "unfollow",
        "join",
        "leave",
        "memberJoined",
        "memberLeft",
        "postback",
        "videoPlayComplete",
        "beacon",
        "accountLink",
        "membership",
        "delivery",
        "module",
        "activated",
        "deactivated",
        "botSuspended",
        "botResumed",
    ];

    /// Reads one event. Whatever LINE may add or leave out is no error.
    pub fn parse(raw: &str) -> Result<Self, EventError> {
        if !depth::within(raw, MAX_DEPTH) {
            return Err(EventError::TooDeep);
        }
        // Half characters and numbers beyond what is held are rare: look for them only where reading failed.
        let repaired = |_| serde_json::from_str(&number::repaired(&surrogate::repaired(raw)));
        match serde_json::from_str(raw).or_else(repaired) {
            Ok(Value::Object(object)) => Ok(Self::read(object)),
            Ok(_) => Err(EventError::NotAnObject),
            Err(_) => Err(EventError::NotJson),
        }
    }

    fn read(raw: Map<String, Value>) -> Self {
        let text = |name: &str| raw.get(name).and_then(Value::as_str);
        let event_type = text("type").unwrap_or_default().to_owned();
        Self {
            webhook_event_id: text("webhookEventId").and_then(|id| WebhookEventId::parse(id).ok()),
            timestamp: raw.get("timestamp").and_then(number::whole).unwrap_or_default(),
            mode: text("mode").map_or(Mode::Active, Mode::from),
            is_redelivery: lenient::under(&raw, &["deliveryContext", "isRedelivery"]).unwrap_or(false),
            source: raw.get("source").and_then(Source::read),
            reply_token: text("replyToken").filter(|token| !token.is_empty()).map(str::to_owned),
            kind: EventKind::read(&event_type, &raw).unwrap_or(EventKind::Other),
            event_type,
            raw,
        }
    }
}

impl EventKind {
    fn read(event_type: &str, raw: &Map<String, Value>) -> Option<Self> {
        Some(match event_type {
            "message" => Self::Message(MessageContent::read(raw.get("message")?)?),
            "messageEdited" => Self::MessageEdited(MessageContent::read(raw.get("message")?)?),
            "unsend" => Self::Unsend(lenient::under(raw, &["unsend", "messageId"])?),
            "follow" => Self::Follow { is_unblocked: lenient::under(raw, &["follow", "isUnblocked"]) },
            "unfollow" => Self::Unfollow,
            "join" => Self::Join,
            "leave" => Self::Leave,
            "memberJoined" => Self::MemberJoined(members(raw.get("joined")?)?),
            "memberLeft" => Self::MemberLeft(members(raw.get("left")?)?),
            "postback" => Self::Postback(Postback::deserialize(raw.get("postback")?).ok()?),
            "videoPlayComplete" => {
                Self::VideoPlayComplete { tracking_id: lenient::under(raw, &["videoPlayComplete", "trackingId"])? }
            }
            "beacon" => Self::Beacon(Beacon::deserialize(raw.get("beacon")?).ok()?),
            "accountLink" => Self::AccountLink(AccountLink::deserialize(raw.get("link")?).ok()?),
            "membership" => Self::Membership(Membership::deserialize(raw.get("membership")?).ok()?),
            "delivery" => Self::Delivery { data: lenient::under(raw, &["delivery", "data"])? },
            "module" => Self::Module(Module::deserialize(raw.get("module")?).ok()?),
            "activated" => Self::Activated { expire_at: lenient::under(raw, &["chatControl", "expireAt"]) },
            "deactivated" => Self::Deactivated,
            "botSuspended" => Self::BotSuspended,
            "botResumed" => Self::BotResumed,
            _ => return None,
        })
    }
}

fn members(value: &Value) -> Option<Vec<Source>> {
    Some(value.get("members")?.as_array()?.iter().filter_map(Source::read).collect())
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Event({}, {:?})", self.event_type, self.webhook_event_id)
    }
}

impl fmt::Debug for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) => f.debug_tuple("Message").field(message).finish(),
            Self::MessageEdited(message) => f.debug_tuple("MessageEdited").field(message).finish(),
            Self::Unsend(message) => f.debug_tuple("Unsend").field(message).finish(),
            Self::Other => f.write_str("Other"),
            _ => f.write_str("EventKind(..)"),
        }
    }
}
