//! A stream goes on only as long as its caller may call: it ends when the principal is revoked or expires, when the staff member
//! is deactivated or sees something else from then on, and when either loses the right.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use tonic::Status;
use tonic::body::Body;

use crate::grpc::refuse;

/// How often it is looked at: a revocation reaches every service within five seconds, the event and its reading included.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(2);

/// Whether the caller may still call.
pub(super) type Holds = Box<dyn Fn() -> bool + Send>;

/// An answer that ends with its caller's rights.
pub(super) struct HeldBody {
    inner: Body,
    holds: Holds,
    look: Pin<Box<Sleep>>,
    over: bool,
}

impl HeldBody {
    pub(super) fn new(inner: Body, holds: Holds) -> Self {
        Self { inner, holds, look: Box::pin(tokio::time::sleep(LOOKED_AT_EVERY)), over: false }
    }
}

impl HttpBody for HeldBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(None);
        }
        // Twice at most: the second time asks to be woken for the next look.
        while this.look.as_mut().poll(context).is_ready() {
            if !(this.holds)() {
                this.over = true;
                let mut trailers = http::HeaderMap::new();
                return Poll::Ready(Some(match refuse::unauthenticated("TOKEN_REFUSED").add_header(&mut trailers) {
                    Ok(()) => Ok(Frame::trailers(trailers)),
                    Err(status) => Err(status),
                }));
            }
            this.look.as_mut().reset(Instant::now() + LOOKED_AT_EVERY);
        }
        Pin::new(&mut this.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    #[tokio::test]
    async fn a_body_that_always_has_more_ends_with_its_callers_rights() {
        let more = futures::stream::repeat_with(|| Ok::<_, Status>(Frame::data(Bytes::from_static(b"more"))));
        let mut body = HeldBody::new(Body::new(StreamBody::new(more)), Box::new(|| false));
        assert!(body.frame().await.unwrap().unwrap().is_data());
        body.look.as_mut().reset(Instant::now());
        let ended = tokio::time::timeout(Duration::from_secs(10), async {
            while body.frame().await.unwrap().unwrap().is_data() {
                tokio::task::yield_now().await;
            }
        });
        ended.await.expect("the stream is cut");
        assert!(body.frame().await.is_none());
    }
}
