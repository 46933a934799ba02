//! The whole platform in one process, for development: the four services under one host, and the simulator as LINE.
//!
//! The services talk to each other over loopback gRPC and a real NATS, with a real Postgres beneath: there is no second
//! wiring. Time is the simulator's, so that turning its clock turns the platform's.

mod settings;

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Context as _;
use chassis::config::Settings;
use chassis::postgres::{Database, PostgresConfig, migrate};
use chassis::{Host, HostConfig, Program};
use kernel::Clock;
use line_simulator::Simulator;

use crate::stage::{Caller, Stage};
use settings::{Addresses, LocalSettings};

/// The four services.
pub const PROGRAMS: [&Program; 4] =
    [&identity_linking::PROGRAM, &webhook_ingest::PROGRAM, &messaging_outbox::PROGRAM, &scheduler::PROGRAM];

/// The servers to stand on.
#[derive(Clone, Debug)]
pub struct Servers {
    /// Postgres as a user who may make roles and schemas.
    pub postgres: url::Url,
    /// NATS with JetStream.
    pub nats: String,
}

impl Servers {
    /// Reads `TSUNAGI_DATABASE_URL` and `TSUNAGI_NATS_URL`.
    ///
    /// # Errors
    /// When one is missing or malformed; both are told at once.
    pub fn from_env() -> anyhow::Result<Self> {
        let mut settings = Settings::from_env();
        let servers = Self {
            postgres: settings.required("TSUNAGI_DATABASE_URL", "Postgres, as a user who may make roles and schemas."),
            nats: settings.required("TSUNAGI_NATS_URL", "NATS with JetStream."),
        };
        settings.finish()?;
        Ok(servers)
    }
}

/// The running platform. Everything ends with it.
#[derive(Debug)]
pub struct Local {
    stage: Stage,
    host: Host,
    // Held for their lives.
    _apps: Apps,
    simulator: Simulator,
}

#[derive(Debug)]
struct Apps {
    _identity: identity_linking::App,
    _ingest: webhook_ingest::App,
    _messaging: messaging_outbox::App,
    _scheduler: scheduler::App,
}

impl Local {
    /// Migrates, makes the services' principals, and starts everything on free loopback ports.
    pub async fn start(servers: &Servers) -> anyhow::Result<Self> {
        for program in PROGRAMS {
            migrate(servers.postgres.as_str(), program.service, program.migrations)
                .await
                .with_context(|| format!("the schema {} is not migrated", program.service))?;
        }
        let simulator = Simulator::start(line_simulator::Options::default()).await?;
        let clock: Arc<dyn Clock> = Arc::new(simulator.clock());
        let mut life = HostConfig::loopback().with_clock(Arc::clone(&clock));
        life.signals = true;
        let host = Host::start("tsunagi", life)?;

        let addresses = Addresses::free().await?;
        let mut given = LocalSettings::new(servers, &addresses, simulator.base_url())?;
        let database = Database::connect("identity", &PostgresConfig::at(given.postgres())).await?;
        database.tend(&host);
        for program in PROGRAMS {
            let (_, token) = identity_linking::bootstrap::create_service(&database, &*clock, program.name).await?;
            given.set_token(program.service, token.expose());
        }
        let (_, token) = identity_linking::bootstrap::create_operator(&database, &*clock, "operator").await?;

        let mut settings = given.into_settings();
        let identity = identity_linking::Config::read(&mut settings);
        let ingest = webhook_ingest::Config::read(&mut settings);
        let messaging = messaging_outbox::Config::read(&mut settings);
        let scheduler = scheduler::Config::read(&mut settings);
        settings.finish()?;
        let apps = Apps {
            _identity: identity_linking::App::build(identity, &host).await.context("identity-linking")?,
            _ingest: webhook_ingest::App::build(ingest, &host).await.context("webhook-ingest")?,
            _messaging: messaging_outbox::App::build(messaging, &host).await.context("messaging-outbox")?,
            _scheduler: scheduler::App::build(scheduler, &host).await.context("scheduler")?,
        };
        let url = |port: u16| format!("http://{}:{port}", Ipv4Addr::LOCALHOST);
        let stage = Stage {
            operator: Caller::new(token.expose()),
            identity: url(addresses.identity),
            messaging: url(addresses.messaging),
            ingest: url(addresses.ingest),
            scheduler: url(addresses.scheduler),
            webhooks: url(addresses.webhooks),
            pages: url(addresses.pages),
            line: simulator.control(),
        };
        Ok(Self { stage, host, _apps: apps, simulator })
    }

    /// The platform, seen from outside.
    #[must_use]
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Where the simulator answers as LINE, and under `/control` to whoever plays a LINE user.
    #[must_use]
    pub fn simulator_url(&self) -> &str {
        self.simulator.base_url()
    }

    /// Does `work` on it, and leaves off when a signal or a dead part ends the platform beneath it.
    ///
    /// # Errors
    /// Those of the work; and that it was interrupted.
    pub async fn meanwhile<T>(&self, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let done = self.host.stopping().run_until_cancelled(work).await;
        done.unwrap_or_else(|| Err(anyhow::anyhow!("interrupted")))
    }

    /// Waits until a signal or a dead part ends it.
    ///
    /// # Errors
    /// When a part died or did not end in time.
    pub async fn wait(&self) -> anyhow::Result<()> {
        self.host.wait().await
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// When a part died or did not end in time.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.host.stop();
        self.host.wait().await
    }
}
