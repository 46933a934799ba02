//! Consumers: every event of a stream is handled once in Postgres, whatever comes twice, dies half-way or cannot be read.
//!
//! A message is handled in one transaction: the event is noted in the inbox, the handler changes what it must, the outbox gets what
//! follows; then it is acknowledged. What cannot be handled now goes into the table of parked messages and is tried again from
//! there, so that nothing behind it waits; what cannot be handled at all becomes a dead letter. A tenant whose events pile up is
//! parked too, so that the others' are reached at once.

mod dispatch;
mod fair_queue;
mod handling;
mod in_hand;
mod intake;
mod job;
mod parking;
mod retry;
mod try_out;

use std::sync::Arc;
use std::time::Duration;

use chassis::Host;
use chassis::postgres::{Database, TenantTx};
use contracts::EventBody;
use kernel::Clock;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

pub use crate::fate::{Cause, Handled, Patience, Trouble};
pub use crate::incoming::Incoming;

use crate::connection::Bus;
use crate::inbox;
use crate::stream::Stream;
use crate::subject::Filter;

use dispatch::Dispatch;
use in_hand::InHand;

/// What a service does with the events of one kind.
pub trait Handler: Send + Sync + 'static {
    /// The kind.
    type Body: EventBody + 'static;

    /// Handles one event inside the transaction of its tenant, which is committed afterwards, alone or together with those of
    /// other events. The event was not handled before. Its effects must be in the transaction alone, for it may be rolled back
    /// and handled again.
    ///
    /// # Errors
    /// When it cannot be done now; nothing is committed then.
    fn handle(
        &self,
        tx: &mut TenantTx,
        event: &Incoming<Self::Body>,
    ) -> impl Future<Output = Result<Handled, Trouble>> + Send;

    /// Handles several events of one tenant in one transaction, none of them handled before, as [`Handler::handle`] would in
    /// this order: for a handler whose work costs less together. What follows from an event belongs to that event's trace
    /// ([`Incoming::span`]).
    ///
    /// # Errors
    /// When one of them cannot be done now, as [`Handled::Never`] says that one never can. Nothing is committed then, and each
    /// is handled alone.
    fn handle_all(
        &self,
        tx: &mut TenantTx,
        events: &[&Incoming<Self::Body>],
    ) -> impl Future<Output = Result<Handled, Trouble>> + Send {
        async move {
            for event in events {
                let handled = self.handle(tx, event).instrument(event.span()).await?;
                if handled != Handled::Done {
                    return Ok(handled);
                }
            }
            Ok(Handled::Done)
        }
    }

    /// What is kept of an event that is put aside, to be handled from there: for a handler that needs less than the event says
    /// and may not keep the rest. None: all of it.
    fn reduced(&self, _event: &Incoming<Self::Body>) -> Option<Self::Body> {
        None
    }

    /// Whether what the event says must not be kept, so that it is dropped where it would be put aside after a try that
    /// failed. Asked in the transaction that puts it aside, in which it may lock what decides.
    ///
    /// # Errors
    /// When the database refuses or is away.
    fn must_forget(
        &self,
        _tx: &mut TenantTx,
        _event: &Incoming<Self::Body>,
    ) -> impl Future<Output = Result<bool, sqlx::Error>> + Send {
        std::future::ready(Ok(false))
    }
}

/// A consumer: what it is called, what it wants and how it works.
#[derive(Clone, Debug)]
pub struct ConsumerSpec<B> {
    /// Its name, unique in the service, of letters, digits and `_`: `line_webhook`. All replicas share it; what was handled is
    /// remembered under it.
    pub name: &'static str,
    /// The stream.
    pub stream: Stream,
    /// Which events of the stream; none: all.
    pub subjects: Vec<Filter>,
    /// How many transactions at once in each replica.
    pub concurrency: usize,
    /// How many events of one tenant may share a transaction, 1 for none. Nothing changes but the cost: when one of them
    /// cannot be handled, each gets its own transaction.
    pub batch: usize,
    /// Events of a tenant with the same key are handled one after the other, within a replica in the order they came.
    pub order_by: fn(&Incoming<B>) -> u64,
    /// When a message that fails is given up.
    pub patience: Patience,
    /// How long one try may take.
    pub timeout: Duration,
}

impl<B> ConsumerSpec<B> {
    /// A consumer of the whole stream with four transactions at once, one event each.
    pub fn new(name: &'static str, stream: Stream, order_by: fn(&Incoming<B>) -> u64) -> Self {
        Self {
            name,
            stream,
            subjects: Vec::new(),
            concurrency: 4,
            batch: 1,
            order_by,
            patience: Patience::default(),
            timeout: Duration::from_secs(30),
        }
    }
}

/// A key for [`ConsumerSpec::order_by`]: a hash of what the events are about.
#[must_use]
pub fn key(of: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    of.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Runs a consumer under `host` until it stops: what is in hand is finished then, and the rest given back.
pub fn spawn<H: Handler>(host: &Host, bus: &Bus, database: &Database, spec: ConsumerSpec<H::Body>, handler: H) {
    let name = spec.name;
    let consumer = Arc::new(Consumer {
        bus: bus.clone(),
        database: database.clone(),
        number: inbox::consumer_number(name),
        dispatch: Dispatch::default(),
        in_hand: InHand::default(),
        clock: host.clock(),
        stopping: host.stopping(),
        handler,
        spec,
    });
    host.spawn(format!("{name}.intake"), Arc::clone(&consumer).take_in());
    host.spawn(format!("{name}.retry"), Arc::clone(&consumer).retry());
    host.spawn(format!("{name}.claims"), Arc::clone(&consumer).keep_claims());
    for _ in 0..consumer.spec.concurrency.max(1) {
        host.spawn(format!("{name}.worker"), Arc::clone(&consumer).work());
    }
}

struct Consumer<H: Handler> {
    bus: Bus,
    database: Database,
    spec: ConsumerSpec<H::Body>,
    /// The name in the inbox.
    number: i32,
    handler: H,
    dispatch: Dispatch<H::Body>,
    in_hand: InHand,
    clock: Arc<dyn Clock>,
    stopping: CancellationToken,
}
