//! A platform to play on: where its services are, who operates it, and the simulator's side of LINE. The demo plays its
//! story here, and the tests that cross services play theirs.

mod account;
mod caller;
mod form;
mod linking;
mod shop;
mod staffing;

use std::fmt::Display;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use kernel::Timestamp;
use line_simulator::Control;

pub use caller::{Caller, Connection, StaffKey};
pub use form::OpenForm;
pub use linking::{Submitted, texts};
pub(crate) use shop::says;
pub use shop::{Person, Shop};

/// How long the platform may take to show what happened.
const SHOWN_WITHIN: Duration = Duration::from_secs(20);

/// A running platform, seen from outside.
#[derive(Clone, Debug)]
pub struct Stage {
    /// May do everything over the platform.
    pub operator: Caller,
    /// identity-linking's gRPC address.
    pub identity: String,
    /// messaging-outbox's gRPC address.
    pub messaging: String,
    /// webhook-ingest's gRPC address.
    pub ingest: String,
    /// scheduler's gRPC address.
    pub scheduler: String,
    /// Where LINE sends webhooks, without the key and without a slash at the end.
    pub webhooks: String,
    /// The form pages, without a slash at the end.
    pub pages: String,
    /// LINE's side.
    pub line: Control,
}

impl Stage {
    /// Turns the clock that LINE, the services and their callers live by forwards, and tells what it shows.
    pub async fn turn(&self, by: TimeDelta) -> anyhow::Result<Timestamp> {
        let now = self.line.advance(by).await?;
        self.operator.turn(by);
        Ok(now)
    }

    /// The webhook address of the holder of `webhook_key`.
    #[must_use]
    pub fn webhook_url(&self, webhook_key: &str) -> String {
        format!("{}/line/webhooks/{webhook_key}", self.webhooks)
    }
}

/// Looks again and again until `look` finds something, at most for `within`; then tells what it saw last.
pub async fn until<T, E: Display>(within: Duration, mut look: impl AsyncFnMut() -> Result<T, E>) -> anyhow::Result<T> {
    const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(last) if begun.elapsed() > within => anyhow::bail!("not within {within:?}: {last}"),
            Err(_) => tokio::time::sleep(BETWEEN_LOOKS).await,
        }
    }
}
