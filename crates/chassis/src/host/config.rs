//! The settings of a process's life.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kernel::Clock;
use url::Url;

use super::telemetry::TelemetryConfig;
use crate::config::Settings;
use crate::failpoint::FailPoints;

/// How a process lives.
#[derive(Clone)]
pub struct HostConfig {
    /// Where `/livez`, `/readyz` and `/metrics` are served.
    pub admin_addr: SocketAddr,
    /// How long a process that was ready serves on after the first signal, ready no more, before the end begins.
    pub drain_pause: Duration,
    /// How long the end may take then.
    pub drain: Duration,
    /// Whether SIGTERM and SIGINT stop the process.
    pub signals: bool,
    /// A clock instead of the machine's.
    pub clock: Option<Arc<dyn Clock>>,
    /// Where a turned clock is read from; development builds only.
    pub clock_url: Option<Url>,
    /// Whether the process is ready no sooner than its `main` has put it together; a host that is started otherwise does not wait.
    pub(crate) awaits_start: bool,
    pub(super) telemetry: TelemetryConfig,
    pub(super) failpoints: FailPoints,
}

impl HostConfig {
    /// Reads the settings of the process that runs `service` (`ingest`, `identity`, `messaging`, `scheduler`, …).
    pub fn read(settings: &mut Settings, service: &str) -> Self {
        let clock_url = settings.optional(
            "TSUNAGI_CLOCK_URL",
            "Development builds only: GET answers {\"now\": RFC 3339}, and the process lives at that time.",
        );
        if clock_url.is_some() && !cfg!(debug_assertions) {
            settings.mistake("TSUNAGI_CLOCK_URL", "works in development builds only");
        }
        Self {
            admin_addr: settings.required(
                &format!("TSUNAGI_{}_ADMIN_ADDR", service.to_ascii_uppercase()),
                "Where /livez, /readyz and /metrics are served. Keep it inside: it asks for no token.",
            ),
            drain_pause: Duration::from_secs(settings.or(
                "TSUNAGI_DRAIN_PAUSE_SECONDS",
                0,
                "How long the process serves on after SIGTERM while /readyz says 503 already, so that a balancer sends \
                 nothing more when the listeners close. Behind one: longer than it takes to notice.",
            )),
            drain: Duration::from_secs(settings.or(
                "TSUNAGI_DRAIN_SECONDS",
                25,
                "How long the process may take, after that pause, to finish what is in hand.",
            )),
            signals: true,
            clock: None,
            clock_url,
            awaits_start: false,
            telemetry: TelemetryConfig::read(settings),
            failpoints: FailPoints::read(settings),
        }
    }

    /// A life on a free loopback port, without signals, for tests and for programs that run several services in one
    /// process.
    #[must_use]
    pub fn loopback() -> Self {
        Self {
            admin_addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            drain_pause: Duration::ZERO,
            drain: Duration::from_secs(10),
            signals: false,
            clock: None,
            clock_url: None,
            awaits_start: false,
            telemetry: TelemetryConfig::default(),
            failpoints: FailPoints::default(),
        }
    }

    /// The same life at the time that `clock` tells.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..self }
    }
}
