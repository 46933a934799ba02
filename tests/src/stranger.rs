//! A webhook of somebody nobody knows, as LINE would post it.

use kernel::{Clock as _, SystemClock};
use uuid::Uuid;

/// A new text to an account's bot in a body of at least `size` bytes, and the event's ID as the archive keeps it.
#[must_use]
pub fn text_to(bot: &str, size: usize) -> (Uuid, String) {
    let now = SystemClock.now().timestamp_millis();
    let id = ulid::Ulid::from_parts(now.unsigned_abs(), Uuid::new_v4().as_u128());
    let (user, message) = (Uuid::new_v4().simple(), Uuid::new_v4().as_u128() % 1_000_000_000_000_000_000);
    let event = format!(
        r#"{{"type":"message","mode":"active","timestamp":{now},"webhookEventId":"{id}","deliveryContext":{{"isRedelivery":false}},"source":{{"type":"user","userId":"U{user}"}},"message":{{"id":"{message}","type":"text","text":"x"}}}}"#
    );
    let mut body = format!(r#"{{"destination":"{bot}","events":[{event}]"#);
    body.extend(std::iter::repeat_n(' ', size.saturating_sub(body.len() + 1)));
    body.push('}');
    (Uuid::from_u128(id.0), body)
}
