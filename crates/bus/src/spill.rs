//! The spill stream: packs of webhook bodies that were acknowledged while Postgres was away, until they are in Postgres. Nothing in
//! it is ever given up: LINE was told that we have it.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{self, AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::stream::{self, ConsumerError, ConsumerErrorKind, DeleteMessageErrorKind};
use async_nats::jetstream::{AckKind, ErrorCode};
use bytes::Bytes;
use chassis::Host;
use futures::StreamExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::connection::Bus;
use crate::fate::Trouble;
use crate::stream::{Stream, StreamError};

/// Packs in hand at once.
const AT_ONCE: usize = 2;
/// How long the server waits for a pack to be stored.
const ACK_WAIT: Duration = Duration::from_secs(30);
const PULL_LASTS: Duration = Duration::from_secs(5);
/// Packs swept out at once that somebody left behind.
const SWEPT: usize = 100;
/// The pause after the stream could not be had, or a pack not be read.
const PAUSE: Duration = Duration::from_millis(500);
const LONG_PAUSE: Duration = Duration::from_secs(30);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Hands every pack to `store`, at least once; it is cut out of the stream when `store` answers `Ok`, and handed out again otherwise:
/// after the wait an `Unavailable` names, or 30 seconds.
pub fn spawn<S, F>(host: &Host, bus: &Bus, store: S)
where
    S: Fn(Bytes) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), Trouble>> + Send,
{
    let (bus, stopping, store) = (bus.clone(), host.stopping(), Arc::new(store));
    // Told as zero from the start: of a counter that appears with its first one, nobody sees that it rose.
    metrics::counter!("tsunagi_bus_spill_failures_total").increment(0);
    host.spawn("bus.spill", async move {
        let mut told = false;
        while !stopping.is_cancelled() {
            let begun = Instant::now();
            if let Err(error) = drain(&bus, &*store, &stopping).await {
                if !told || begun.elapsed() > PULL_LASTS * 2 {
                    tracing::info!(error = %error, "the spill stream is opened again");
                }
                told = true;
                stopping.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
            }
        }
        Ok(())
    });
}

/// What of the stream is not in Postgres yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmoved {
    /// Packs, those in hand included.
    pub packs: u64,
    /// Up to which number of the stream all are.
    pub floor: u64,
}

/// What is not in Postgres yet, as the server knows it; nothing where the stream or its consumer is not there.
///
/// # Errors
/// When the server is away or refuses.
pub async fn unmoved(bus: &Bus) -> Result<Unmoved, StreamError> {
    let consumer: Result<PullConsumer, _> = bus
        .jetstream()
        .get_consumer_from_stream(bus.durable_name("ingest", "spill"), bus.stream_name(Stream::IngestSpill))
        .await;
    match consumer {
        Ok(consumer) => Ok(Unmoved::of(consumer.cached_info())),
        Err(error) if is_missing(&error) => Ok(Unmoved { packs: 0, floor: 0 }),
        Err(error) => Err(StreamError::new(Stream::IngestSpill, error)),
    }
}

fn is_missing(error: &ConsumerError) -> bool {
    matches!(error.kind(), ConsumerErrorKind::JetStream(refused)
        if matches!(refused.error_code(), ErrorCode::CONSUMER_NOT_FOUND | ErrorCode::STREAM_NOT_FOUND))
}

impl Unmoved {
    fn of(info: &consumer::Info) -> Self {
        let in_hand = u64::try_from(info.num_ack_pending).unwrap_or(u64::MAX);
        Self { packs: info.num_pending.saturating_add(in_hand), floor: info.ack_floor.stream_sequence }
    }
}

/// Notes how many packs are not in Postgres yet, those in hand included; tells up to which number all are.
async fn note_waiting(consumer: &PullConsumer) -> Result<u64, BoxError> {
    let info = consumer.get_info().await?;
    #[expect(clippy::cast_precision_loss, reason = "a number of packs")]
    let waiting = Unmoved::of(&info).packs as f64;
    metrics::gauge!("tsunagi_bus_spilled_packs").set(waiting);
    Ok(info.ack_floor.stream_sequence)
}

/// Cuts out what is left of the packs up to this number: whoever had stored them died, or could not.
async fn sweep(bus: &Bus, moved: u64) -> Result<(), BoxError> {
    let stream = bus.stream(Stream::IngestSpill).await?;
    let state = &stream.cached_info().state;
    if state.messages > 0 {
        for sequence in (state.first_sequence..=moved).take(SWEPT) {
            cut(&stream, sequence).await?;
        }
    }
    Ok(())
}

/// Cuts a pack out of the stream and overwrites it; one that is gone already is fine.
async fn cut(stream: &stream::Stream, sequence: u64) -> Result<(), BoxError> {
    match stream.delete_message(sequence).await {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), DeleteMessageErrorKind::JetStream(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn drain<S, F>(bus: &Bus, store: &S, stopping: &CancellationToken) -> Result<(), BoxError>
where
    S: Fn(Bytes) -> F,
    F: Future<Output = Result<(), Trouble>>,
{
    let config = pull::Config {
        durable_name: Some(bus.durable_name("ingest", "spill")),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        max_deliver: -1,
        ..pull::Config::default()
    };
    let stream = bus.stream(Stream::IngestSpill).await?;
    bus.keep_settings(Stream::IngestSpill, &stream.cached_info().config).await;
    let consumer: PullConsumer = stream.create_consumer(config).await?;
    let mut losses = bus.losses();
    while !stopping.is_cancelled() {
        let moved = note_waiting(&consumer).await?;
        if let Err(error) = sweep(bus, moved).await {
            tracing::warn!(error = %error, "packs that are in Postgres stay in the spill stream for now");
        }
        let mut packs = consumer.batch().max_messages(AT_ONCE).expires(PULL_LASTS).messages().await?;
        loop {
            let pack = tokio::select! {
                pack = packs.next() => pack,
                () = stopping.cancelled() => return Ok(()),
                _ = losses.changed() => return Err("the connection was lost".into()),
            };
            let Some(pack) = pack else { break };
            let pack = pack?;
            let answer = match store(pack.payload.clone()).await {
                Ok(()) => AckKind::Ack,
                Err(Trouble::Unavailable(wait, _)) => AckKind::Nak(Some(wait)),
                Err(error @ Trouble::Failed(_)) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(cause, "a spilled pack cannot be stored");
                    metrics::counter!("tsunagi_bus_spill_failures_total").increment(1);
                    AckKind::Nak(Some(LONG_PAUSE))
                }
            };
            let is_moved = matches!(answer, AckKind::Ack);
            let sequence = pack.info()?.stream_sequence;
            pack.double_ack_with(answer).await?;
            if let Some(error) = if is_moved { cut(&stream, sequence).await.err() } else { None } {
                tracing::warn!(error = %error, "a pack that is in Postgres stays in the spill stream for now");
            }
        }
    }
    Ok(())
}
