//! The spill stream: packs of webhook bodies that were acknowledged while Postgres was away, until they are in Postgres. Nothing in
//! it is ever given up: LINE was told that we have it.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::AckKind;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use bytes::Bytes;
use chassis::Host;
use futures::StreamExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::connection::Bus;
use crate::fate::Trouble;
use crate::stream::Stream;

/// Packs in hand at once.
const AT_ONCE: usize = 2;
/// How long the server waits for a pack to be stored.
const ACK_WAIT: Duration = Duration::from_secs(30);
const PULL_LASTS: Duration = Duration::from_secs(5);
/// The pause after the stream could not be had, or a pack not be read.
const PAUSE: Duration = Duration::from_millis(500);
const LONG_PAUSE: Duration = Duration::from_secs(30);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Hands every pack to `store`, at least once; it is cut out of the stream's backlog when `store` answers `Ok`, and handed out
/// again otherwise: after the wait an `Unavailable` names, or 30 seconds.
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

/// How many packs are not in Postgres yet, those in hand included.
async fn note_waiting(consumer: &PullConsumer) -> Result<(), BoxError> {
    let info = consumer.get_info().await?;
    #[expect(clippy::cast_precision_loss, reason = "a number of packs")]
    let waiting = info.num_pending.saturating_add(u64::try_from(info.num_ack_pending)?) as f64;
    metrics::gauge!("tsunagi_bus_spilled_packs").set(waiting);
    Ok(())
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
        note_waiting(&consumer).await?;
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
            pack.ack_with(answer).await?;
        }
    }
    Ok(())
}
