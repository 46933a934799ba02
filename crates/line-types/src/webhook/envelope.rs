//! The cheap first look at a webhook body: who it is for, and per event the few facts that receiving needs.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    depth::{self, MAX_DEPTH},
    event::Mode,
    number,
    source::SourceKind,
};
use crate::id::{GroupId, MessageId, RoomId, UserId, WebhookEventId};

/// Most events taken in one body. LINE does not publish its own bound.
pub const MAX_EVENTS: usize = 4_096;
/// Longest event type taken, in bytes.
const MAX_TYPE_BYTES: usize = 64;
/// Longest reply token taken, in bytes. LINE's have 32 and are opaque.
const MAX_TOKEN_BYTES: usize = 1_024;

/// A webhook body at first sight. Borrows from the body.
pub struct Envelope<'a> {
    /// The bot the body is for, as LINE wrote it; compare with the account's bot user id.
    pub destination: Cow<'a, str>,
    /// The events, in LINE's order (which promises nothing). Empty when LINE only tests the address.
    pub events: Vec<EventSlice<'a>>,
}

/// One event of a body: its raw JSON, and its facts or the reason why it has none.
pub struct EventSlice<'a> {
    /// The event's JSON text exactly as it stands in the body.
    pub raw: &'a RawValue,
    /// What receiving needs to know.
    pub facts: Result<EventFacts<'a>, EventFault>,
}

/// What receiving needs to know of an event.
#[derive(Clone, PartialEq, Eq)]
pub struct EventFacts<'a> {
    /// The identifier to recognise a repetition by; none if LINE gave none in the form of a ULID.
    pub webhook_event_id: Option<WebhookEventId>,
    /// The event type: 1 to 64 of `A-Z a-z 0-9 _ -`, known to this version or not.
    pub event_type: Cow<'a, str>,
    /// When it happened, in milliseconds since 1970 (never when it was redelivered). Any number that LINE may write: the whole
    /// part, and the nearest an `i64` holds; whether a calendar has such a day is for its reader to judge.
    pub timestamp: i64,
    /// Whether this channel may answer.
    pub mode: Mode,
    /// Whether LINE says that it sent this event before.
    pub is_redelivery: bool,
    /// Where it comes from; absent on failed account links, deliveries and module events.
    pub source: Option<SourceFacts>,
    /// The token to answer with, free and once.
    pub reply_token: Option<Cow<'a, str>>,
    /// The message that a `message`, `messageEdited` or `unsend` event is about.
    pub message_id: Option<MessageId>,
}

/// Where an event comes from. An identifier of unknown form counts as absent.
#[derive(Clone, PartialEq, Eq)]
pub struct SourceFacts {
    /// The kind of chat.
    pub kind: SourceKind,
    /// The LINE user, if LINE may tell.
    pub user_id: Option<UserId>,
    /// The group, in group chats.
    pub group_id: Option<GroupId>,
    /// The room, in multi-person chats.
    pub room_id: Option<RoomId>,
}

super::hides_content!(SourceFacts);

impl fmt::Debug for Envelope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Envelope({} events)", self.events.len())
    }
}

impl fmt::Debug for EventSlice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EventSlice").field(&self.facts).finish()
    }
}

impl fmt::Debug for EventFacts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventFacts({}, {:?})", self.event_type, self.webhook_event_id)
    }
}

/// Why a body is no webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not JSON, or not an object with a text `destination` and a list `events`.
    #[error("body is not a webhook, at line {line} column {column}")]
    NotAWebhook {
        /// Line of the fault, from 1.
        line: usize,
        /// Column of the fault, from 0.
        column: usize,
    },
    /// More than [`MAX_EVENTS`] events.
    #[error("body has {0} events, more than are taken")]
    TooManyEvents(usize),
}

/// Why an event has no facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventFault {
    /// Not a JSON object (or one that names a property twice).
    #[error("event is not an object")]
    NotAnObject,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("event is nested too deeply")]
    TooDeep,
    /// `type` is missing, or not 1 to 64 of `A-Z a-z 0-9 _ -`.
    #[error("event has no usable type")]
    NoType,
    /// `timestamp` is missing or no number.
    #[error("event has no timestamp")]
    NoTimestamp,
}

impl<'a> Envelope<'a> {
    /// Reads a raw body. Costs one pass over it, and small allocations per event.
    pub fn parse(body: &'a [u8]) -> Result<Self, EnvelopeError> {
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(EnvelopeError::NotAWebhook { line: 1, column: 0 });
        }
        let wire: EnvelopeWire<'a> = serde_json::from_slice(body)
            .map_err(|fault| EnvelopeError::NotAWebhook { line: fault.line(), column: fault.column() })?;
        if wire.events.count > MAX_EVENTS {
            return Err(EnvelopeError::TooManyEvents(wire.events.count));
        }
        let events = wire.events.raw.into_iter().map(|raw| EventSlice { raw, facts: EventFacts::read(raw) }).collect();
        Ok(Self { destination: wire.destination, events })
    }
}

