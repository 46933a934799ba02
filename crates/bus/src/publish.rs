//! Publishing straight into a stream: pipelined, bounded, and with an outcome for each message.
//!
//! What waits while something is on its way goes together as one atomic batch: the server writes and flushes it once and sends
//! one acknowledgement. A batch is taken as a whole or not at all; one that is refused, for instance because the stream has one of
//! its messages already, is sent again message by message.
//!
//! An acknowledgement marked as a duplicate means that the stream holds a message of this ID from the last two minutes. That is
//! success: a consumer has got it or will, and a consumer that lost its own state finds the event in Postgres, never by a
//! second publication. After a stream was lost the ID is unknown to the new one, so publishing again works at once.

mod atomic;
mod flight;

use std::sync::Arc;

use async_nats::HeaderMap;
use bytes::Bytes;
use kernel::EventHeader;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::connection::Bus;
use crate::header::{self, HeaderError};
use crate::stream::{SPILL_SUBJECT, Stream};
use crate::subject::Subject;

use flight::Letter;

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

/// Why nothing is known of a message.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Away {
    #[error("not connected")]
    Disconnected,
    #[error("the connection was lost before the acknowledgement came")]
    Lost,
    #[error("no acknowledgement in time")]
    Late,
    #[error("the process stops")]
    Stopped,
    #[error("nobody takes messages of this stream")]
    NoStream,
}

impl From<Away> for PublishError {
    fn from(away: Away) -> Self {
        Self::Unavailable(away.into())
    }
}

/// Publishes with a bounded number of messages in flight. Clones share the bound and the batches. Make it inside a tokio runtime.
#[derive(Clone, Debug)]
pub struct Publisher {
    bus: Bus,
    room: Arc<Semaphore>,
    letters: mpsc::UnboundedSender<Letter>,
}

impl Publisher {
    /// A publisher that has at most `in_flight` messages on their way.
    #[must_use]
    pub fn new(bus: &Bus, in_flight: usize) -> Self {
        let (letters, waiting) = mpsc::unbounded_channel();
        // Ends when the last clone is gone and everything has been answered.
        tokio::spawn(flight::carry(bus.clone(), waiting));
        Self { bus: bus.clone(), room: Arc::new(Semaphore::new(in_flight)), letters }
    }

    /// Sends an event, waiting for room among those in flight, and returns the future of its acknowledgement. Events sent one
    /// after the other arrive in that order as long as none of them has to be sent again.
    ///
    /// # Errors
    /// See [`PublishError`]; the acknowledgement may still fail.
    pub async fn publish(
        &self,
        event: &Outbound,
    ) -> Result<impl Future<Output = Result<Published, PublishError>> + Send + use<>, PublishError> {
        let headers = header::write(&event.header).map_err(|error: HeaderError| PublishError::Refused(error.into()))?;
        let stream = Stream::of(event.subject.family());
        self.send(stream, &event.subject.to_string(), headers, event.payload.clone()).await
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
        self.send(Stream::IngestSpill, SPILL_SUBJECT, headers, payload).await
    }

    async fn send(
        &self,
        stream: Stream,
        subject: &str,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<impl Future<Output = Result<Published, PublishError>> + Send + use<>, PublishError> {
        #[expect(clippy::expect_used, reason = "the semaphore lives in `self` and is never closed")]
        let room = Arc::clone(&self.room).acquire_owned().await.expect("open");
        // A message handed to a client that is not connected would wait in its buffer, and be repeated by us meanwhile.
        if !self.bus.is_connected() {
            return Err(Away::Disconnected.into());
        }
        let (answer, answered) = oneshot::channel();
        let letter = Letter { stream, subject: self.bus.prefixed(subject), headers, payload, answer, room };
        self.letters.send(letter).map_err(|_| Away::Stopped)?;
        Ok(async move { answered.await.unwrap_or_else(|_| Err(Away::Stopped.into())) })
    }
}
