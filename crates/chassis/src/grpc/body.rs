//! The body of an answer: its trailers say how the call ended, and it is ended when the process stops.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tonic::body::Body;
use tonic::{Code, Status};

use super::watch::{Record, code};

type Cut = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A body that is watched to its end.
pub(super) struct WatchedBody {
    inner: Body,
    record: Option<Record>,
    span: tracing::Span,
    cut: Cut,
}

impl WatchedBody {
    /// Watches `inner`; when `cut` ends before it, the caller hears `UNAVAILABLE`.
    pub(super) fn new(inner: Body, record: Record, span: tracing::Span, cut: Cut) -> Self {
        Self { inner, record: Some(record), span, cut }
    }

    fn end(&mut self, code: Code) {
        if let Some(record) = self.record.take() {
            record.end(code);
        }
    }
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.record.is_none() {
            return Poll::Ready(None);
        }
        let _entered = this.span.clone().entered();
        match Pin::new(&mut this.inner).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    this.end(code(trailers).unwrap_or(Code::Unknown));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(status))) => {
                this.end(status.code());
                Poll::Ready(Some(Err(status)))
            }
            Poll::Ready(None) => {
                this.end(Code::Ok);
                Poll::Ready(None)
            }
            Poll::Pending if this.cut.as_mut().poll(context).is_ready() => {
                this.end(Code::Unavailable);
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", HeaderValue::from_static("14"));
                trailers.insert("grpc-message", HeaderValue::from_static("stopping"));
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.record.is_none() || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for WatchedBody {
    /// A body that is let go before its end belongs to a caller who went away.
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}
