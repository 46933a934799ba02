//! Publishing straight into a stream: pipelined, bounded, and with an outcome for each message.
//!
//! An acknowledgement marked as a duplicate means that the stream holds a message of this ID from the last two minutes. That is
//! success: a consumer has got it or will, and a consumer that lost its own state finds the event in Postgres, never by a
//! second publication. After a stream was lost the ID is unknown to the new one, so publishing again works at once. What is
//! published once more on purpose ([`Again`]) has an ID of its own for the stream, and is still the same event to consumers.

use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::context::PublishErrorKind;
use bytes::Bytes;
use kernel::EventHeader;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use crate::connection::Bus;
use crate::header::{self, HeaderError};
use crate::stream::SPILL_SUBJECT;
use crate::subject::Subject;

/// How long an acknowledgement may take.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(5);

/// An event on its way out.
#[derive(Clone, Debug)]
pub struct Outbound {
    /// Where to.
    pub subject: Subject,
    /// What it says about itself.
    pub header: EventHeader,
    /// The encoded body.
    pub payload: Bytes,
}

/// Why an event is published once more, although it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// For consumers that never handled it: to the others it is the event they know. In the round that is named so.
    Redrive(Uuid),
    /// For all consumers, once in the rebuild that is named so, whether or not they handled the event before.
    Rebuild(Uuid),
}

/// The stream has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its number in the stream.
    pub sequence: u64,
    /// Whether the stream had it already.
    pub duplicate: bool,
}

/// A message that was not published, as far as we know.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// NATS is away, its stream is, or it cannot take more now. Nothing is known of the message itself; try again later.
    #[error("NATS does not take it now")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It can never be published as it is.
    #[error("the message cannot be published")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}

#[derive(Debug, thiserror::Error)]
enum Away {
    #[error("not connected")]
    Disconnected,
    #[error("the connection was lost before the acknowledgement came")]
    Lost,
    #[error("no acknowledgement in time")]
    Late,
}

/// Publishes with a bounded number of messages in flight. Clones share the bound.
#[derive(Clone, Debug)]
pub struct Publisher {
    bus: Bus,
    room: Arc<Semaphore>,
}

impl Publisher {
    /// A publisher that has at most `in_flight` messages on their way.
    #[must_use]
    pub fn new(bus: &Bus, in_flight: usize) -> Self {
        Self { bus: bus.clone(), room: Arc::new(Semaphore::new(in_flight)) }
    }

    /// Sends an event, waiting for room among those in flight, and returns the future of its acknowledgement. Events sent one
    /// after the other arrive in that order as long as the connection holds.
    ///
    /// # Errors
    /// See [`PublishError`]; the acknowledgement may still fail.
    pub async fn publish(
        &self,
        event: &Outbound,
    ) -> Result<impl Future<Output = Result<Published, PublishError>> + Send + use<>, PublishError> {
        let headers = header::write(&event.header).map_err(|error: HeaderError| PublishError::Refused(error.into()))?;
        self.send(self.bus.prefixed(&event.subject.to_string()), headers, event.payload.clone()).await
    }

    /// As [`Publisher::publish`], for an event that was published before: the stream takes it once for each round or rebuild.
    ///
    /// # Errors
    /// See [`PublishError`]; the acknowledgement may still fail.
    pub async fn publish_again(
        &self,
        event: &Outbound,
        again: Again,
    ) -> Result<impl Future<Output = Result<Published, PublishError>> + Send + use<>, PublishError> {
        let headers = header::write_again(&event.header, again);
        let headers = headers.map_err(|error: HeaderError| PublishError::Refused(error.into()))?;
        self.send(self.bus.prefixed(&event.subject.to_string()), headers, event.payload.clone()).await
    }

    /// Sends a pack of webhook bodies into the spill stream; `id` names the pack.
    ///
    /// # Errors
    /// See [`PublishError`]; the acknowledgement may still fail.
    pub async fn spill(
        &self,
        id: &str,
        payload: Bytes,
    ) -> Result<impl Future<Output = Result<Published, PublishError>> + Send + use<>, PublishError> {
        let mut headers = HeaderMap::new();
        headers.insert(async_nats::header::NATS_MESSAGE_ID, id);
        self.send(self.bus.prefixed(SPILL_SUBJECT), headers, payload).await
    }

    async fn send(
        &self,
        subject: String,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<impl Future<Output = Result<Published, PublishError>> + Send + use<>, PublishError> {
        #[expect(clippy::expect_used, reason = "the semaphore lives in `self` and is never closed")]
        let permit = Arc::clone(&self.room).acquire_owned().await.expect("open");
        // A message handed to a client that is not connected would wait in its buffer, and be repeated by us meanwhile.
        if !self.bus.is_connected() {
            return Err(PublishError::Unavailable(Away::Disconnected.into()));
        }
        let losses = self.bus.losses();
        let sending = self.bus.jetstream().publish_with_headers(subject, headers, payload);
        let acknowledgement = sending.await.map_err(sort)?;
        Ok(settle(acknowledgement.into_future(), losses, permit))
    }
}

async fn settle(
    acknowledgement: impl Future<
        Output = Result<async_nats::jetstream::publish::PublishAck, async_nats::jetstream::context::PublishError>,
    >,
    mut losses: tokio::sync::watch::Receiver<u64>,
    _permit: OwnedSemaphorePermit,
) -> Result<Published, PublishError> {
    tokio::select! {
        biased;
        outcome = tokio::time::timeout(ACKNOWLEDGED_WITHIN, acknowledgement) => {
            let late = |_| PublishError::Unavailable(Away::Late.into());
            let acknowledged = outcome.map_err(late)?.map_err(sort)?;
            Ok(Published { sequence: acknowledged.sequence, duplicate: acknowledged.duplicate })
        }
        _ = losses.changed() => Err(PublishError::Unavailable(Away::Lost.into())),
    }
}

fn sort(error: async_nats::jetstream::context::PublishError) -> PublishError {
    if error.kind() == PublishErrorKind::MaxPayloadExceeded {
        PublishError::Refused(error.into())
    } else {
        PublishError::Unavailable(error.into())
    }
}
