//! An event as it stands on the bus.

use bus::publish::Outbound;
use bus::subject::{Subject, SubjectError};
use chrono::SubsecRound as _;
use contracts::events::v1::LineWebhookEvent;
use contracts::{subject_token, timestamp};
use kernel::EventHeader;
use prost::{Message, Name};
use webhook_ingest_core::Event;

use crate::taken::Taken;

/// The event with its subject and header; with `effects_off` nothing may follow from it. It was received when its body was verified, to
/// the millisecond, also where the body has a later ID because a person released it. The trace is the request's own, so that it runs on in
/// the consumers.
///
/// # Errors
/// Never for an event that was read by the core: its type is a subject's token.
pub(crate) fn outbound(body: &Taken, event: &Event, effects_off: bool) -> Result<Outbound, SubjectError> {
    let message = LineWebhookEvent {
        account_id: body.account.to_string(),
        webhook_event_id: event.id.to_string(),
        event_type: event.event_type.clone(),
        occur_time: Some(timestamp(event.occurred_at)),
        receive_time: Some(timestamp(body.verified_at.trunc_subsecs(3))),
        redelivery: event.redelivery,
        raw: event.raw.clone(),
        body_id: body.body.to_string(),
        effects_off,
    };
    Ok(Outbound {
        subject: Subject::line_webhook(body.tenant, body.account, &subject_token(&event.event_type))?,
        header: EventHeader {
            id: message.webhook_event_id.clone(),
            kind: LineWebhookEvent::full_name(),
            source: "webhook-ingest".to_owned(),
            time: event.occurred_at,
            tenant: Some(body.tenant),
            trace: body.trace.clone(),
        },
        payload: message.encode_to_vec().into(),
    })
}
