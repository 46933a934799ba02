//! Cutting an event out of a stream, in every copy, wherever publishing again has put them.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use futures::StreamExt;
use kernel::Timestamp;

use crate::connection::Bus;
use crate::stream::{Stream, StreamError};
use crate::subject::Subject;

/// Headers read at once.
const READ: usize = 500;
/// The server forgets the reader after this long, should it not be told.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Bus {
    /// Cuts every copy of the event `event_id` out of the stream of `subject`, overwrites it, and tells how many there were. Only
    /// what was published at `since` or later is looked at, so let it be safely before the event's time.
    ///
    /// # Errors
    /// When the server is away or refuses; some copies may be gone then. Repeating it is fine.
    pub async fn erase(&self, subject: &Subject, event_id: &str, since: Timestamp) -> Result<u32, StreamError> {
        let stream = Stream::of(subject.family());
        let erased = self.erase_from(stream, subject, event_id, since).await;
        erased.map_err(|error| StreamError::new(stream, error))
    }

    async fn erase_from(
        &self,
        stream: Stream,
        subject: &Subject,
        event_id: &str,
        since: Timestamp,
    ) -> Result<u32, BoxError> {
        let handle = self.stream(stream).await?;
        let nanos = i128::from(since.timestamp_micros()) * 1000;
        let reader: PullConsumer = handle
            .create_consumer(pull::Config {
                deliver_policy: DeliverPolicy::ByStartTime { start_time: async_nats::datetime::from_nanos(nanos)? },
                ack_policy: AckPolicy::None,
                filter_subject: self.prefixed(&subject.to_string()),
                headers_only: true,
                inactive_threshold: FORGOTTEN_AFTER,
                memory_storage: true,
                num_replicas: 1,
                ..pull::Config::default()
            })
            .await?;
        let mut erased = 0;
        loop {
            let mut read = 0;
            let mut messages = reader.fetch().max_messages(READ).messages().await?;
            while let Some(message) = messages.next().await {
                let message = message?;
                read += 1;
                let is_it = message.headers.as_ref().and_then(|headers| headers.get("ce-id"));
                if is_it.is_some_and(|id| id.as_str() == event_id) {
                    let sequence = message.info()?.stream_sequence;
                    erased += u32::from(handle.delete_message(sequence).await?);
                }
            }
            if read == 0 {
                handle.delete_consumer(&reader.cached_info().name).await?;
                return Ok(erased);
            }
        }
    }
}
