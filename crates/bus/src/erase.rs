//! Cutting events out of a stream, in every copy, wherever publishing again has put them.

use std::collections::HashSet;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use futures::StreamExt;
use kernel::Timestamp;
use uuid::Uuid;

use crate::connection::Bus;
use crate::stream::{Stream, StreamError};
use crate::subject::Subject;

/// Headers read at once.
const READ: usize = 500;
/// The server forgets the reader after this long, should it not be told.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Bus {
    /// Cuts every copy of these events out of the stream of `subject`, overwrites it, and tells how many there were. Only what was
    /// published at `since` or later is looked at, so let it be safely before the events' time. What was published again in the round
    /// that is named so ([`Again::Redrive`]) stays.
    ///
    /// [`Again::Redrive`]: crate::publish::Again::Redrive
    ///
    /// # Errors
    /// When the server is away or refuses; some copies may be gone then. Repeating it is fine.
    pub async fn erase(
        &self,
        subject: &Subject,
        event_ids: &HashSet<String>,
        since: Timestamp,
        spared: Option<Uuid>,
    ) -> Result<u32, StreamError> {
        let stream = Stream::of(subject.family());
        let erased = self.erase_from(stream, subject, event_ids, since, spared).await;
        erased.map_err(|error| StreamError::new(stream, error))
    }

    async fn erase_from(
        &self,
        stream: Stream,
        subject: &Subject,
        event_ids: &HashSet<String>,
        since: Timestamp,
        spared: Option<Uuid>,
    ) -> Result<u32, BoxError> {
        let spared = spared.map(|round| round.to_string());
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
                let says = |name: &str| Some(message.headers.as_ref()?.get(name)?.as_str());
                let round = says("Nats-Msg-Id").and_then(|id| id.split_once('/')).map(|(round, _)| round);
                let is_spared = spared.is_some() && round == spared.as_deref();
                if says("ce-id").is_some_and(|id| event_ids.contains(id)) && !is_spared {
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
