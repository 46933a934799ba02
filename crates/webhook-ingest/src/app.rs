//! The wiring, read top to bottom.

mod beside;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bus::Bus;
use bus::publish::Publisher;
use chassis::Host;
use chassis::auth::Directory;
use chassis::egress::Egress;
use chassis::grpc::Client;
use chassis::http::{Listener, Tls, listen};
use chassis::postgres::Database;
use tokio::sync::Semaphore;
use webhook_ingest_core::{SizeLimit, Window};

use self::beside::Shared;
use crate::accounts::{AccountReplicas, Known};
use crate::commit::{Breaker, Flusher, Store, probe, queue};
use crate::config::Config;
use crate::findings::Findings;
use crate::forwarding::Forwarded;
use crate::http::{Door, Limits};
use crate::measures::Measures;
use crate::partitions::Kept as KeptFor;
use crate::publish::{Again, Backlog, Highest, LEASE, Live, Marks, Sender, hand};
use crate::replay::{Consumers, Runner};
use crate::spill::{Kept, Mover, Spill};
use crate::vault::Vault;

/// Bodies that may wait for their commit.
const WAITING: usize = 8_192;
/// Events on their way to the stream at once; more than one body can hold.
const IN_FLIGHT: usize = 6_144;
/// Events of replays on their way at once: one portion.
const REPLAYED_IN_FLIGHT: usize = 256;
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

        let vault = Vault::new(config.master_keys.clone());

        // Accounts: events into the table, the table into memory.
        let known = Known::default();
        let gate = host.readiness().gate("ingest.accounts");
        let following = known.clone().follow(database.clone(), config.seal_key.clone(), vault.clone(), gate);
        until_stopped(host, "ingest.accounts", following);
        let identity = config.identity.as_ref().map(|config| Client::following(config, host)).transpose()?;
        AccountReplicas::spawn(host, &bus, &database, identity.as_ref());
        bus::replica::spawn_directory(host, &bus, &database, identity.as_ref());

        // Publication: what was just committed, what was left behind, what a lost stream needs again.
        let sender = Sender { publisher: Publisher::new(&bus, IN_FLIGHT), highest: Highest::default() };
        let (hand, commits) = hand();
        let marks = Marks::default();
        let live = Live { commits, sender: sender.clone(), marks: marks.clone(), database: database.clone() };
        spawn(host, "ingest.publish.live", live.run());
        let backlog =
            Backlog { database: database.clone(), vault: vault.clone(), bus: bus.clone(), sender: sender.clone() };
        until_stopped(host, "ingest.publish.backlog", backlog.run());
        let highest = sender.highest.clone();
        let again = Again { database: database.clone(), bus: bus.clone(), highest, clock: host.clock() };
        until_stopped(host, "ingest.publish.again", again.run());

        // Replays: what a person wants published once more, beside everything else.
        let runner = Runner {
            database: database.clone(),
            vault: vault.clone(),
            bus: bus.clone(),
            publisher: Publisher::new(&bus, REPLAYED_IN_FLIGHT),
            highest: sender.highest.clone(),
            consumers: Consumers(identity),
            clock: host.clock(),
            per_second: config.replayed_per_second,
        };
        until_stopped(host, "ingest.replay", runner.run());

        // Durability: one queue, a few flushers, the spill stream beside them, and what was spilled on its way back.
        let breaker = Breaker::default();
        until_stopped(host, "ingest.breaker", probe(breaker.clone(), database.clone()));
        let kept = Kept::default();
        let publisher = Publisher::new(&bus, SPILLS_IN_FLIGHT);
        let spill = Spill { publisher, kept: kept.clone(), vault: vault.clone(), clock: host.clock() };
        let forwarded = Forwarded::default();
        let store = |lease| Store::new(&database, &breaker, &spill, &vault, host.clock(), lease, &forwarded);
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
        Mover::spawn(host, &bus, store(Duration::ZERO), kept.clone(), vault.clone(), database.clone());
        until_stopped(host, "ingest.spill.kept", kept.clone().run(store(Duration::ZERO), vault.clone()));

        // Beside the way of a webhook.
        let egress = Egress::new(&config.egress).context("the client for addresses that tenants entered")?;
        let shared = Shared {
            database: database.clone(),
            vault: vault.clone(),
            bus: bus.clone(),
            known: known.clone(),
            forwarded: forwarded.clone(),
            findings: Findings::default(),
            clock: Arc::clone(&clock),
            window: Window::of_days(config.seen_days),
            kept: KeptFor { seen_days: config.seen_days, body_days: config.body_days },
        };
        shared.keep_findings(host);
        shared.forward(host, egress.clone(), kept);
        shared.tend_archive(host);
        let held = shared.hold(host);
        let grpc_addr = shared.serve(host, config.grpc, directory, egress)?;

        let Shared { findings, window, .. } = shared;
        let limits = Limits { body: SizeLimit(config.body_limit), read: config.read_timeout };
        let memory = Semaphore::new(config.memory_kib.get() as usize);
        let door = Arc::new(Door { known, queue, vault, findings, held, measures, clock, window, limits, memory });
        let socket = listen(config.http_addr)
            .with_context(|| format!("the webhook listener cannot have {}", config.http_addr))?;
        let http_addr = socket.local_addr()?;
        let tls = config.http_tls.map(|tls| Tls::spawn(tls, host)).transpose();
        let tls = tls.context("the certificate of the webhook listener")?;
        let encrypts = tls.is_some();
        let connections = config.connections.get() as usize;
        let listener = Listener { socket, connections, idle: config.idle_timeout, tls };
        let answer = move |request, _| {
            let door = Arc::clone(&door);
            async move { door.answer(request).await }
        };
        spawn(host, "ingest.http", listener.serve(stopping, answer));
        tracing::info!(listener = "webhooks", address = %http_addr, tls = encrypts, "listening");
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