impl<'a> EventFacts<'a> {
    /// Reads the facts of one event, for example of one kept from an earlier body. What has facts, [`Event::parse`] reads.
    ///
    /// [`Event::parse`]: super::Event::parse
    pub fn read(raw: &'a RawValue) -> Result<Self, EventFault> {
        if !depth::within(raw.get(), MAX_DEPTH) {
            return Err(EventFault::TooDeep);
        }
        let wire: EventWire<'a> = object(Some(raw)).ok_or(EventFault::NotAnObject)?;
        let event_type = text(wire.kind).filter(|kind| is_usable_type(kind)).ok_or(EventFault::NoType)?;
        let timestamp = parsed(wire.timestamp).or_else(|| number::whole_of(wire.timestamp?.get()));
        let timestamp = timestamp.ok_or(EventFault::NoTimestamp)?;
        let about = match event_type.as_ref() {
            "message" | "messageEdited" => object::<MessageWire>(wire.message).and_then(|message| text(message.id)),
            "unsend" => object::<UnsendWire>(wire.unsend).and_then(|unsend| text(unsend.message_id)),
            _ => None,
        };
        Ok(Self {
            webhook_event_id: text(wire.webhook_event_id).and_then(|id| WebhookEventId::parse(&id).ok()),
            timestamp,
            mode: text(wire.mode).map_or(Mode::Active, |mode| Mode::from(mode.as_ref())),
            is_redelivery: object::<DeliveryWire>(wire.delivery_context)
                .and_then(|context| parsed(context.is_redelivery))
                .unwrap_or(false),
            source: object(wire.source).and_then(|source| SourceFacts::read(&source)),
            reply_token: text(wire.reply_token).filter(|token| !token.is_empty() && token.len() <= MAX_TOKEN_BYTES),
            message_id: about.and_then(|id| MessageId::parse(&id).ok()),
            event_type,
        })
    }
}

impl SourceFacts {
    fn read(wire: &SourceWire<'_>) -> Option<Self> {
        Some(Self {
            kind: SourceKind::from(text(wire.kind)?.as_ref()),
            user_id: text(wire.user_id).and_then(|id| UserId::parse(&id).ok()),
            group_id: text(wire.group_id).and_then(|id| GroupId::parse(&id).ok()),
            room_id: text(wire.room_id).and_then(|id| RoomId::parse(&id).ok()),
        })
    }
}

fn is_usable_type(kind: &str) -> bool {
    (1..=MAX_TYPE_BYTES).contains(&kind.len())
        && kind.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// A property of the expected shape; absent if missing, null or of another shape.
fn parsed<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}

/// An object as a structure of its properties. The format would also read one from a list, by position.
fn object<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    parsed(raw.filter(|raw| raw.get().starts_with('{')))
}

fn text(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    parsed::<Text<'_>>(raw).map(|text| text.0)
}

#[derive(Deserialize)]
struct EnvelopeWire<'a> {
    #[serde(borrow)]
    destination: Cow<'a, str>,
    #[serde(borrow)]
    events: EventsWire<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventWire<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    mode: Option<&'a RawValue>,
    #[serde(borrow)]
    webhook_event_id: Option<&'a RawValue>,
    #[serde(borrow)]
    delivery_context: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    #[serde(borrow)]
    reply_token: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    unsend: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeliveryWire<'a> {
    #[serde(borrow)]
    is_redelivery: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct MessageWire<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UnsendWire<'a> {
    #[serde(borrow)]
    message_id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SourceWire<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    user_id: Option<&'a RawValue>,
    #[serde(borrow)]
    group_id: Option<&'a RawValue>,
    #[serde(borrow)]
    room_id: Option<&'a RawValue>,
}

/// The list of events; beyond [`MAX_EVENTS`] they are counted and not kept.
struct EventsWire<'a> {
    raw: Vec<&'a RawValue>,
    count: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for EventsWire<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Counting;

        impl<'de> Visitor<'de> for Counting {
            type Value = EventsWire<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of events")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut raw = Vec::new();
                while raw.len() < MAX_EVENTS {
                    match seq.next_element()? {
                        Some(event) => raw.push(event),
                        None => return Ok(EventsWire { count: raw.len(), raw }),
                    }
                }
                let mut count = raw.len();
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(EventsWire { raw, count })
            }
        }

        deserializer.deserialize_seq(Counting)
    }
}
