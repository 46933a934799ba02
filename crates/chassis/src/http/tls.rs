//! TLS on an HTTP listener, where nothing in front of it speaks it: HTTP/2 or HTTP/1.1, as the client prefers.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::host::Host;
use crate::tls::{Certificate, TlsConfig, TlsError};

/// How long a handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// What encrypts the connections of a listener. Clones share the certificate.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// Shows the certificate of `config`, and as long as `host` lives whatever its files hold later.
    ///
    /// # Errors
    /// When the certificate or its key cannot be used.
    pub fn spawn(config: TlsConfig, host: &Host) -> Result<Self, TlsError> {
        // Told as zero from the start: of a counter that appears with its first one, nobody sees that it rose.
        metrics::counter!("tsunagi_tls_handshakes_failed_total").increment(0);
        let certificate = Certificate::load(&config)?;
        let server = certificate.server(&[b"h2", b"http/1.1"])?;
        if config.files.is_some() {
            host.spawn("http.certificate", certificate.follow(config, host.stopping()));
        }
        Ok(Self(TlsAcceptor::from(Arc::new(server))))
    }

    /// The connection behind TLS, where the other side speaks it and ends its handshake within `limit`.
    pub(super) async fn accept(&self, stream: TcpStream, limit: Duration) -> io::Result<TlsStream<TcpStream>> {
        let shaken = tokio::time::timeout(limit.min(HANDSHAKE_WITHIN), self.0.accept(stream)).await;
        let shaken = shaken.map_err(io::Error::from).flatten();
        if shaken.is_err() {
            metrics::counter!("tsunagi_tls_handshakes_failed_total").increment(1);
        }
        shaken
    }
}
