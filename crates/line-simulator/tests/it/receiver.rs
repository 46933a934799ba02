//! A webhook endpoint on loopback that remembers what it got and answers as told.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// One received webhook request.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) signature: String,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn events(&self) -> Vec<Value> {
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        body["events"].as_array().unwrap().clone()
    }
}

#[derive(Debug, Default)]
struct Inner {
    received: Mutex<Vec<Received>>,
    statuses: Mutex<Vec<u16>>,
    count: watch::Sender<usize>,
}

/// The endpoint. Its server ends with the test's runtime.
#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    inner: Arc<Inner>,
    pub(crate) url: String,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let inner = Arc::new(Inner::default());
        let router = Router::new().route("/hook", post(take)).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { inner, url }
    }

    /// The next requests are answered with these, then with 200 again.
    pub(crate) fn answer_next(&self, statuses: &[u16]) {
        self.inner.statuses.lock().unwrap().extend(statuses);
    }

    /// Everything received so far, once there are at least `count` requests.
    pub(crate) async fn requests(&self, count: usize) -> Vec<Received> {
        let mut seen = self.inner.count.subscribe();
        let enough = seen.wait_for(|n| *n >= count);
        tokio::time::timeout(Duration::from_secs(10), enough).await.expect("webhooks in time").unwrap();
        self.inner.received.lock().unwrap().clone()
    }

    /// The events of everything received so far, once there are at least `count` requests.
    pub(crate) async fn events(&self, count: usize) -> Vec<Value> {
        self.requests(count).await.iter().flat_map(Received::events).collect()
    }
}

async fn take(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers["x-line-signature"].to_str().unwrap().to_owned();
    inner.received.lock().unwrap().push(Received { signature, body });
    let status = {
        let mut statuses = inner.statuses.lock().unwrap();
        if statuses.is_empty() { 200 } else { statuses.remove(0) }
    };
    inner.count.send_modify(|n| *n += 1);
    StatusCode::from_u16(status).unwrap()
}
