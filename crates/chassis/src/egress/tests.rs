//! The client against real TLS servers on loopback, with a resolver that says what the test wants.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{Allowed, Egress, EgressConfig, EgressError, Lookup};
use crate::config::Setting as _;

const HOST: &str = "hooks.test";

/// Says one answer after another, the last one for ever.
#[derive(Default)]
struct Scripted {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Scripted {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let addresses = |texts: &&[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Self { answers: Mutex::new(answers.iter().map(addresses).collect()), asked: AtomicUsize::new(0) })
    }
}

impl Lookup for Scripted {
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
        assert_eq!(host, HOST);
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Box::pin(std::future::ready(answer.ok_or_else(|| std::io::Error::other("no such name: hooks.test"))))
    }
}

/// A server on loopback that answers each connection once.
struct Server {
    addr: SocketAddr,
    authority: String,
    heard: Arc<AtomicUsize>,
}

impl Server {
    async fn start(ip: Ipv4Addr, port: u16, answer: &'static str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec![HOST.to_owned()]).unwrap().self_signed(&key).unwrap();
        let chain = vec![certificate.der().clone()];
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let tls = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind((ip, port)).await.unwrap();
        let (addr, heard) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&heard);
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(socket).await else { return };
                    let mut buffer = [0; 8_192];
                    let _ = stream.read(&mut buffer).await;
                    if answer.is_empty() {
                        std::future::pending::<()>().await;
                    }
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self { addr, authority: certificate.pem(), heard }
    }

    fn heard(&self) -> usize {
        self.heard.load(Ordering::SeqCst)
    }

    fn client(&self, allow: &str, lookup: Arc<Scripted>) -> Egress {
        let config = EgressConfig { allowed: Allowed::parse(allow).unwrap(), authority: Some(self.authority.clone()) };
        Egress::with_lookup(&config, lookup).unwrap()
    }

    fn url(&self) -> String {
        format!("https://{HOST}:{}/path", self.addr.port())
    }
}

async fn post(egress: &Egress, url: &str) -> Result<StatusCode, EgressError> {
    egress.post(&egress.target(url).unwrap(), HeaderMap::new(), Bytes::from_static(b"{}")).await
}

const OK: &str = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn an_allowed_address_is_called_once_and_its_name_asked_for_once() {
    let server = Server::start(Ipv4Addr::LOCALHOST, 0, OK).await;
    let lookup = Scripted::new(&[&["127.0.0.1"]]);
    let egress = server.client("127.0.0.0/8", Arc::clone(&lookup));
    assert_eq!(post(&egress, &server.url()).await, Ok(StatusCode::NO_CONTENT));
    assert_eq!((server.heard(), lookup.asked.load(Ordering::SeqCst)), (1, 1));
    let by_name = server.client(HOST, Scripted::new(&[&["127.0.0.1"]]));
    assert_eq!(post(&by_name, &server.url()).await, Ok(StatusCode::NO_CONTENT));
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_called_in_whatever_family() {
    let server = Server::start(Ipv4Addr::LOCALHOST, 0, OK).await;
    for inside in [
        "127.0.0.1",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "fe80::1",
        "fd00:ec2::254",
        "64:ff9b::7f00:1",
    ] {
        for answer in [vec![inside], vec!["8.8.8.8", inside], vec![inside, "8.8.8.8"]] {
            let egress = server.client("", Scripted::new(&[&answer]));
            assert_eq!(post(&egress, &server.url()).await, Err(EgressError::Forbidden), "{answer:?}");
        }
    }
    assert_eq!(server.heard(), 0);
}

/// The answer that was judged is the one the connection goes to, and every new connection is judged anew.
#[tokio::test]
async fn a_name_that_changes_its_mind_leads_nowhere_else() {
    let good = Server::start(Ipv4Addr::new(127, 0, 0, 2), 0, OK).await;
    let bad = Server::start(Ipv4Addr::LOCALHOST, good.addr.port(), OK).await;
    let lookup = Scripted::new(&[&["127.0.0.2"], &["127.0.0.1"], &["127.0.0.2"], &["127.0.0.1"]]);
    let egress = good.client("127.0.0.2", Arc::clone(&lookup));
    assert_eq!(post(&egress, &good.url()).await, Ok(StatusCode::NO_CONTENT));
    assert_eq!(lookup.asked.load(Ordering::SeqCst), 1, "asked once, so nothing can change in between");
    assert_eq!(post(&egress, &good.url()).await, Err(EgressError::Forbidden));
    assert_eq!(post(&egress, &good.url()).await, Ok(StatusCode::NO_CONTENT));
    assert_eq!(post(&egress, &good.url()).await, Err(EgressError::Forbidden));
    assert_eq!((good.heard(), bad.heard()), (2, 0));
}

#[tokio::test]
async fn no_redirect_is_followed_and_its_status_told() {
    const ELSEWHERE: &str = "HTTP/1.1 307 Temporary Redirect\r\nlocation: https://hooks.test/inside\r\ncontent-length: \
                             0\r\nconnection: close\r\n\r\n";
    let server = Server::start(Ipv4Addr::LOCALHOST, 0, ELSEWHERE).await;
    let lookup = Scripted::new(&[&["127.0.0.1"]]);
    let egress = server.client("127.0.0.1", Arc::clone(&lookup));
    assert_eq!(post(&egress, &server.url()).await, Ok(StatusCode::TEMPORARY_REDIRECT));
    assert_eq!((server.heard(), lookup.asked.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn nobody_there_is_told_from_no_answer_and_neither_tells_where() {
    let server = Server::start(Ipv4Addr::LOCALHOST, 0, "\r\n\r\n").await;
    let egress = server.client("127.0.0.0/8", Scripted::new(&[&["127.0.0.1"]]));
    assert_eq!(post(&egress, &server.url()).await, Err(EgressError::NoAnswer), "what answers no HTTP");
    let nowhere = format!("https://{HOST}:1/");
    assert_eq!(post(&egress, &nowhere).await, Err(EgressError::NotReached));
    let unknown = server.client("127.0.0.0/8", Arc::default());
    assert_eq!(post(&unknown, &server.url()).await, Err(EgressError::NotReached), "a name that is none");
    let stranger = Egress::with_lookup(
        &EgressConfig { allowed: Allowed::parse("127.0.0.1").unwrap(), authority: None },
        Scripted::new(&[&["127.0.0.1"]]),
    );
    assert_eq!(
        post(&stranger.unwrap(), &server.url()).await,
        Err(EgressError::NotReached),
        "a certificate nobody knows"
    );
    for error in [EgressError::NotReached, EgressError::NoAnswer, EgressError::Forbidden, EgressError::TooLarge] {
        assert!(!format!("{error} {error:?}").contains(HOST));
    }
}

#[tokio::test]
async fn who_never_answers_is_left_and_what_is_too_large_not_sent() {
    let server = Server::start(Ipv4Addr::LOCALHOST, 0, "").await;
    let egress = server.client("127.0.0.1", Scripted::new(&[&["127.0.0.1"]]));
    let target = egress.target(&server.url()).unwrap();
    let large = Bytes::from(vec![b'x'; 64 * 1024 + 1]);
    assert_eq!(egress.post(&target, HeaderMap::new(), large).await, Err(EgressError::TooLarge));
    assert_eq!(server.heard(), 0);
    let began = tokio::time::Instant::now();
    assert_eq!(post(&egress, &server.url()).await, Err(EgressError::NoAnswer));
    assert!(began.elapsed() < Duration::from_secs(15));
}
