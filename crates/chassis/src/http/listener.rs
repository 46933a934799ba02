//! The listener: a bounded number of connections, each with its own task and its limits.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::idle::Requests;
use super::tls::Tls;

/// Bytes of head and buffer that a connection may hold.
const LARGEST_BUFFER: usize = 64 * 1_024;
/// Connections the kernel holds until they are accepted.
const BACKLOG: u32 = 4_096;
/// Most requests at once on one HTTP/2 connection.
const STREAMS: u32 = 256;
/// HTTP/2 connections that do not answer a ping this long are closed.
const PING_EVERY: Duration = Duration::from_secs(20);
/// How long the other side of an idle connection has to go when it is told to.
const GONE_WITHIN: Duration = Duration::from_secs(1);

/// The listener and what it may hold open.
#[derive(Debug)]
pub struct Listener {
    /// Where connections come in.
    pub socket: TcpListener,
    /// Most connections at once; more wait in the kernel.
    pub connections: usize,
    /// How long a connection keeps its place without a request in hand: its first, its handshake included, or the next.
    pub idle: Duration,
    /// What encrypts the connections; none: something in front of the listener does.
    pub tls: Option<Tls>,
}

/// Listens; a burst of new connections waits in the kernel instead of being refused.
///
/// # Errors
/// When the address cannot be had.
pub fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

impl Listener {
    /// Has `answer` answer each request, told the address of who is connected, until `stopping`; then finishes the requests in
    /// hand.
    pub async fn serve<A, F, B>(self, stopping: CancellationToken, answer: A)
    where
        A: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        let mut server = auto::Builder::new(TokioExecutor::new());
        server.http1().max_buf_size(LARGEST_BUFFER);
        server
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(16 * 1_024)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_EVERY);
        let server = Arc::new(server);
        let connections = TaskTracker::new();
        let places = Arc::new(Semaphore::new(self.connections));
        while let Some((stream, peer, place)) = stopping.run_until_cancelled(accept(&self.socket, &places)).await {
            let answer = answer.clone();
            let requests = Requests::of_new_connection();
            let taking = Arc::clone(&requests);
            let service = service_fn(move |request| {
                let (answering, in_hand) = (answer(request, peer), taking.take());
                async move {
                    let answered = answering.await;
                    drop(in_hand);
                    Ok::<_, Infallible>(answered)
                }
            });
            let (server, stopping, idle) = (Arc::clone(&server), stopping.clone(), self.idle);
            let tls = self.tls.clone();
            connections.spawn(async move {
                let stream = match tls {
                    None => Either::Left(stream),
                    Some(tls) => match stopping.run_until_cancelled(tls.accept(stream, idle)).await {
                        Some(Ok(stream)) => Either::Right(stream),
                        // Its place is free again, and nobody else waited for it.
                        Some(Err(_)) | None => return drop(place),
                    },
                };
                let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service));
                // How a connection ends is the other side's business.
                tokio::select! {
                    _ = connection.as_mut() => {}
                    () = stopping.cancelled() => {
                        connection.as_mut().graceful_shutdown();
                        let _ = connection.await;
                    }
                    () = requests.none_for(idle) => {
                        connection.as_mut().graceful_shutdown();
                        tokio::select! {
                            _ = connection => {}
                            () = requests.none_for(GONE_WITHIN) => {}
                        }
                    }
                }
                drop(place);
            });
        }
        drop(self.socket);
        connections.close();
        connections.wait().await;
    }
}

/// The next connection, when there is room for it.
async fn accept(socket: &TcpListener, places: &Arc<Semaphore>) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    loop {
        #[expect(clippy::expect_used, reason = "the semaphore is never closed")]
        let place = Arc::clone(places).acquire_owned().await.expect("open");
        match socket.accept().await {
            Ok((stream, peer)) => {
                // An answer is one small packet: it must not wait for another.
                let _ = stream.set_nodelay(true);
                return (stream, peer, place);
            }
            Err(error) => {
                tracing::warn!(error = %error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
