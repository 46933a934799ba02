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
        // Asked first: a body that always has more would go on for ever.
        if this.cut.as_mut().poll(context).is_ready() {
            this.end(Code::Unavailable);
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("14"));
            trailers.insert("grpc-message", HeaderValue::from_static("stopping"));
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
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

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    #[tokio::test]
    async fn a_body_that_always_has_more_is_ended_with_the_process() {
        let more = futures::stream::repeat_with(|| Ok::<_, Status>(Frame::data(Bytes::from_static(b"more"))));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let cut = Box::pin(stopped.map(drop));
        let mut body =
            WatchedBody::new(Body::new(StreamBody::new(more)), Record::new("/a/B"), tracing::Span::none(), cut);
        for _ in 0..3 {
            assert!(body.frame().await.unwrap().unwrap().is_data());
        }
        stop.send(()).unwrap();
        let last = body.frame().await.unwrap().unwrap();
        assert_eq!(code(last.trailers_ref().expect("the end")), Some(Code::Unavailable));
        assert!(body.frame().await.is_none());
    }
}
