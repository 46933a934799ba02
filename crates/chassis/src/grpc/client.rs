//! Calling another service: as this service's own principal, inside the present trace.

use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Request, Response};
use kernel::TenantId;
use tokio::sync::watch;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tower::Service;
use url::Url;

use super::authority::{TlsAuthority, Trusted};
use super::config::allow_plaintext;
use crate::config::{Secret, Settings};
use crate::host::Host;
use crate::tls::{self, TlsError};
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
    /// Whose certificates are trusted.
    pub authority: Option<TlsAuthority>,
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
    /// The address cannot be used.
    #[error("the address cannot be used")]
    Endpoint(#[source] tonic::transport::Error),
    /// The authority's certificate cannot be used.
    #[error("the authority's certificate cannot be used")]
    Tls(#[from] TlsError),
}

/// A channel to another service, to make generated clients of: `SomeServiceClient::new(client.for_tenant(tenant))`.
///
/// Connects when it is first used, again whenever that is needed. Set a deadline on each call (`Request::set_timeout`).
#[derive(Clone, Debug)]
pub struct Client {
    channel: Channel,
    /// The channel that trusts the authority as it stands.
    latest: watch::Receiver<Channel>,
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
            authority: TlsAuthority::read(settings),
            allow_plaintext: allow_plaintext(settings),
        }
    }

    fn way(&self) -> Result<Way, ClientError> {
        let endpoint = Endpoint::from_shared(self.url.to_string())
            .map_err(ClientError::Endpoint)?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT)
            .keep_alive_while_idle(true);
        match (self.url.scheme(), &self.authority) {
            ("https", Some(authority)) => {
                Ok(Way::Encrypted(Box::new(Trusted { endpoint, authority: authority.clone() })))
            }
            ("http", _) if self.allow_plaintext || is_loopback(&self.url) => Ok(Way::Clear(Box::new(endpoint))),
            _ => Err(ClientError::Plaintext),
        }
    }

    fn authorization(&self) -> Result<HeaderValue, ClientError> {
        let mut value =
            HeaderValue::try_from(format!("Bearer {}", self.token.expose())).map_err(|_| ClientError::Token)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// How a service is reached.
enum Way {
    Encrypted(Box<Trusted>),
    Clear(Box<Endpoint>),
}

impl Client {
    /// A client of the service at `url`, on loopback. Nothing is sent yet.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn on_loopback(url: &Url, token: &Secret) -> Result<Self, ClientError> {
        Self::new(&ClientConfig { url: url.clone(), token: token.clone(), authority: None, allow_plaintext: false })
    }

    /// A client as `config` says. Nothing is sent yet. The authority stays what it is.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn new(config: &ClientConfig) -> Result<Self, ClientError> {
        let channel = match config.way()? {
            Way::Encrypted(trusted) => trusted.channel()?,
            Way::Clear(endpoint) => endpoint.connect_lazy(),
        };
        let (_, latest) = watch::channel(channel.clone());
        Ok(Self { channel, latest, authorization: config.authorization()?, tenant: None })
    }

    /// A client as `config` says, which takes over the authority whenever its file changes, as long as `host` lives. Calls that are
    /// under way end on the connection they began on.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn following(config: &ClientConfig, host: &Host) -> Result<Self, ClientError> {
        let client = Self::new(config)?;
        let Way::Encrypted(trusted) = config.way()? else { return Ok(client) };
        if trusted.authority.file.is_none() {
            return Ok(client);
        }
        let (renewed, latest) = watch::channel(client.channel.clone());
        let (every, stopping) = (trusted.authority.looked_at_every, host.stopping());
        host.spawn(
            "grpc.authority",
            tls::follow(*trusted, every, stopping, move |channel| drop(renewed.send(channel))),
        );
        Ok(Self { latest, ..client })
    }

    /// The same client, calling for `tenant`.
    #[must_use]
    pub fn for_tenant(&self, tenant: TenantId) -> Self {
        Self { tenant: Some(tenant), ..self.clone() }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

impl Service<Request<Body>> for Client {
    type Response = Response<Body>;
    type Error = tonic::transport::Error;
    type Future = <Channel as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.latest.has_changed().unwrap_or(false) {
            self.channel = self.latest.borrow_and_update().clone();
        }
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
            authority: authority.map(|pem| TlsAuthority::fixed(pem.to_owned())),
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
            assert_eq!(Client::new(&config(url, None, allowed)).is_ok(), fine, "{url}");
        }
    }
}
