//! Until a connection has said enough to tell its protocol by, nothing else bounds how long it may be silent: the limits on
//! heads and on idling are the protocols' own.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// Length of the preface of HTTP/2 (RFC 9113, 3.4), by which it is told from HTTP/1.1.
const PREFACE: usize = 24;

/// A connection that fails when its first bytes are not there in time.
pub(super) struct FirstBytes {
    stream: TcpStream,
    /// None once they are there.
    deadline: Option<Pin<Box<Sleep>>>,
    read: usize,
}

impl FirstBytes {
    pub(super) fn within(limit: Duration, stream: TcpStream) -> Self {
        Self { stream, deadline: Some(Box::pin(tokio::time::sleep(limit))), read: 0 }
    }
}

impl AsyncRead for FirstBytes {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut this.stream).poll_read(context, buffer);
        let Some(deadline) = &mut this.deadline else { return outcome };
        this.read += buffer.filled().len() - before;
        if this.read >= PREFACE {
            this.deadline = None;
        } else if outcome.is_pending() && deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        outcome
    }
}

impl AsyncWrite for FirstBytes {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
