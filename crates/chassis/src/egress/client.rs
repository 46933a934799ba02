//! The client.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};

use super::lookup::{ForbiddenAddress, Judged, Lookup, Machine};
use super::{Allowed, Target, TargetError};
use crate::config::Settings;

/// Longest wait for a connection, its name and its TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest call, connecting included.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// Idle connections kept for one host.
const IDLE_EACH: usize = 2;
/// The largest body that is sent.
const LARGEST_BODY: usize = 64 * 1024;
/// The longest `Retry-After` that is read, in bytes.
const LONGEST_RETRY_AFTER: usize = 64;

/// How addresses that somebody entered are called.
#[derive(Clone, Debug, Default)]
pub struct EgressConfig {
    /// What may be called beside the public internet.
    pub allowed: Allowed,
    /// Certificates of authorities, PEM, that are trusted beside the machine's own.
    pub authority: Option<String>,
}

impl EgressConfig {
    /// Reads `TSUNAGI_EGRESS_ALLOW` and `TSUNAGI_EGRESS_AUTHORITY`.
    pub fn read(settings: &mut Settings) -> Self {
        let authority: Option<String> = settings.optional(
            "TSUNAGI_EGRESS_AUTHORITY",
            "Whose certificates are trusted, beside those the machine trusts, when an address somebody entered is called, PEM.",
        );
        if authority.as_ref().is_some_and(|pem| certificates(pem).is_err()) {
            settings.mistake("TSUNAGI_EGRESS_AUTHORITY", "holds no certificate");
        }
        Self { allowed: Allowed::read(settings), authority }
    }
}

/// Why no client can be made.
#[derive(Debug, thiserror::Error)]
pub enum EgressSetupError {
    /// The authority's certificates cannot be used.
    #[error("the authority's certificates cannot be used")]
    Authority,
    /// The machine's trusted certificates cannot be used.
    #[error("the client for addresses that somebody entered cannot be made")]
    Client(#[source] reqwest::Error),
}

/// Why a call gave no status. Says nothing of where it was to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// What was to be sent is larger than it may be.
    #[error("the body is too large")]
    TooLarge,
    /// The name leads to an address that may not be called. Nothing was sent.
    #[error("the address may not be called")]
    Forbidden,
    /// There was no connection. Nothing was sent.
    #[error("nobody was reached")]
    NotReached,
    /// It was sent, or part of it, and no answer came in time.
    #[error("no answer came")]
    NoAnswer,
}

/// What is read of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressAnswer {
    /// Its status.
    pub status: StatusCode,
    /// The value of its `Retry-After`, unread: at most 64 visible characters.
    pub retry_after: Option<String>,
}

/// A client for addresses that somebody entered. Clones share its connections.
#[derive(Clone)]
pub struct Egress {
    http: Client,
    allowed: Allowed,
}

impl std::fmt::Debug for Egress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Egress").finish_non_exhaustive()
    }
}

impl Egress {
    /// With the machine's own resolver. A rustls crypto provider must be installed in the process.
    ///
    /// # Errors
    /// See [`EgressSetupError`].
    pub fn new(config: &EgressConfig) -> Result<Self, EgressSetupError> {
        Self::with_lookup(config, Arc::new(Machine))
    }

    /// The same with another resolver.
    ///
    /// # Errors
    /// See [`EgressSetupError`].
    pub fn with_lookup(config: &EgressConfig, lookup: Arc<dyn Lookup>) -> Result<Self, EgressSetupError> {
        let mut builder = Client::builder()
            .user_agent(concat!("tsunagi/", env!("CARGO_PKG_VERSION")))
            .https_only(true)
            .no_proxy()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_EACH)
            .dns_resolver(Judged { lookup, allowed: config.allowed.clone() });
        if let Some(pem) = &config.authority {
            builder = builder.tls_certs_merge(certificates(pem)?);
        }
        let http = builder.build().map_err(EgressSetupError::Client)?;
        Ok(Self { http, allowed: config.allowed.clone() })
    }

    /// Reads an address somebody entered. To be asked again before each call, for what is allowed may have changed since.
    ///
    /// # Errors
    /// Why it may not be called.
    pub fn target(&self, text: &str) -> Result<Target, TargetError> {
        Target::parse(text, &self.allowed)
    }

    /// Posts `body`, at most 64 KiB, once, and tells the status of the answer. Ends within ten seconds.
    ///
    /// # Errors
    /// See [`EgressError`].
    pub async fn post(&self, target: &Target, headers: HeaderMap, body: Bytes) -> Result<StatusCode, EgressError> {
        self.post_up_to(LARGEST_BODY, target, headers, body).await.map(|answer| answer.status)
    }

    /// The same for a body of up to `largest` bytes, and with what the answer says of a next time.
    ///
    /// # Errors
    /// See [`EgressError`].
    pub async fn post_up_to(
        &self,
        largest: usize,
        target: &Target,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<EgressAnswer, EgressError> {
        if body.len() > largest {
            return Err(EgressError::TooLarge);
        }
        let sent = self.http.post(target.url().clone()).headers(headers).body(body).send().await;
        let response = sent.map_err(|error| told(&error))?;
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.filter(|value| value.len() <= LONGEST_RETRY_AFTER).map(ToOwned::to_owned);
        Ok(EgressAnswer { status: response.status(), retry_after })
    }
}

/// What a failed call means. The error itself is dropped: it would show the address.
fn told(error: &reqwest::Error) -> EgressError {
    let mut causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    if causes.any(<dyn std::error::Error + 'static>::is::<ForbiddenAddress>) {
        EgressError::Forbidden
    } else if error.is_connect() || error.is_builder() {
        EgressError::NotReached
    } else {
        EgressError::NoAnswer
    }
}

fn certificates(pem: &str) -> Result<Vec<Certificate>, EgressSetupError> {
    let found = Certificate::from_pem_bundle(pem.as_bytes()).map_err(|_| EgressSetupError::Authority)?;
    if found.is_empty() { Err(EgressSetupError::Authority) } else { Ok(found) }
}
