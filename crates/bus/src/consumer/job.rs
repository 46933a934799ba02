//! One piece of work of a consumer: a message that just came, or one that was put aside.

use async_nats::HeaderMap;
use bytes::Bytes;
use contracts::EventBody;
use kernel::TenantId;
use uuid::Uuid;

use crate::connection::Bus;
use crate::header;
use crate::inbox;
use crate::incoming::{self, Incoming, Poison, Raw};
use crate::parked::Claim;

#[derive(Debug)]
pub(super) enum Job<B> {
    Fresh(Box<Fresh<B>>),
    Parked(Claim),
}

impl<B> Job<B> {
    pub(super) fn is_fresh(&self) -> bool {
        matches!(self, Self::Fresh(_))
    }
}

/// A message from the stream.
#[derive(Debug)]
pub(super) struct Fresh<B> {
    pub(super) tenant: TenantId,
    pub(super) event: Result<Incoming<B>, Poison>,
    pub(super) event_id: String,
    pub(super) event_key: Uuid,
    pub(super) order_key: u64,
    /// How often the server handed it out, this time included.
    pub(super) deliveries: i64,
    /// Messages of the consumer that were behind it in the stream.
    pub(super) behind: u64,
    /// Where the acknowledgement goes to.
    pub(super) reply: String,
    subject: String,
    headers: HeaderMap,
    payload: Bytes,
}

impl<B: EventBody> Fresh<B> {
    /// Reads a message; none when it did not come from a stream.
    pub(super) fn read(
        bus: &Bus,
        message: async_nats::jetstream::Message,
        consumer: &'static str,
        order_by: fn(&Incoming<B>) -> u64,
    ) -> Option<Self> {
        let (deliveries, behind, place) = {
            let info = message.info().ok()?;
            (info.delivered, info.pending, format!("{}:{}", info.stream, info.stream_sequence))
        };
        let message = message.message;
        let reply = message.reply?.into_string();
        // Both are kept in Postgres when the message is set aside, and may come from outside.
        let subject = header::kept(bus.unprefixed(&message.subject).unwrap_or_default());
        let headers = message.headers.unwrap_or_default();
        let event = decode(&subject, &headers, &message.payload, consumer);
        let (tenant, event_id, order_key) = if let Ok(event) = &event {
            (event.tenant(), event.header.id.clone(), order_by(event))
        } else {
            let raw = Raw { subject: subject.clone(), headers: header::to_lines(&headers), payload: Bytes::new() };
            (raw.owner(), header::read(&headers).map_or(place, |header| header.id), 0)
        };
        let event_key = inbox::key_of(&event_id, header::rebuild(&headers));
        let payload = message.payload;
        Some(Self {
            tenant,
            event,
            event_id,
            event_key,
            order_key,
            deliveries,
            behind,
            reply,
            subject,
            headers,
            payload,
        })
    }

    /// The message as it came.
    pub(super) fn raw(&self) -> Raw {
        Raw { subject: self.subject.clone(), headers: header::to_lines(&self.headers), payload: self.payload.clone() }
    }
}

fn decode<B: EventBody>(
    subject: &str,
    headers: &HeaderMap,
    payload: &[u8],
    consumer: &'static str,
) -> Result<Incoming<B>, Poison> {
    incoming::read(subject.parse()?, header::read(headers)?, payload, consumer, 1)
}
