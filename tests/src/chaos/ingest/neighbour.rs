//! The other system that a shop's webhooks are forwarded to: it takes everything, and remembers what it was told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bytes::Bytes;
use line_types::signature::{ChannelSecret, Signature, VerifyingKey};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use uuid::Uuid;

use super::books::as_kept;

/// What it was told, and how often by somebody who could not sign it as LINE does.
#[derive(Debug, Default)]
struct Told {
    key: Option<VerifyingKey>,
    events: BTreeSet<Uuid>,
    forged: usize,
}

/// The running server.
#[derive(Clone, Debug)]
pub(super) struct Neighbour {
    addr: SocketAddr,
    /// Whose certificate is to be trusted, PEM.
    authority: String,
    told: Arc<Mutex<Told>>,
}

impl Neighbour {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let (acceptor, authority) = testkit::tls::on_loopback()?;
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let neighbour = Self { addr: tcp.local_addr()?, authority, told: Arc::default() };
        let router = Router::new().route("/webhook", post(take)).with_state(neighbour.clone());
        tokio::spawn(async move { axum::serve(Door { tcp, acceptor }, router).await });
        Ok(neighbour)
    }

    pub(super) fn url(&self) -> String {
        format!("https://{}/webhook", self.addr)
    }

    /// Signatures are verified with this secret from now on, as the neighbour would verify LINE's.
    pub(super) fn knows(&self, secret: &ChannelSecret) {
        self.told().key = Some(VerifyingKey::new(secret));
    }

    /// The events it was told of with a signature of LINE's.
    pub(super) fn events(&self) -> BTreeSet<Uuid> {
        self.told().events.clone()
    }

    /// Whether it was told of all these events, and of none under a signature that is not LINE's.
    ///
    /// # Errors
    /// When one of them is missing, or somebody signed.
    pub(super) fn has_all(&self, lasting: &BTreeSet<Uuid>) -> anyhow::Result<()> {
        let told = self.told();
        let untold = lasting.difference(&told.events).count();
        ensure!(untold == 0, "the neighbour was not told of {untold} of {} events", lasting.len());
        ensure!(told.forged == 0, "{} bodies were forwarded with another's signature", told.forged);
        Ok(())
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, headers: &HeaderMap, body: &[u8]) -> anyhow::Result<()> {
        let mut told = self.told();
        let keys = [told.key.clone().context("no secret yet")?];
        let header = headers.get("x-line-signature").context("no signature")?;
        Signature::verify(header.as_bytes(), body, &keys)?;
        let body: Value = serde_json::from_slice(body)?;
        let events = body["events"].as_array().context("no events")?;
        let ids = events.iter().map(|event| event["webhookEventId"].as_str().and_then(as_kept));
        told.events.extend(ids.collect::<Option<Vec<_>>>().context("an event without an ID")?);
        Ok(())
    }
}

/// The settings of services that may call it.
pub(super) fn settings(neighbour: &Neighbour) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("TSUNAGI_EGRESS_ALLOW".to_owned(), "127.0.0.1".to_owned()),
        ("TSUNAGI_EGRESS_AUTHORITY".to_owned(), neighbour.authority.clone()),
    ])
}

async fn take(State(neighbour): State<Neighbour>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if neighbour.hear(&headers, &body).is_err() {
        neighbour.told().forged += 1;
    }
    StatusCode::OK
}

/// Takes connections, one handshake at a time.
struct Door {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for Door {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((socket, addr)) = self.tcp.accept().await else { continue };
            if let Ok(stream) = self.acceptor.accept(socket).await {
                return (stream, addr);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

#[cfg(test)]
mod tests {
    use super::super::books::tests::id;
    use super::*;

    const SECRET: &str = "8c570fa6dd201bb328f1c1eac23a96d8";
    const ANOTHER: &str = "0123456789abcdef0123456789abcdef";

    /// A body of these events, and its signature by a secret.
    fn signed(secret: &str, events: &[u128]) -> (HeaderMap, Bytes) {
        let events = events.iter().map(|id| format!(r#"{{"webhookEventId":"{}"}}"#, ulid::Ulid(*id)));
        let body = format!(r#"{{"events":[{}]}}"#, events.collect::<Vec<_>>().join(","));
        let signature = line_types::signature::sign(&ChannelSecret::parse(secret).unwrap(), body.as_bytes());
        (HeaderMap::from_iter([("x-line-signature".parse().unwrap(), signature.parse().unwrap())]), body.into())
    }

    /// What becomes of it when somebody posts bodies: why it is not content with being told of two events.
    async fn told(bodies: Vec<(HeaderMap, Bytes)>) -> Option<String> {
        let neighbour = Neighbour::start().await.unwrap();
        neighbour.knows(&ChannelSecret::parse(SECRET).unwrap());
        for (headers, body) in bodies {
            assert_eq!(take(State(neighbour.clone()), headers, body).await, StatusCode::OK);
        }
        neighbour.has_all(&[1, 2].map(id).into()).err().map(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_neighbour_that_misses_an_event_or_hears_one_that_line_did_not_sign_says_so() {
        let both = || signed(SECRET, &[1, 2]);
        assert_eq!(told(vec![both()]).await, None);
        assert_eq!(told(vec![signed(SECRET, &[1]), both()]).await, None, "it may hear of one twice");
        let lost = "the neighbour was not told of 1 of 2 events".to_owned();
        assert_eq!(told(vec![signed(SECRET, &[1])]).await, Some(lost));
        let forged = Some("1 bodies were forwarded with another's signature".to_owned());
        assert_eq!(told(vec![both(), signed(ANOTHER, &[1])]).await, forged);
        let (headers, body) = both();
        let changed = body.iter().map(|byte| if *byte == b'1' { b'2' } else { *byte }).collect::<Vec<u8>>();
        assert_eq!(told(vec![both(), (headers, changed.into())]).await, forged);
        assert_eq!(told(vec![both(), (HeaderMap::new(), both().1)]).await, forged);
    }
}
