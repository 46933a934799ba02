//! A clock for every instance of a service, which can be put ahead of the machine's or behind it while the process runs.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use chrono::TimeDelta;
use kernel::{Clock as _, SystemClock};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::service::Service;

/// How far ahead each clock is, by binary and index of the instance; none: not at all.
type Ahead = Arc<Mutex<BTreeMap<(String, usize), TimeDelta>>>;

/// The clocks, served over loopback as `TSUNAGI_CLOCK_URL` wants them.
#[derive(Debug)]
pub struct Clocks {
    ahead: Ahead,
    addr: SocketAddr,
    serving: JoinHandle<()>,
}

impl Clocks {
    /// All as the machine's.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let ahead = Ahead::default();
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let router = Router::new().route("/{binary}/{index}", get(tell)).with_state(Arc::clone(&ahead));
        let serving = tokio::spawn(async move {
            // It ends with the platform alone.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { ahead, addr, serving })
    }

    /// Where an instance reads its clock.
    pub(crate) fn url(&self, service: Service, index: usize) -> String {
        format!("http://{}/{}/{index}", self.addr, service.binary())
    }

    /// Puts the clock of an instance so far ahead of the machine's; behind, where it is negative. The process has it 50 ms later.
    pub fn put(&self, service: Service, index: usize, ahead: TimeDelta) {
        let mut all = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert((service.binary().to_owned(), index), ahead);
    }

    /// Puts all clocks right.
    pub fn put_right(&self) {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Drop for Clocks {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn tell(State(ahead): State<Ahead>, Path(instance): Path<(String, usize)>) -> Json<Value> {
    let ahead = ahead.lock().unwrap_or_else(PoisonError::into_inner).get(&instance).copied().unwrap_or_default();
    Json(json!({ "now": SystemClock.now() + ahead }))
}
