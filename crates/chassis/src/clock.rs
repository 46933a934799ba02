//! Which clock a process lives by: the machine's, one given by a test, or (development builds) one that is turned elsewhere.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
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
        SystemClock.now() + TimeDelta::microseconds(self.ahead_micros.load(Ordering::Relaxed))
    }
}

/// How far a process's clock is put ahead of the machine's, for whoever goes by the database's clock: development builds add it, so
/// that what is due by a turned clock comes by it. In release builds it is nothing.
#[derive(Clone)]
pub struct ClockTurn(Option<Arc<dyn Clock>>);

impl ClockTurn {
    /// The turn of `clock`, where that is not the machine's own.
    pub(crate) fn of(clock: Option<Arc<dyn Clock>>) -> Self {
        Self(clock.filter(|_| cfg!(debug_assertions)))
    }

    /// How far ahead it is now; negative where it was turned back. To be added to `now()` in a statement: `now() + $1`.
    #[must_use]
    pub fn ahead(&self) -> TimeDelta {
        self.0.as_ref().map_or_else(TimeDelta::zero, |clock| {
            let ahead = clock.now().signed_duration_since(SystemClock.now());
            TimeDelta::microseconds(ahead.num_microseconds().unwrap_or(0))
        })
    }
}

impl fmt::Debug for ClockTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClockTurn").field(&self.ahead()).finish()
    }
}

/// Keeps a process's clock in step with the turned one.
pub(crate) struct ClockKeeper {
    clock: TurnedClock,
    url: http::Uri,
    client: Client<HttpConnector, Empty<Bytes>>,
}

/// The clock of a process, how far it is turned, and who must keep it.
pub(crate) fn choose(config: &HostConfig) -> (Arc<dyn Clock>, ClockTurn, Option<ClockKeeper>) {
    let url = config.clock_url.as_ref().filter(|_| cfg!(debug_assertions)).and_then(|url| url.as_str().parse().ok());
    match (&config.clock, url) {
        (Some(clock), _) => (Arc::clone(clock), ClockTurn::of(Some(Arc::clone(clock))), None),
        (None, Some(url)) => {
            let clock = TurnedClock::default();
            let client = Client::builder(TokioExecutor::new()).build_http();
            let shown: Arc<dyn Clock> = Arc::new(clock.clone());
            (Arc::clone(&shown), ClockTurn::of(Some(shown)), Some(ClockKeeper { clock, url, client }))
        }
        (None, None) => (Arc::new(SystemClock), ClockTurn::of(None), None),
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

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::ManualClock;

    #[test]
    fn the_databases_clock_is_turned_with_the_processs_and_the_machines_not_at_all() {
        let clock = ManualClock::at(SystemClock.now() - TimeDelta::days(3));
        let (_, turn, _) = choose(&HostConfig::loopback().with_clock(Arc::new(clock.clone())));
        assert_eq!((turn.ahead() + TimeDelta::minutes(1)).num_days(), -2, "up to a minute behind");
        clock.turn(TimeDelta::days(5));
        assert_eq!((turn.ahead() + TimeDelta::minutes(1)).num_days(), 2);
        let (_, own, _) = choose(&HostConfig::loopback());
        assert_eq!(own.ahead(), TimeDelta::zero());
    }
}
