//! The gRPC server of a service.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use contracts::{AccessRules, RuleError};
use http::Request;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::{Routes, RoutesBuilder};
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower::Service;

use super::GrpcConfig;
use super::listener::encrypted;
use super::open_streams::OpenStreamsLayer;
use super::watch::WatchLayer;
use crate::auth::{AuthLayer, Directory};
use crate::host::Host;
use crate::tls::{Certificate, TlsError};

const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
const STREAMS_A_CONNECTION: u32 = 512;
const LARGEST_HEADERS: u32 = 16 * 1024;

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A method does not say who may call it.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// The listener is not on loopback and has no certificate.
    #[error("the gRPC listener {0} is not on loopback and has no certificate")]
    Plaintext(SocketAddr),
    /// The certificate or its key cannot be used.
    #[error("the certificate cannot be used")]
    Tls(#[from] TlsError),
    /// The address cannot be had.
    #[error("the gRPC listener cannot have {0}")]
    Bind(SocketAddr, #[source] std::io::Error),
    /// The descriptors of the proto files cannot be served.
    #[error("the proto files cannot be described")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Services, health and reflection behind one listener. Every method but health asks for a token.
///
/// Messages are at most 4 MiB; the caller's `grpc-timeout` is kept; calls are counted, timed and traced by method.
#[derive(Debug)]
pub struct Server {
    config: GrpcConfig,
    directory: Directory,
    routes: RoutesBuilder,
    names: Vec<&'static str>,
    health: HealthReporter,
}

impl Server {
    /// A server for `listener` (an address, or a [`GrpcConfig`]) that lets in whom `directory` knows.
    #[must_use]
    pub fn new(host: &Host, listener: impl Into<GrpcConfig>, directory: Directory) -> Self {
        tracing::debug!(service = host.name(), "a gRPC server is put together");
        let (health, health_service) = tonic_health::server::health_reporter();
        let mut routes = Routes::builder();
        routes.add_service(health_service);
        Self { config: listener.into(), directory, routes, names: Vec::new(), health }
    }

    /// Adds a service: `SomeServiceServer::new(…)`.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "it adds a service to a server, as tonic's own builders do")]
    pub fn add<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Error = Infallible> + NamedService + Clone + Send + Sync + 'static,
        S::Response: axum::response::IntoResponse,
        S::Future: Send + 'static,
    {
        self.routes.add_service(service);
        self.names.push(S::NAME);
        self
    }

    /// Binds the listener, serves under `host` until it stops, and tells the address. In the end calls in hand are finished;
    /// streams that do not end by themselves are ended with `UNAVAILABLE`.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub fn spawn(mut self, host: &Host) -> Result<SocketAddr, ServerError> {
        let rules = AccessRules::load()?;
        if !self.config.is_safe() {
            return Err(ServerError::Plaintext(self.config.addr));
        }
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(contracts::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()?;
        self.routes.add_service(reflection);
        let server = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(PING_EVERY))
            .http2_keepalive_timeout(Some(PING_TIMEOUT))
            .max_concurrent_streams(STREAMS_A_CONNECTION)
            .http2_max_header_list_size(LARGEST_HEADERS);
        let tls =
            self.config.tls.take().map(|config| Certificate::load(&config).map(|shown| (config, shown))).transpose()?;
        let encrypts = tls.is_some();
        let bind = |error| ServerError::Bind(self.config.addr, error);
        let incoming = TcpIncoming::bind(self.config.addr).map_err(bind)?.with_nodelay(Some(true));
        let addr = incoming.local_addr().map_err(bind)?;
        let router = server
            .layer(WatchLayer::new(host, rules.clone(), self.config.calls_at_once))
            .layer(AuthLayer::new(self.directory, rules.clone(), host.clock()))
            .layer(OpenStreamsLayer::new(rules, self.config.streams_each))
            .add_routes(self.routes.routes());
        let stopping = host.stopping();
        if let Some((config, certificate)) = tls {
            let incoming = encrypted(incoming, certificate.server(&[b"h2"])?);
            if config.files.is_some() {
                host.spawn("grpc.certificate", certificate.follow(config, host.stopping()));
            }
            host.spawn("grpc", async move {
                Ok(router.serve_with_incoming_shutdown(incoming, stopping.cancelled_owned()).await?)
            });
        } else {
            host.spawn("grpc", async move {
                Ok(router.serve_with_incoming_shutdown(incoming, stopping.cancelled_owned()).await?)
            });
        }
        host.spawn("grpc.health", tell_health(host.clone(), self.health, self.names));
        tracing::info!(listener = "grpc", address = %addr, tls = encrypts, "listening");
        Ok(addr)
    }
}

/// Health of the server (the empty name) and of each service follows the process's readiness.
async fn tell_health(host: Host, health: HealthReporter, names: Vec<&'static str>) -> anyhow::Result<()> {
    loop {
        let (leaving, ready) = (host.readiness().is_leaving(), host.readiness().is_ready());
        let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        for name in names.iter().copied().chain([""]) {
            health.set_service_status(name, status).await;
        }
        if leaving {
            // Who asks during the pause before the end is told the same.
            host.stopping().cancelled().await;
            return Ok(());
        }
        host.readiness().changed_from(ready).await;
    }
}
