//! A mail server that does what the test wants.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use messaging_outbox::{MailConfig, MailTls};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What becomes of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// 250.
    Take,
    /// 451 to the recipient: come again.
    Greylist,
    /// 550 to the recipient.
    Refuse,
    /// 452 to the whole letter.
    Full,
    /// 554 to the whole letter.
    RefuseWhole,
    /// Keeps the letter and hangs up without a word.
    HangUp,
}

pub(crate) struct MailServer {
    addr: SocketAddr,
    authority: Option<String>,
    /// Letters that were handed over whole, whatever was answered.
    letters: Arc<Mutex<Vec<String>>>,
}

impl MailServer {
    /// Acts so with one letter after the other, the last one for ever.
    pub(crate) async fn start(acts: &[Act]) -> Self {
        Self::open(acts, None).await
    }

    /// The same behind TLS from the first byte.
    pub(crate) async fn start_tls(acts: &[Act]) -> Self {
        let (acceptor, authority) = testkit::tls::on_loopback().unwrap();
        let server = Self::open(acts, Some(acceptor)).await;
        Self { authority: Some(authority), ..server }
    }

    async fn open(acts: &[Act], tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let letters = Arc::new(Mutex::new(Vec::new()));
        let acts = Arc::new(Mutex::new(acts.iter().copied().collect::<VecDeque<_>>()));
        let kept = Arc::clone(&letters);
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (tls, acts, letters) = (tls.clone(), Arc::clone(&acts), Arc::clone(&kept));
                tokio::spawn(async move {
                    // Whoever hangs up on the server ends the talk.
                    let _ = match tls {
                        None => talk(socket, &acts, &letters).await,
                        Some(tls) => match tls.accept(socket).await {
                            Ok(stream) => talk(stream, &acts, &letters).await,
                            Err(_) => Ok(()),
                        },
                    };
                });
            }
        });
        Self { addr, authority: None, letters }
    }

    pub(crate) fn config(&self) -> MailConfig {
        MailConfig {
            host: "127.0.0.1".to_owned(),
            port: self.addr.port(),
            tls: if self.authority.is_some() { MailTls::Implicit } else { MailTls::None },
            login: self
                .authority
                .as_ref()
                .map(|_| ("tsunagi".to_owned(), chassis::config::Secret::new("open sesame".to_owned()))),
            from: "Tsunagi <notices@shop.example>".to_owned(),
            authority: self.authority.clone(),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("smtp://{}", self.addr)
    }

    pub(crate) fn letters(&self) -> Vec<String> {
        self.letters.lock().unwrap().clone()
    }
}

fn next(acts: &Mutex<VecDeque<Act>>) -> Act {
    let mut acts = acts.lock().unwrap();
    if acts.len() > 1 { acts.pop_front().unwrap() } else { *acts.front().unwrap() }
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    acts: &Mutex<VecDeque<Act>>,
    letters: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 mail.test\r\n").await?;
    let mut act = None;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let command = std::mem::take(&mut line);
        let answer = match command.split([' ', ':', '\r']).next().unwrap_or_default() {
            "EHLO" => "250-mail.test\r\n250-AUTH PLAIN\r\n250 SIZE 1000000",
            "AUTH" if command.contains("AHRzdW5hZ2kAb3BlbiBzZXNhbWU=") => "235 welcome",
            "AUTH" => "535 nobody knows you",
            "MAIL" => "250 ok",
            "RCPT" => {
                let now = next(acts);
                act = Some(now);
                match now {
                    Act::Greylist => "451 come again",
                    Act::Refuse => "550 no such user",
                    _ => "250 ok",
                }
            }
            "DATA" => "354 go on",
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => "500 what",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        if answer.starts_with("354") {
            let mut letter = String::new();
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).await? == 0 {
                    return Ok(());
                }
                if line == ".\r\n" {
                    break;
                }
                letter.push_str(&line);
            }
            let act = act.unwrap();
            letters.lock().unwrap().push(letter);
            let answer = match act {
                Act::HangUp => return Ok(()),
                Act::Full => "452 full",
                Act::RefuseWhole => "554 no",
                _ => "250 taken",
            };
            stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
    }
    Ok(())
}
