//! Starting and stopping a simulator.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::control::{Control, ControlError};
use crate::platform::Platform;
use crate::recording::Recorder;
use crate::scenario::{Progress, Scenario, Speed, Wishes, begin};
use crate::state::books::{Counts, Detail, Duplicate};
use crate::{api, control, server};

/// How to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Loopback port; 0 takes a free one.
    pub port: u16,
    /// Makes IDs, tokens and dice repeatable.
    pub seed: u64,
    /// How much the books keep.
    pub detail: Detail,
    /// Writes every webhook delivery down in this file.
    pub record: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { port: 0, seed: rand::random(), detail: Detail::Full, record: None }
    }
}

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is not to be had.
    #[error("cannot listen on loopback")]
    Listen(#[source] std::io::Error),
    /// The HTTP client of the webhook sender could not be made.
    #[error("cannot make an HTTP client")]
    Client(#[source] reqwest::Error),
    /// The control client could not be made.
    #[error("cannot make a control client")]
    Control(#[source] ControlError),
    /// The recording cannot be begun.
    #[error("cannot write the recording")]
    Record(#[source] std::io::Error),
}

/// Why a scenario is not played.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PlayError {
    /// What is in the way.
    pub reason: String,
}

/// A running simulator. Stops when dropped; [`Simulator::stop`] also waits for its tasks.
#[derive(Debug)]
pub struct Simulator {
    platform: Arc<Platform>,
    control: Control,
}

impl Simulator {
    /// Starts on loopback.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
        let listener = TcpListener::bind(address).await.map_err(StartError::Listen)?;
        let base_url = format!("http://{}", listener.local_addr().map_err(StartError::Listen)?);
        let control = Control::new(&base_url).map_err(StartError::Control)?;
        let recorder = options.record.as_deref().map_or_else(|| Ok(Recorder::default()), Recorder::begin);
        let recorder = recorder.map_err(StartError::Record)?;
        let platform = Platform::new(options.seed, Clock::default(), base_url, recorder).map_err(StartError::Client)?;
        let platform = Arc::new(platform);
        platform.with(|world, _| world.books.reset(options.detail));
        let router = api::routes(&platform).merge(control::routes()).with_state(platform.clone());
        platform.tasks.spawn(server::serve(platform.clone(), listener, router));
        Ok(Self { platform, control })
    }

    /// Where it listens, without a trailing slash: api, data and login hosts, and `/control`.
    pub fn base_url(&self) -> &str {
        &self.platform.base_url
    }

    /// A client of the control API.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// The simulated time.
    pub fn clock(&self) -> Clock {
        self.platform.clock.clone()
    }

    /// The counters, read without HTTP.
    pub fn counts(&self) -> Counts {
        self.platform.with(|world, _| world.books.counts.clone())
    }

    /// Messages somebody was shown more than once, read without HTTP.
    pub fn duplicates(&self) -> Vec<Duplicate> {
        self.platform.with(|world, _| world.books.duplicates())
    }

    /// Begins to play a scenario; every account's webhooks go to `webhook`, if given, whatever the file says. The first receiver
    /// follows how far it is, the second hears of each step in words. Fails when something the file fixes is taken, or
    /// another scenario is being played.
    pub fn play(
        &self,
        scenario: Scenario,
        speed: Speed,
        webhook: Option<String>,
    ) -> Result<(watch::Receiver<Progress>, mpsc::UnboundedReceiver<String>), PlayError> {
        let (told, hearing) = mpsc::unbounded_channel();
        let wishes = Wishes { speed, webhook, told: Some(told) };
        let following =
            begin(&self.platform, scenario, wishes).map_err(|fault| PlayError { reason: fault.to_string() })?;
        Ok((following, hearing))
    }

    /// Stops and waits until nothing runs any more. Tells the first delivery's failure that could not be written down.
    pub async fn stop(self) -> std::io::Result<()> {
        self.platform.stop.cancel();
        self.platform.tasks.close();
        self.platform.tasks.wait().await;
        self.platform.recorder.end()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.platform.stop.cancel();
    }
}
