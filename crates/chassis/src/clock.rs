//! Which clock a process lives by: the machine's, one given by a test, or (development builds) one that is turned elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kernel::{Clock, SystemClock, Timestamp};

use crate::host::{Gate, HostConfig};

const EVERY: Duration = Duration::from_millis(50);
const LARGEST_ANSWER: usize = 1024;

/// The machine's clock and how far away the turned one is.
#[derive(Clone, Debug, Default)]
struct TurnedClock {
    ahead_micros: Arc<AtomicI64>,
}

impl Clock for TurnedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() + chrono::TimeDelta::microseconds(self.ahead_micros.load(Ordering::Relaxed))
    }
}

/// Keeps a process's clock in step with the turned one.
pub(crate) struct ClockKeeper {
    clock: TurnedClock,
    url: http::Uri,
    client: Client<HttpConnector, Empty<Bytes>>,
}

/// The clock of a process, and who must keep it.
pub(crate) fn choose(config: &HostConfig) -> (Arc<dyn Clock>, Option<ClockKeeper>) {
    let url = config.clock_url.as_ref().filter(|_| cfg!(debug_assertions)).and_then(|url| url.as_str().parse().ok());
    match (&config.clock, url) {
        (Some(clock), _) => (Arc::clone(clock), None),
        (None, Some(url)) => {
            let clock = TurnedClock::default();
            let client = Client::builder(TokioExecutor::new()).build_http();
            (Arc::new(clock.clone()), Some(ClockKeeper { clock, url, client }))
        }
        (None, None) => (Arc::new(SystemClock), None),
    }
}

#[derive(serde::Deserialize)]
struct Answer {
    now: Timestamp,
}

impl ClockKeeper {
    /// Asks for the time for ever; opens `gate` with the first answer.
    pub(crate) async fn keep(self, gate: Gate) {
        let mut told = false;
        loop {
            match self.ask().await {
                Ok(now) => {
                    let ahead = (now - SystemClock.now()).num_microseconds().unwrap_or(0);
                    self.clock.ahead_micros.store(ahead, Ordering::Relaxed);
                    gate.set(true);
                    told = false;
                }
                Err(error) if !told => {
                    tracing::warn!(error = format!("{error:#}"), "the turned clock does not answer");
                    told = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn ask(&self) -> anyhow::Result<Timestamp> {
        let answer = self.client.get(self.url.clone()).await?;
        let body =
            Limited::new(answer.into_body(), LARGEST_ANSWER).collect().await.map_err(anyhow::Error::from_boxed)?;
        Ok(serde_json::from_slice::<Answer>(&body.to_bytes())?.now)
    }
}
