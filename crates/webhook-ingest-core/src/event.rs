//! A body's events, and the ID each is known by.

use bytes::Bytes;
use kernel::{BodyId, Timestamp};
use line_types::id::{MessageId, UserId};
pub use line_types::webhook::MAX_EVENTS;
use line_types::webhook::{Envelope, EventFacts, EventSlice};
use serde_json::Value;
use sha2::{Digest, Sha256};
use ulid::Ulid;
use uuid::Uuid;

use crate::occurrence::occurred_at;

/// The longest event type, in characters.
const LONGEST_TYPE: usize = 64;
/// What event types are, as told to who names others.
pub const EVENT_TYPE_FORM: &str = "must each be 1 to 64 of A-Z a-z 0-9 _ -";

/// Whether an event could be of a type of this name.
#[must_use]
pub fn is_event_type(name: &str) -> bool {
    (1..=LONGEST_TYPE).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// One event of a body, with what publishing it needs.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    /// LINE's `webhookEventId`; where LINE gave none, an ID that follows from the event itself. Its time part orders events
    /// and tells how long a repetition of it is recognised.
    pub id: Ulid,
    /// Its place in the body, from 0.
    pub place: u16,
    /// LINE's `type`: 1 to 64 of `A-Z a-z 0-9 _ -`, known to this version or not.
    pub event_type: String,
    /// When it occurred: LINE's `timestamp`, as far as it can be ([`occurred_at`]).
    pub occurred_at: Timestamp,
    /// LINE's `deliveryContext.isRedelivery`.
    pub redelivery: bool,
    /// Who it comes from, if LINE tells: `source.userId`.
    pub user: Option<UserId>,
    /// The message that a `message`, `messageEdited` or `unsend` event is about.
    pub message: Option<MessageId>,
    /// The event object exactly as LINE wrote it; shares the body's memory.
    pub raw: Bytes,
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Event({} {})", self.event_type, self.id)
    }
}

/// A body that is a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The bot it is for, as LINE wrote it.
    pub destination: String,
    /// Its readable events, in LINE's order, each ID once: a second copy in the same body is a repetition.
    pub events: Vec<Event>,
    /// How many of its events have no usable type or time, or are no objects at all.
    pub faulty: usize,
}

/// A body that is no webhook: not JSON, no `destination`, no list of at most [`MAX_EVENTS`] events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a webhook body")]
pub struct Unreadable;

/// Reads a body (<https://developers.line.biz/en/reference/messaging-api/#request-body>). The same bytes always give the same
/// events with the same IDs, so what was stored can be read again later.
///
/// # Errors
/// When the body as a whole is no webhook. A single faulty event is counted, and its neighbours are read.
pub fn read(body: &Bytes) -> Result<Reading, Unreadable> {
    let envelope = Envelope::parse(body).map_err(|_| Unreadable)?;
    let mut events: Vec<Event> = Vec::with_capacity(envelope.events.len());
    let mut faulty = 0;
    for (place, slice) in (0..).zip(&envelope.events) {
        match event(body, place, slice) {
            Some(event) => events.push(event),
            None => faulty += 1,
        }
    }
    if events.len() > 1 {
        let mut seen = std::collections::HashSet::with_capacity(events.len());
        events.retain(|event| seen.insert(event.id));
    }
    Ok(Reading { destination: envelope.destination.into_owned(), events, faulty })
}

fn event(body: &Bytes, place: u16, slice: &EventSlice<'_>) -> Option<Event> {
    let facts = slice.facts.as_ref().ok()?;
    let raw = slice.raw.get();
    let given = facts.webhook_event_id.as_ref().map(line_types::id::WebhookEventId::ulid);
    let id = given.unwrap_or_else(|| derived_id(facts, place, raw));
    Some(Event {
        id,
        occurred_at: time_of(facts),
        place,
        event_type: facts.event_type.as_ref().to_owned(),
        redelivery: facts.is_redelivery,
        user: facts.source.as_ref().and_then(|source| source.user_id.clone()),
        message: facts.message_id.clone(),
        raw: body.slice_ref(raw.as_bytes()),
    })
}

