//! The other system: an https server on loopback that answers what the test wants.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use chassis::config::Setting as _;
use chassis::egress::{Allowed, EgressConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A call it got whole.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) path: String,
    pub(super) headers: HashMap<String, String>,
    pub(super) body: Bytes,
}

/// How it answers a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// With this status.
    Status(u16),
    /// With this status, and how many seconds to stay away.
    Later(u16, u64),
    /// With 200, so late.
    Slow(Duration),
    /// Never.
    Hang,
}

type Answering = Box<dyn FnMut(&Call) -> Answer + Send>;

/// The running server.
pub(super) struct Receiver {
    addr: SocketAddr,
    pub(super) authority: String,
    calls: Arc<Mutex<Vec<Call>>>,
    taken: Arc<Mutex<Vec<Call>>>,
    most_at_once: Arc<Mutex<(usize, usize)>>,
    answering: Arc<Mutex<Answering>>,
}

impl Receiver {
    /// Answers as `answering` says.
    pub(super) async fn start(answering: impl FnMut(&Call) -> Answer + Send + 'static) -> Self {
        let (acceptor, authority) = testkit::tls::on_loopback().unwrap();
        let listener = TcpListener::bind((IpAddr::from(Ipv4Addr::LOCALHOST), 0)).await.unwrap();
        let receiver = Self {
            addr: listener.local_addr().unwrap(),
            authority,
            calls: Arc::default(),
            taken: Arc::default(),
            most_at_once: Arc::default(),
            answering: Arc::new(Mutex::new(Box::new(answering))),
        };
        let (calls, taken) = (Arc::clone(&receiver.calls), Arc::clone(&receiver.taken));
        let (answering, at_once) = (Arc::clone(&receiver.answering), Arc::clone(&receiver.most_at_once));
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (acceptor, calls, taken) = (acceptor.clone(), Arc::clone(&calls), Arc::clone(&taken));
                let (answering, at_once) = (Arc::clone(&answering), Arc::clone(&at_once));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(socket).await else { return };
                    let Some(call) = Box::pin(read(&mut stream)).await else { return };
                    {
                        let mut at_once = at_once.lock().unwrap();
                        at_once.0 += 1;
                        at_once.1 = at_once.1.max(at_once.0);
                    }
                    let answer = {
                        calls.lock().unwrap().push(call.clone());
                        (answering.lock().unwrap())(&call)
                    };
                    let (status, more) = match answer {
                        Answer::Status(status) => (status, String::new()),
                        Answer::Later(status, seconds) => (status, format!("retry-after: {seconds}\r\n")),
                        Answer::Slow(long) => {
                            let _ = tokio::time::timeout(long, std::future::pending::<()>()).await;
                            (200, String::new())
                        }
                        Answer::Hang => std::future::pending().await,
                    };
                    if status < 300 {
                        taken.lock().unwrap().push(call);
                    }
                    at_once.lock().unwrap().0 -= 1;
                    let head = format!("HTTP/1.1 {status} X\r\n{more}content-length: 0\r\nconnection: close\r\n\r\n");
                    let _ = stream.write_all(head.as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        receiver
    }

    /// Takes everything.
    pub(super) async fn taking() -> Self {
        Self::start(|_| Answer::Status(200)).await
    }

    /// Answers as `answering` says from now on.
    pub(super) fn answer(&self, answering: impl FnMut(&Call) -> Answer + Send + 'static) {
        *self.answering.lock().unwrap() = Box::new(answering);
    }

    pub(super) fn url(&self) -> String {
        format!("https://127.0.0.1:{}/line/secret-path?shop=1", self.addr.port())
    }

    /// The same by a name that leads inside.
    pub(super) fn url_by_name(&self) -> String {
        format!("https://localhost:{}/line/secret-path", self.addr.port())
    }

    /// Allows `list`, and trusts the certificates of these.
    pub(super) fn egress(list: &str, receivers: &[&Self]) -> EgressConfig {
        let authority: String = receivers.iter().map(|receiver| receiver.authority.as_str()).collect();
        EgressConfig { allowed: Allowed::parse(list).unwrap(), authority: Some(authority) }
    }

    /// Every call, in the order they came.
    pub(super) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Those it answered with success, in that order.
    pub(super) fn taken(&self) -> Vec<Call> {
        self.taken.lock().unwrap().clone()
    }

    /// Calls it has in hand now; who hung up on one that it never answers is among them.
    pub(super) fn at_once(&self) -> usize {
        self.most_at_once.lock().unwrap().0
    }

    /// Most calls it had in hand at once.
    pub(super) fn most_at_once(&self) -> usize {
        self.most_at_once.lock().unwrap().1
    }
}

impl Call {
    pub(super) fn delivery_id(&self) -> &str {
        &self.headers["tsunagi-delivery-id"]
    }

    /// What a text in the body says behind `"n":`.
    pub(super) fn number(&self) -> usize {
        let text = str::from_utf8(&self.body).unwrap();
        let behind = text.split_once(r#""n":"#).unwrap().1;
        behind.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Call> {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 16_384];
        let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let headers: HashMap<String, String> = head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length: usize = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        if bytes.len() >= end + 4 + length {
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            return Some(Call { path, headers, body: Bytes::copy_from_slice(&bytes[end + 4..end + 4 + length]) });
        }
    }
}
