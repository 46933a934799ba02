//! The pages' listener.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use chassis::Host;
use chassis::http::{Listener, listen};
use tower::ServiceExt as _;

use super::config::PagesConfig;
use super::proof::Proofs;
use super::router::{Peer, Show, router};
use crate::linking::Desk;

/// How long a connection may lie idle, or take for a request's head: longer than an ingress keeps it.
const IDLE: Duration = Duration::from_secs(75);

/// The form pages.
pub(crate) struct Pages(Router);

impl Pages {
    /// The pages of a desk.
    pub(crate) fn new(desk: Arc<Desk>, proofs: Proofs, config: &PagesConfig) -> Self {
        Self(router(Arc::new(Show::new(desk, proofs, config))))
    }

    /// Binds the listener, serves under `host` until it stops, and tells the address. In the end requests in hand are finished.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub(crate) fn spawn(self, host: &Host, config: &PagesConfig) -> anyhow::Result<SocketAddr> {
        let socket =
            listen(config.addr).with_context(|| format!("the form pages' listener cannot have {}", config.addr))?;
        let addr = socket.local_addr()?;
        let listener = Listener { socket, connections: config.connections.get() as usize, idle: IDLE, tls: None };
        let Self(router) = self;
        let answer = move |request: http::Request<_>, peer: SocketAddr| {
            let (router, mut request) = (router.clone(), request.map(Body::new));
            request.extensions_mut().insert(Peer(peer.ip()));
            async move { router.oneshot(request).await.unwrap_or_else(|never| match never {}) }
        };
        let stopping = host.stopping();
        host.spawn("identity.pages", async move {
            listener.serve(stopping, answer).await;
            Ok(())
        });
        tracing::info!(listener = "pages", address = %addr, "listening");
        Ok(addr)
    }
}