/// The ID of an event that LINE gave none: its time, and a hash of what it says and of its place in the body. What a
/// redelivery changes (`deliveryContext`, white space) does not count.
fn derived_id(facts: &EventFacts<'_>, place: u16, raw: &str) -> Ulid {
    let mut hash = Sha256::new();
    hash.update(place.to_be_bytes());
    match line_types::webhook::Event::parse(raw) {
        Ok(mut event) => {
            event.raw.remove("deliveryContext");
            hash.update(Value::Object(event.raw).to_string().as_bytes());
        }
        Err(_) => hash.update(raw.as_bytes()),
    }
    let digest = hash.finalize();
    let random = digest.iter().take(10).fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
    Ulid::from_parts(id_millis(facts), random)
}

/// When an event occurred, as [`read`] tells it.
pub(crate) fn time_of(facts: &EventFacts<'_>) -> Timestamp {
    let given = facts.webhook_event_id.as_ref().map(line_types::id::WebhookEventId::ulid);
    occurred_at(facts.timestamp, given.unwrap_or_else(|| Ulid::from_parts(id_millis(facts), 0)))
}

/// The time of an ID that LINE did not give. A later time than an ID can carry would become an early one.
fn id_millis(facts: &EventFacts<'_>) -> u64 {
    u64::try_from(facts.timestamp).unwrap_or(0).min((1 << Ulid::TIME_BITS) - 1)
}

/// When a body was received, to the millisecond: its ID (UUIDv7) carries the time. None for an ID of another kind.
#[must_use]
pub fn body_time(body: BodyId) -> Option<Timestamp> {
    let (seconds, nanos) = body.uuid().get_timestamp()?.to_unix();
    Timestamp::from_timestamp(i64::try_from(seconds).ok()?, nanos)
}

