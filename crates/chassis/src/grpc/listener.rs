//! TLS between the listener's sockets and the gRPC server: many handshakes at once, none for ever.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// Handshakes at once, at most; who comes then waits in the kernel's queue.
const HANDSHAKES_AT_ONCE: usize = 1024;

/// The connections of `incoming` behind TLS as `config` has it. One whose handshake fails is dropped and spoils nothing.
pub(super) fn encrypted(
    incoming: impl Stream<Item = io::Result<TcpStream>> + Send,
    config: ServerConfig,
) -> impl Stream<Item = io::Result<TlsStream<TcpStream>>> + Send {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let handshakes = incoming.map(move |connection| {
        let acceptor = acceptor.clone();
        async move {
            let shaken = tokio::time::timeout(HANDSHAKE_WITHIN, acceptor.accept(connection?)).await;
            match shaken.map_err(io::Error::from).flatten() {
                Ok(stream) => Ok(Some(stream)),
                Err(error) => {
                    tracing::debug!(error = %error, "a TLS handshake failed");
                    Ok(None)
                }
            }
        }
    });
    handshakes
        .buffer_unordered(HANDSHAKES_AT_ONCE)
        .filter_map(|shaken: io::Result<Option<TlsStream<TcpStream>>>| std::future::ready(shaken.transpose()))
}
