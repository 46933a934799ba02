//! The wiring, read top to bottom.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bus::Bus;
use bus::publish::Publisher;
use chassis::Host;
use chassis::auth::Directory;
use chassis::grpc::{Client, Server};
use chassis::http::{Listener, listen};
use chassis::postgres::Database;
use contracts::ingest::v1::archive_service_server::ArchiveServiceServer;
use tokio::sync::Semaphore;
use webhook_ingest_core::{SizeLimit, Window};

use crate::accounts::{AccountReplicas, Known};
use crate::archive::Archive;
use crate::commit::{Breaker, Flusher, Store, probe, queue};
use crate::config::Config;
use crate::findings::Findings;
use crate::http::{Door, Limits};
use crate::measures::Measures;
use crate::partitions::{self, Retention};
use crate::publish::{Again, Backlog, Highest, LEASE, Live, Marks, Sender, hand};
use crate::spill::{Kept, Mover, Spill};

/// Bodies that may wait for their commit.
const WAITING: usize = 8_192;
/// Events on their way to the stream at once; more than one body can hold.
const IN_FLIGHT: usize = 6_144;
/// Messages on their way to the spill stream at once.
const SPILLS_IN_FLIGHT: usize = 64;

/// The running service.
#[derive(Debug)]
pub struct App {
    http_addr: SocketAddr,
    grpc_addr: SocketAddr,
}

impl App {
    /// Binds the listeners and spawns everything under `host`. Postgres, NATS and identity-linking may be away: the service
    /// is ready when it has read its accounts once.
    ///
    /// # Errors
    /// When an address cannot be had or a setting cannot be used.
    pub async fn build(config: Config, host: &Host) -> anyhow::Result<Self> {
        let database =
            Database::connect("ingest", &config.postgres).await.context("the database's address is wrong")?;
        database.tend(host);
        let bus = Bus::connect(&config.bus, host).await?;
        let directory = Directory::follow(host, &database);
        let (clock, stopping) = (host.clock(), host.stopping());

        // Accounts: events into the table, the table into memory.
        let known = Known::default();
        let gate = host.readiness().gate("ingest.accounts");
        until_stopped(host, "ingest.accounts", known.clone().follow(database.clone(), config.seal_key.clone(), gate));
        let identity = config.identity.as_ref().map(|config| Client::following(config, host)).transpose()?;
        AccountReplicas::spawn(host, &bus, &database, identity.as_ref());
        bus::replica::spawn_directory(host, &bus, &database, identity.as_ref());

        // Publication: what was just committed, what was left behind, what a lost stream needs again.
        let sender = Sender { publisher: Publisher::new(&bus, IN_FLIGHT), highest: Highest::default() };
        let (hand, commits) = hand();
        let marks = Marks::default();
        let live = Live { commits, sender: sender.clone(), marks: marks.clone(), database: database.clone() };
        spawn(host, "ingest.publish.live", live.run());
        let backlog = Backlog { database: database.clone(), bus: bus.clone(), sender: sender.clone() };
        until_stopped(host, "ingest.publish.backlog", backlog.run());
        let highest = sender.highest.clone();
        let again = Again { database: database.clone(), bus: bus.clone(), highest, clock: host.clock() };
        until_stopped(host, "ingest.publish.again", again.run());

        // Durability: one queue, a few flushers, the spill stream beside them, and what was spilled on its way back.
        let breaker = Breaker::default();
        until_stopped(host, "ingest.breaker", probe(breaker.clone(), database.clone()));
        let kept = Kept::default();
        let publisher = Publisher::new(&bus, SPILLS_IN_FLIGHT);
        let spill = Spill { publisher, kept: kept.clone(), clock: host.clock() };
        let store = |lease| Store::new(&database, &breaker, &spill, host.clock(), lease);
        let measures = Arc::new(Measures::new());
        let (queue, outlet) = queue(WAITING);
        for _ in 0..config.flushers {
            let flusher = Flusher {
                outlet: outlet.clone(),
                store: store(LEASE),
                publishing: hand.clone(),
                marks: marks.clone(),
                measures: Arc::clone(&measures),
            };
            spawn(host, "ingest.flusher", flusher.run());
        }
        Mover::spawn(host, &bus, store(Duration::ZERO), kept.clone());
        until_stopped(host, "ingest.spill.kept", kept.run(store(Duration::ZERO)));

        let findings = Findings::default();
        let keeping = findings.clone().keep(database.clone(), stopping.clone());
        spawn(host, "ingest.findings", keeping);
        let retention = Retention { seen_days: config.seen_days, body_days: config.body_days };
        until_stopped(host, "ingest.partitions", partitions::keep(database.clone(), retention, host.clock()));

        let grpc_addr = Server::new(host, config.grpc, directory)
            .add(ArchiveServiceServer::new(Archive { database: database.clone() }))
            .add(bus::dead_letter::service(&database))
            .spawn(host)?;
        let limits = Limits { body: SizeLimit(config.body_limit), read: config.read_timeout };
        let memory = Semaphore::new(config.memory_kib.get() as usize);
        let window = Window::of_days(config.seen_days);
        let door = Arc::new(Door { known, queue, findings, measures, clock, window, limits, memory });
        let socket = listen(config.http_addr)
            .with_context(|| format!("the webhook listener cannot have {}", config.http_addr))?;
        let http_addr = socket.local_addr()?;
        let listener = Listener { socket, connections: config.connections.get() as usize, idle: config.idle_timeout };
        let answer = move |request, _| {
            let door = Arc::clone(&door);
            async move { door.answer(request).await }
        };
        spawn(host, "ingest.http", listener.serve(stopping, answer));
        tracing::info!(listener = "webhooks", address = %http_addr, "listening");
        Ok(Self { http_addr, grpc_addr })
    }

    /// Where webhooks are received.
    #[must_use]
    pub const fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Where `ArchiveService` is served.
    #[must_use]
    pub const fn grpc_addr(&self) -> SocketAddr {
        self.grpc_addr
    }
}

/// Runs a task that ends by itself once what feeds it has ended.
fn spawn(host: &Host, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    host.spawn(name, async move {
        task.await;
        Ok(())
    });
}

/// Runs an endless task that may be cut off anywhere.
fn until_stopped(host: &Host, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    let stopping = host.stopping();
    host.spawn(name, async move {
        stopping.run_until_cancelled(task).await;
        Ok(())
    });
}