/// The first ID of a moment, of an event (ULID) or of a body (UUIDv7): both begin with 48 bits of milliseconds since 1970.
#[must_use]
pub fn first_id(moment: Timestamp) -> Uuid {
    let latest = (1 << Ulid::TIME_BITS) - 1;
    Uuid::from_u128(Ulid::from_parts(u64::try_from(moment.timestamp_millis()).unwrap_or(0).min(latest), 0).0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body(events: &str) -> Bytes {
        Bytes::from(format!(r#"{{"destination":"U8e742f61d673b39c7fff3cecb7536ef0","events":[{events}]}}"#))
    }

    const FOLLOW: &str = r#"{"type":"follow","timestamp":1640000000123,"webhookEventId":"01FZ74A0TDDPYRVKNK77XKC3ZR","deliveryContext":{"isRedelivery":true}}"#;

    #[test]
    fn an_event_keeps_lines_words_to_the_byte() {
        let reading = read(&body(FOLLOW)).unwrap();
        let event = &reading.events[0];
        assert_eq!(event.raw, FOLLOW.as_bytes());
        assert_eq!(event.id.to_string(), "01FZ74A0TDDPYRVKNK77XKC3ZR");
        assert_eq!((event.event_type.as_str(), event.place, event.redelivery), ("follow", 0, true));
        assert_eq!(event.occurred_at.timestamp_millis(), 1_640_000_000_123);
    }

    #[test]
    fn one_faulty_event_does_not_spoil_its_neighbours() {
        let reading = read(&body(&format!(r#"7,{FOLLOW},{{"type":"x"}},{{"type":"new","timestamp":1}}"#))).unwrap();
        assert_eq!(reading.faulty, 2);
        let places: Vec<_> = reading.events.iter().map(|event| (event.place, event.event_type.as_str())).collect();
        assert_eq!(places, [(1, "follow"), (3, "new")]);
    }

    #[test]
    fn an_id_twice_in_one_body_is_one_event() {
        let reading = read(&body(&format!("{FOLLOW},{FOLLOW}"))).unwrap();
        assert_eq!(reading.events.len(), 1);
        assert_eq!(reading.events[0].place, 0);
    }

    #[test]
    fn an_event_without_an_id_gets_the_same_one_in_every_delivery() {
        let id = |event: &str| read(&body(event)).unwrap().events[0].id;
        let first = id(
            r#"{"type":"message","timestamp":1700000000123,"message":{"id":"1"},"deliveryContext":{"isRedelivery":false}}"#,
        );
        let again = id(
            r#"{"type":"message", "timestamp":1700000000123,"message":{"id":"1"},"deliveryContext":{"isRedelivery":true}}"#,
        );
        let other = id(
            r#"{"type":"message","timestamp":1700000000123,"message":{"id":"2"},"deliveryContext":{"isRedelivery":false}}"#,
        );
        assert_eq!(first, again);
        assert_ne!(first, other);
        assert_eq!(first.timestamp_ms(), 1_700_000_000_123);
        let twins = read(&body(r#"{"type":"a","timestamp":1},{"type":"a","timestamp":1}"#)).unwrap();
        assert_eq!(twins.events.len(), 2);
    }

    #[test]
    fn a_number_beyond_every_bound_makes_no_event_faulty_and_no_copy_another_event() {
        let long = "1".repeat(5_000);
        let event = |redelivery: bool, timestamp: &str| {
            let context = format!(r#""deliveryContext":{{"isRedelivery":{redelivery}}}"#);
            let read = read(&body(&format!(r#"{{"type":"a","timestamp":{timestamp},"x":{long},{context}}}"#))).unwrap();
            assert_eq!((read.events.len(), read.faulty), (1, 0), "{timestamp}");
            read.events.into_iter().next().unwrap()
        };
        for timestamp in ["1700000000123", "-1", "1e18", "1e999", &long, &format!("-{long}")] {
            assert_eq!(event(false, timestamp).id, event(true, timestamp).id);
        }
        let latest = event(false, &(1u64 << 48).to_string());
        assert_eq!(latest.id.timestamp_ms(), (1 << 48) - 1, "the time does not begin anew");
    }

    #[test]
    fn what_is_no_webhook_is_unreadable() {
        for text in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"destination":7,"events":[]}"#,
            r#"{"destination":"U","events":{}}"#,
            "\u{feff}{}",
        ] {
            assert_eq!(read(&Bytes::from_static(text.as_bytes())), Err(Unreadable), "{text}");
        }
        let many = vec!["1"; MAX_EVENTS + 1].join(",");
        assert_eq!(read(&body(&many)), Err(Unreadable));
    }

    #[test]
    fn a_body_id_tells_when_the_body_came() {
        let now = Timestamp::from_timestamp_millis(1_700_000_000_123).unwrap();
        assert_eq!(body_time(BodyId::new(now)), Some(now));
        assert_eq!(body_time(BodyId::derived(Uuid::nil(), "x")), None);
    }

    #[test]
    fn what_came_before_a_moment_has_an_id_before_its_first_one() {
        let moment = Timestamp::from_timestamp_millis(1_700_000_000_123).unwrap();
        assert!(BodyId::new(moment).uuid() > first_id(moment));
        assert!(BodyId::new(moment - chrono::TimeDelta::milliseconds(1)).uuid() < first_id(moment));
        assert_eq!(first_id(Timestamp::UNIX_EPOCH - chrono::TimeDelta::days(1)), Uuid::nil());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&Bytes::from(bytes));
        }

        /// Whatever number LINE writes as the time, it is an event, and its time can be written by everybody.
        #[test]
        fn every_number_is_a_time(number in r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,5})?([eE][+-]?[0-9]{1,5})?", id: u128) {
            let id = Ulid(id);
            let event = format!(r#"{{"type":"a","timestamp":{number},"webhookEventId":"{id}"}}"#);
            let reading = read(&body(&event)).unwrap();
            prop_assert_eq!((reading.events.len(), reading.faulty), (1, 0));
            prop_assert!((0..253_402_300_800_000).contains(&reading.events[0].occurred_at.timestamp_millis()));
        }

        #[test]
        fn any_event_is_read_or_counted(events in prop::collection::vec(r#"\{"type":"[a-z.]{0,3}","timestamp":-?[1-9][0-9]{0,18}\}|[0-9]|null"#, 0..6)) {
            let reading = read(&body(&events.join(","))).unwrap();
            prop_assert!(reading.events.len() + reading.faulty <= events.len());
            let mut ids: Vec<_> = reading.events.iter().map(|event| event.id).collect();
            ids.dedup();
            prop_assert_eq!(ids.len(), reading.events.len());
        }
    }
}
