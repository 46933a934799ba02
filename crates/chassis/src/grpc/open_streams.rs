//! How many streams one principal may hold open: each costs memory, and a look now and then, for as long as its caller likes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use contracts::AccessRules;
use futures::future::{Either, Ready, ready};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use kernel::PrincipalId;
use tonic::body::Body;
use tower::{Layer, Service};
use uuid::Uuid;

use super::refuse;
use crate::auth::Caller;

const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The one method of gRPC's own services that answers with a single message.
const HEALTH_CHECK: &str = "/grpc.health.v1.Health/Check";

/// Bounds the streams of a service. Sits behind the gate that says who calls.
#[derive(Clone)]
pub(super) struct OpenStreamsLayer(Arc<OpenStreams>);

/// A service whose streams are bounded.
#[derive(Clone)]
pub(super) struct OpenStreamsService<S> {
    streams: Arc<OpenStreams>,
    inner: S,
}

struct OpenStreams {
    rules: AccessRules,
    most: usize,
    /// Whoever holds none is not listed. Callers without a token, who may watch health, are one principal together.
    held: Mutex<HashMap<PrincipalId, usize>>,
}

/// A place among the streams of a principal, until it is dropped.
struct Place {
    streams: Arc<OpenStreams>,
    principal: PrincipalId,
}

impl OpenStreamsLayer {
    /// At most `most` streams for each principal.
    pub(super) fn new(rules: AccessRules, most: usize) -> Self {
        Self(Arc::new(OpenStreams { rules, most, held: Mutex::default() }))
    }
}

impl<S> Layer<S> for OpenStreamsLayer {
    type Service = OpenStreamsService<S>;

    fn layer(&self, inner: S) -> OpenStreamsService<S> {
        OpenStreamsService { streams: Arc::clone(&self.0), inner }
    }
}

type Streaming<E> = Pin<Box<dyn Future<Output = Result<Response<Body>, E>> + Send>>;

impl<S> Service<Request<Body>> for OpenStreamsService<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<Either<S::Future, Streaming<S::Error>>, Ready<Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if !self.streams.is_stream(request.uri().path()) {
            return Either::Left(Either::Left(self.inner.call(request)));
        }
        let caller = request.extensions().get::<Caller>();
        let principal = caller.map_or_else(|| PrincipalId::from(Uuid::nil()), Caller::principal);
        let Some(place) = Place::take(&self.streams, principal) else {
            metrics::counter!("tsunagi_calls_refused_total", "reason" => "TOO_MANY_STREAMS").increment(1);
            return Either::Right(ready(Ok(refuse::exhausted("TOO_MANY_STREAMS", RETRY_AFTER).into_http())));
        };
        let answer = self.inner.call(request);
        Either::Left(Either::Right(Box::pin(async move {
            // The body has the place, and gives it back with itself: at its end, or when the caller goes away.
            let with_place = |body: Body| {
                body.map_frame(move |frame| {
                    let _held = &place;
                    frame
                })
            };
            Ok(answer.await?.map(|body| Body::new(with_place(body))))
        })))
    }
}

impl OpenStreams {
    fn is_stream(&self, path: &str) -> bool {
        match self.rules.get(path) {
            Some(rule) => rule.streams,
            None => path != HEALTH_CHECK,
        }
    }
}

impl Place {
    /// A place for one more stream of `principal`; none if it has all it may have.
    fn take(streams: &Arc<OpenStreams>, principal: PrincipalId) -> Option<Self> {
        let mut held = streams.held.lock().unwrap_or_else(PoisonError::into_inner);
        let own = held.entry(principal).or_default();
        if *own >= streams.most {
            return None;
        }
        *own += 1;
        metrics::gauge!("tsunagi_grpc_streams_open").increment(1.0);
        Some(Self { streams: Arc::clone(streams), principal })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        metrics::gauge!("tsunagi_grpc_streams_open").decrement(1.0);
        let mut held = self.streams.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut own) = held.entry(self.principal) {
            *own.get_mut() -= 1;
            if *own.get() == 0 {
                own.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_that_streams_takes_a_place_and_no_other() {
        let streams = OpenStreams { rules: AccessRules::load().unwrap(), most: 1, held: Mutex::default() };
        for (path, takes) in [
            ("/tsunagi.messaging.v1.ConversationService/WatchConversations", true),
            ("/tsunagi.messaging.v1.MessageService/FetchContent", true),
            ("/tsunagi.messaging.v1.QuotaService/GetQuota", false),
            ("/grpc.health.v1.Health/Watch", true),
            (HEALTH_CHECK, false),
        ] {
            assert_eq!(streams.is_stream(path), takes, "{path}");
        }
    }
}
