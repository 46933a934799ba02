//! What a failure inside a handler means for its event, and the erasing of events that wait after one.

use std::time::Duration;

use bus::outbox::OutboxError;
use bus::{Trouble, dead_letter};
use chassis::envelope::EnvelopeError;
use chassis::postgres::{TenantTx, is_unavailable};
use contracts::events::v1::LineWebhookEvent;
use line_types::id::MessageId as LineMessageId;
use line_types::webhook::EventKind;
use prost::Message as _;

use crate::inbound;

/// How long an event waits when the database is away.
const AWAY: Duration = Duration::from_millis(250);

/// Sorts a handler's failure: the database away (waits, not counted), or the event's own trouble (counted).
pub(crate) fn of(error: anyhow::Error) -> Trouble {
    if database(&error).is_some_and(is_unavailable) {
        Trouble::unavailable(AWAY, error)
    } else {
        Trouble::failed(error)
    }
}

/// The database's word in a failure, if it had one.
pub(crate) fn database(error: &anyhow::Error) -> Option<&sqlx::Error> {
    error.chain().find_map(|cause| {
        cause
            .downcast_ref::<sqlx::Error>()
            .or_else(|| match cause.downcast_ref::<EnvelopeError>() {
                Some(EnvelopeError::Database(error)) => Some(error),
                _ => None,
            })
            .or_else(|| match cause.downcast_ref::<OutboxError>() {
                Some(OutboxError::Database(error)) => Some(error),
                _ => None,
            })
    })
}

/// Erases what waits of a message that was taken back: parked events hold LINE's text. The tombstone stops whatever may still
/// come of it.
pub(crate) async fn forget_parked(tx: &mut TenantTx, line_message: &LineMessageId) -> Result<(), sqlx::Error> {
    let parked: Vec<(String, Vec<u8>)> = sqlx::query_as(
        "SELECT event_id, payload FROM messaging.parked_message
         WHERE tenant_id = $1 AND payload IS NOT NULL AND position(convert_to($2, 'UTF8') IN payload) > 0",
    )
    .bind(tx.tenant().uuid())
    .bind(line_message.as_str())
    .fetch_all(&mut **tx)
    .await?;
    for (event_id, payload) in parked {
        let event = LineWebhookEvent::decode(payload.as_slice()).ok();
        if event.and_then(|event| says(&event)).is_some_and(|said| said == *line_message) {
            dead_letter::erase(tx, &event_id).await?;
        }
    }
    Ok(())
}

/// The message whose text an event carries.
pub(crate) fn says(event: &LineWebhookEvent) -> Option<LineMessageId> {
    match inbound::line_event(event)?.kind {
        EventKind::Message(content) | EventKind::MessageEdited(content) => Some(content.id),
        _ => None,
    }
}
