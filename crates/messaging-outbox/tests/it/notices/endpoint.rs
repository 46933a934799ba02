//! An endpoint on loopback that answers what the test wants.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use chassis::config::Setting as _;
use chassis::egress::{Allowed, EgressConfig};
use ring::hmac;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A call of the endpoint.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) headers: HashMap<String, String>,
    pub(super) body: String,
}

pub(super) struct Endpoint {
    addr: SocketAddr,
    pub(super) authority: String,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Endpoint {
    /// Answers with one status after the other, the last one for ever; 0 hangs up.
    pub(super) async fn start(statuses: &[u16]) -> Self {
        let (acceptor, authority) = testkit::tls::on_loopback().unwrap();
        let listener = TcpListener::bind((IpAddr::from(Ipv4Addr::LOCALHOST), 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let statuses = Arc::new(Mutex::new(statuses.iter().copied().collect::<VecDeque<_>>()));
        let kept = Arc::clone(&calls);
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (acceptor, statuses, calls) = (acceptor.clone(), Arc::clone(&statuses), Arc::clone(&kept));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(socket).await else { return };
                    let Some(call) = read(&mut stream).await else { return };
                    calls.lock().unwrap().push(call);
                    let status = {
                        let mut statuses = statuses.lock().unwrap();
                        if statuses.len() > 1 { statuses.pop_front().unwrap() } else { statuses[0] }
                    };
                    if status > 0 {
                        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                        let _ = stream.write_all(answer.as_bytes()).await;
                        let _ = stream.shutdown().await;
                    }
                });
            }
        });
        Self { addr, authority, calls }
    }

    pub(super) fn url(&self) -> String {
        format!("https://127.0.0.1:{}/hook?shop=1", self.addr.port())
    }

    /// The same by a name that leads inside.
    pub(super) fn url_by_name(&self) -> String {
        format!("https://localhost:{}/hook", self.addr.port())
    }

    /// Allows `list`, and trusts the endpoint's certificate.
    pub(super) fn egress(&self, list: &str) -> EgressConfig {
        EgressConfig { allowed: Allowed::parse(list).unwrap(), authority: Some(self.authority.clone()) }
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

async fn read(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<Call> {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4_096];
        let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let headers: HashMap<String, String> = head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length: usize = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        if body.len() >= length {
            return Some(Call { headers, body: body.to_owned() });
        }
    }
}

impl Call {
    /// How many of its signatures were made with `secret`, and how many there are.
    pub(super) fn signed_by(&self, secret: &str) -> (usize, usize) {
        let header = &self.headers["tsunagi-signature"];
        let time = header.split(',').next().unwrap().strip_prefix("t=").unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let made = hmac::sign(&key, format!("{time}.{}", self.body).as_bytes());
        let made = hex::encode(made.as_ref());
        let signatures: Vec<&str> = header.split(',').filter_map(|part| part.strip_prefix("v1=")).collect();
        (signatures.iter().filter(|one| **one == made).count(), signatures.len())
    }
}
