//! The JetStream streams: which there are, how they are kept, and how they come back when somebody deletes them.
//!
//! A stream carries; Postgres remembers. A full stream therefore refuses what is new (the outbox waits) and never drops what
//! somebody may not have read. And a stream that can be filled again from Postgres need not be on disk before it acknowledges:
//! what a server forgets when it dies is noticed ([`crate::continuity`]) and published again. The spill stream alone holds
//! what is nowhere else.

mod settings;

use std::fmt;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::stream::{Config, DiscardPolicy, PersistenceMode, RetentionPolicy, StorageType};

use crate::connection::Bus;
use crate::subject::Family;

/// How long a stream keeps a message.
const MAX_AGE: Duration = Duration::from_hours(7 * 24);
/// How long the server remembers `Nats-Msg-Id`. It saves work and is no guarantee: consumers know what they handled.
const DUPLICATE_WINDOW: Duration = Duration::from_mins(2);

/// A stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// LINE's webhook events.
    LineWebhook,
    /// What identity-linking says.
    Identity,
    /// What messaging-outbox says.
    Messaging,
    /// What the scheduler says.
    Scheduler,
    /// Webhook bodies that wait for Postgres, packed.
    IngestSpill,
}

impl Stream {
    /// Every stream.
    pub const ALL: [Self; 5] = [Self::LineWebhook, Self::Identity, Self::Messaging, Self::Scheduler, Self::IngestSpill];

    /// The stream's name, without prefix.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LineWebhook => "LINE_WEBHOOK",
            Self::Identity => "IDENTITY",
            Self::Messaging => "MESSAGING",
            Self::Scheduler => "SCHEDULER",
            Self::IngestSpill => "INGEST_SPILL",
        }
    }

    /// The subjects it takes, without prefix.
    #[must_use]
    pub const fn subjects(self) -> &'static str {
        match self {
            Self::LineWebhook => "line.webhook.v1.>",
            Self::Identity => "identity.v1.>",
            Self::Messaging => "messaging.v1.>",
            Self::Scheduler => "scheduler.v1.>",
            Self::IngestSpill => SPILL_SUBJECT,
        }
    }

    /// Whether Postgres has everything in it, so that it can be filled again.
    #[must_use]
    pub const fn can_be_filled_again(self) -> bool {
        !matches!(self, Self::IngestSpill)
    }

    /// The stream that carries a family.
    #[must_use]
    pub const fn of(family: Family) -> Self {
        match family {
            Family::LineWebhook => Self::LineWebhook,
            Family::Identity => Self::Identity,
            Family::Messaging => Self::Messaging,
            Family::Scheduler => Self::Scheduler,
        }
    }
}

/// The one subject of [`Stream::IngestSpill`], without prefix.
pub const SPILL_SUBJECT: &str = "ingest.spill.v1";

/// A stream as the server knows it: two streams of one name that were created at different times are not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// When it was created, in nanoseconds since 1970.
    pub created: i64,
    /// The last sequence number it gave.
    pub last_sequence: u64,
    /// The run of the server that holds it: another one may have forgotten what it acknowledged last. Empty when several
    /// servers hold the stream, who remember for each other.
    pub server: String,
}

/// A stream could not be asked for or made.
#[derive(Debug, thiserror::Error)]
#[error("stream {stream} is not to be had")]
pub struct StreamError {
    stream: &'static str,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl StreamError {
    pub(crate) fn new(stream: Stream, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { stream: stream.name(), source: source.into() }
    }
}

impl Bus {
    /// The stream as it stands, made when it is missing. For who fills it: one that was made otherwise is brought to its settings.
    ///
    /// # Errors
    /// When the server is away or refuses.
    pub async fn observe(&self, stream: Stream) -> Result<Observed, StreamError> {
        let alone = self.config().replicas == 1;
        let (server, handle) = loop {
            // Asked first: a server that starts anew between the two questions is noticed the next time.
            let server = if alone { self.client().server_info().server_id } else { String::new() };
            let handle = self.stream(stream).await?;
            // Before the first connection the server has no name; it has one now that it has answered.
            if !alone || !server.is_empty() {
                break (server, handle);
            }
        };
        let info = handle.cached_info();
        self.keep_settings(stream, &info.config).await;
        let nanos = info.created.unix_timestamp_nanos();
        let created = i64::try_from(nanos).map_err(|error| StreamError::new(stream, error))?;
        Ok(Observed { created, last_sequence: info.state.last_sequence, server })
    }

    pub(crate) async fn stream(&self, stream: Stream) -> Result<jetstream::stream::Stream, StreamError> {
        let jetstream = self.jetstream();
        match jetstream.get_stream(&self.stream_name(stream)).await {
            Ok(found) => Ok(found),
            Err(error) if is_missing(&error) => {
                // Only now: whether the server is one of a cluster is known once it has answered. Several processes may make the
                // stream at once; the server takes the same configuration twice.
                let config = self.stream_config(stream);
                let made = jetstream.create_stream(config).await.map_err(|error| StreamError::new(stream, error))?;
                tracing::warn!(stream = stream.name(), "the stream was not there and was made");
                metrics::counter!("tsunagi_bus_streams_made_total", "stream" => stream.name()).increment(1);
                Ok(made)
            }
            Err(error) => Err(StreamError::new(stream, error)),
        }
    }

    pub(crate) fn stream_name(&self, stream: Stream) -> String {
        match &self.config().prefix {
            Some(prefix) => format!("{prefix}_{}", stream.name()),
            None => stream.name().to_owned(),
        }
    }

    fn stream_config(&self, stream: Stream) -> Config {
        let copies = self.config().replicas;
        let may_forget = may_forget(stream, copies, self.client().server_info().cluster.is_some());
        Config {
            name: self.stream_name(stream),
            subjects: vec![self.prefixed(stream.subjects())],
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::New,
            storage: StorageType::File,
            max_age: MAX_AGE,
            max_bytes: self.config().stream_max_bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            duplicate_window: DUPLICATE_WINDOW,
            num_replicas: copies,
            persist_mode: may_forget.then_some(PersistenceMode::Async),
            ..Config::default()
        }
    }
}

/// Whether the server may acknowledge before it has written to disk. Servers that hold a stream together decide by themselves. In
/// a cluster, the server we are connected to need not be the one that holds the only copy, so nobody would notice that it was
/// started anew.
fn may_forget(stream: Stream, copies: usize, in_cluster: bool) -> bool {
    stream.can_be_filled_again() && copies == 1 && !in_cluster
}

fn is_missing(error: &jetstream::context::GetStreamError) -> bool {
    use jetstream::context::GetStreamErrorKind;
    matches!(error.kind(), GetStreamErrorKind::JetStream(refused)
        if refused.error_code() == jetstream::ErrorCode::STREAM_NOT_FOUND)
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_filled_again_and_lies_on_a_lone_server_may_be_forgotten() {
        for stream in Stream::ALL {
            assert_eq!(may_forget(stream, 1, false), stream != Stream::IngestSpill, "{stream}");
            for (copies, in_cluster) in [(1, true), (3, true), (3, false)] {
                assert!(!may_forget(stream, copies, in_cluster), "{stream} with {copies} copies");
            }
        }
    }
}
