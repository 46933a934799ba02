//! Calling another service: as this service's own principal, inside the present trace.

use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Request, Response};
use kernel::TenantId;
use tonic::body::Body;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tower::Service;
use url::{Host, Url};

use super::config::allow_plaintext;
use crate::config::{Secret, Settings};
use crate::trace;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// How another service is called.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Where it listens: `http://` on loopback, else `https://`.
    pub url: Url,
    /// The token of this service's principal.
    pub token: Secret,
    /// Whose certificates are trusted, PEM.
    pub authority: Option<String>,
    /// Whether the token may travel in the clear beyond loopback.
    pub allow_plaintext: bool,
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The token would travel in the clear.
    #[error("a service beyond loopback is called by https://, with the authority in TSUNAGI_TLS_AUTHORITY")]
    Plaintext,
    /// The token holds characters no token has.
    #[error("the token cannot be sent")]
    Token,
    /// The address or the authority's certificate cannot be used.
    #[error("the address or the authority's certificate cannot be used")]
    Endpoint(#[source] tonic::transport::Error),
}

/// A channel to another service, to make generated clients of: `SomeServiceClient::new(client.for_tenant(tenant))`.
///
/// Connects when it is first used, again whenever that is needed. Set a deadline on each call (`Request::set_timeout`).
#[derive(Clone, Debug)]
pub struct Client {
    channel: Channel,
    authorization: HeaderValue,
    tenant: Option<TenantId>,
}

impl ClientConfig {
    /// Reads how `service` calls `other` (both `ingest`, `identity`, `messaging` or `scheduler`).
    pub fn read(settings: &mut Settings, service: &str, other: &str) -> Self {
        Self {
            url: settings.required(
                &format!("TSUNAGI_{}_URL", other.to_ascii_uppercase()),
                "Where that service's gRPC methods are served: http:// on loopback, else https://.",
            ),
            token: settings.secret(
                &format!("TSUNAGI_{}_TOKEN", service.to_ascii_uppercase()),
                "The token of the service's own principal, with which it calls the others.",
            ),
            authority: settings.optional(
                "TSUNAGI_TLS_AUTHORITY",
                "Whose certificates the services trust when they call each other, PEM.",
            ),
            allow_plaintext: allow_plaintext(settings),
        }
    }
}

impl Client {
    /// A client of the service at `url`, on loopback.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn connect_lazy(url: &Url, token: &Secret) -> Result<Self, ClientError> {
        Self::connect(&ClientConfig { url: url.clone(), token: token.clone(), authority: None, allow_plaintext: false })
    }

    /// A client as `config` says. Nothing is sent yet.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn connect(config: &ClientConfig) -> Result<Self, ClientError> {
        let mut endpoint = Endpoint::from_shared(config.url.to_string())
            .map_err(ClientError::Endpoint)?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT)
            .keep_alive_while_idle(true);
        match (config.url.scheme(), &config.authority) {
            ("https", Some(authority)) => {
                let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority));
                endpoint = endpoint.tls_config(tls).map_err(ClientError::Endpoint)?;
            }
            ("http", _) if config.allow_plaintext || is_loopback(&config.url) => {}
            _ => return Err(ClientError::Plaintext),
        }
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {}", config.token.expose())).map_err(|_| ClientError::Token)?;
        authorization.set_sensitive(true);
        Ok(Self { channel: endpoint.connect_lazy(), authorization, tenant: None })
    }

    /// The same client, calling for `tenant`.
    #[must_use]
    pub fn for_tenant(&self, tenant: TenantId) -> Self {
        Self { tenant: Some(tenant), ..self.clone() }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

impl Service<Request<Body>> for Client {
    type Response = Response<Body>;
    type Error = tonic::transport::Error;
    type Future = <Channel as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::poll_ready(&mut self.channel, context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let headers = request.headers_mut();
        headers.insert("authorization", self.authorization.clone());
        if let Some(tenant) = self.tenant.and_then(|tenant| HeaderValue::try_from(tenant.to_string()).ok()) {
            headers.insert("tsunagi-tenant", tenant);
        }
        if let Some(trace) = trace::current().and_then(|trace| HeaderValue::try_from(trace.as_str()).ok()) {
            headers.insert("traceparent", trace);
        }
        Service::call(&mut self.channel, request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str, authority: Option<&str>, allow_plaintext: bool) -> ClientConfig {
        ClientConfig {
            url: url.parse().unwrap(),
            token: Secret::new("t".to_owned()),
            authority: authority.map(str::to_owned),
            allow_plaintext,
        }
    }

    #[tokio::test]
    async fn a_token_travels_in_the_clear_on_loopback_only() {
        for (url, allowed, fine) in [
            ("http://127.0.0.1:1", false, true),
            ("http://[::1]:1", false, true),
            ("http://localhost:1", false, true),
            ("http://identity:1", false, false),
            ("http://127.0.0.1.example.com:1", false, false),
            ("http://identity:1", true, true),
            ("https://identity:1", true, false),
        ] {
            assert_eq!(Client::connect(&config(url, None, allowed)).is_ok(), fine, "{url}");
        }
    }
}
