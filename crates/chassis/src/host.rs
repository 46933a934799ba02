//! The life of a process: telemetry, clock, tasks, signals, and an end under a deadline.
//!
//! Several services can live under one [`Host`]. A task that fails or ends early stops them all, and the exit code says so.

mod admin;
mod config;
mod process;
mod readiness;
mod signal;
mod tasks;
mod telemetry;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use kernel::Clock;
use tokio_util::sync::CancellationToken;

use crate::clock::{self, ClockTurn};

pub use config::HostConfig;
pub use readiness::{Gate, Readiness};
pub use tasks::HostError;

use tasks::Tasks;

/// What the parts of a process share. Cheap to clone.
#[derive(Clone)]
pub struct Host(Arc<Shared>);

struct Shared {
    name: &'static str,
    config: HostConfig,
    clock: Arc<dyn Clock>,
    clock_turn: ClockTurn,
    tasks: Tasks,
    readiness: Readiness,
    /// Closed until the process is put together; none where nobody says so.
    start: Option<Gate>,
    admin_addr: SocketAddr,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("name", &self.0.name).finish_non_exhaustive()
    }
}

impl Host {
    /// Starts the life of the process called `name`: logs, traces, figures, the admin listener, the clock and the signals.
    /// Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When the admin address cannot be bound or telemetry cannot be set up.
    pub fn start(name: &'static str, config: HostConfig) -> anyhow::Result<Self> {
        // Fails only when a provider is installed already, which is all that is wanted.
        let _ = rustls::crypto::ring::default_provider().install_default();
        telemetry::start(name, &config.telemetry).context("telemetry could not start")?;
        crate::failpoint::arm(&config.failpoints);
        let tasks = Tasks::new();
        let readiness = Readiness::new(tasks.leaving());
        // Before anybody can ask: the parts add their own gates one after the other.
        let start = config.awaits_start.then(|| readiness.gate("start"));
        let (clock, clock_turn, keeper) = clock::choose(&config);
        let admin = admin::bind(config.admin_addr)
            .with_context(|| format!("the admin listener cannot have {}", config.admin_addr))?;
        let admin_addr = admin.local_addr()?;
        let host = Self(Arc::new(Shared { name, config, clock, clock_turn, tasks, readiness, start, admin_addr }));
        host.serve_admin(admin)?;
        if let Some(keeper) = keeper {
            let gate = host.readiness().gate("clock");
            let stopping = host.stopping();
            host.spawn("clock", async move {
                stopping.run_until_cancelled(keeper.keep(gate)).await;
                Ok(())
            });
        }
        let stopping = host.stopping();
        host.spawn("telemetry.upkeep", async move {
            stopping.run_until_cancelled(telemetry::keep_up()).await;
            Ok(())
        });
        if host.0.config.signals {
            signal::watch(&host.0.tasks, host.readiness(), host.0.config.drain_pause)?;
        }
        tracing::info!(service = name, version = env!("CARGO_PKG_VERSION"), pid = std::process::id(), "started");
        Ok(host)
    }

    /// The process's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// Where the present comes from.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.0.clock)
    }

    /// How far the present is from the machine's, for what goes by the database's clock; nothing in release builds.
    #[must_use]
    pub fn clock_turn(&self) -> ClockTurn {
        self.0.clock_turn.clone()
    }

    /// Runs `task` until the process stops. It must watch [`Host::stopping`] and end soon after. When it fails, panics or
    /// ends before that, the whole process stops and [`Host::wait`] says why.
    pub fn spawn(&self, name: impl Into<String>, task: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        self.0.tasks.spawn(name.into(), task);
    }

    /// Cancelled when the process begins to stop: take nothing new, finish what is in hand.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.0.tasks.stopping()
    }

    /// Begins to stop, as the first SIGTERM does.
    pub fn stop(&self) {
        self.0.tasks.stop();
    }

    /// What must be true before the process is sent work.
    #[must_use]
    pub fn readiness(&self) -> &Readiness {
        &self.0.readiness
    }

    /// Says that the process is put together: every listener is bound, and every part has its own gate.
    pub(crate) fn started(&self) {
        if let Some(start) = &self.0.start {
            start.set(true);
        }
    }

    /// Where `/livez`, `/readyz` and `/metrics` are served.
    #[must_use]
    pub fn admin_addr(&self) -> SocketAddr {
        self.0.admin_addr
    }

    /// How long the end may take.
    #[must_use]
    pub fn drain_deadline(&self) -> std::time::Duration {
        self.0.config.drain
    }

    /// Waits for the end: until a signal, [`Host::stop`] or a dead part stops the process and every task has ended, or the
    /// drain deadline passed.
    ///
    /// # Errors
    /// When a part died, the deadline passed, or a second signal came. The process must end with a non-zero code then.
    pub async fn wait(&self) -> anyhow::Result<()> {
        let outcome = self.0.tasks.wait(self.0.config.drain).await;
        match &outcome {
            Ok(()) => tracing::info!("stopped"),
            Err(error) => tracing::error!(error = %error, "stopped, but not well"),
        }
        telemetry::flush().await;
        Ok(outcome?)
    }

    fn serve_admin(&self, listener: std::net::TcpListener) -> anyhow::Result<()> {
        let serving = admin::serve(listener, self.0.readiness.clone())?;
        // Beside the tracked tasks: it answers /readyz with 503 until the very end.
        tokio::spawn(serving);
        tracing::info!(listener = "admin", address = %self.0.admin_addr, "listening");
        Ok(())
    }
}
