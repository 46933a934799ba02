//! Bodies as LINE posts them.

use bytes::Bytes;
use kernel::{Clock, SystemClock, Timestamp};
use line_types::signature::{ChannelSecret, sign};
use uuid::Uuid;

use super::account::BOT;

pub(crate) fn signature(secret: &str, body: &[u8]) -> String {
    sign(&ChannelSecret::parse(secret).unwrap(), body)
}

pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

/// A new event ID of this moment.
pub(crate) fn new_id() -> String {
    id_at(now())
}

/// A new event ID of a moment.
pub(crate) fn id_at(moment: Timestamp) -> String {
    let random = Uuid::new_v4().as_u128();
    ulid::Ulid::from_parts(u64::try_from(moment.timestamp_millis()).unwrap(), random).to_string()
}

/// A text message event.
pub(crate) fn event(id: &str) -> String {
    format!(
        r#"{{"type":"message","mode":"active","timestamp":{},"webhookEventId":"{id}","deliveryContext":{{"isRedelivery":false}},"source":{{"type":"user","userId":"U4af4980629aaaaaaaaaaaaaaaaaaaaaa"}},"message":{{"id":"468789577898262530","type":"text","text":"こんにちは"}}}}"#,
        now().timestamp_millis()
    )
}

/// A body of events for the account's bot.
pub(crate) fn body(events: &[String]) -> Bytes {
    body_for(BOT, events)
}

pub(crate) fn body_for(bot: &str, events: &[String]) -> Bytes {
    Bytes::from(format!(r#"{{"destination":"{bot}","events":[{}]}}"#, events.join(",")))
}

/// A body with one new event, and the event's ID.
pub(crate) fn one() -> (String, Bytes) {
    let id = new_id();
    let body = body(&[event(&id)]);
    (id, body)
}
