//! Around every call: its trace, its figures, a limit on how many run at once, and an answer also when the method panics.

use std::num::NonZeroU32;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use contracts::AccessRules;
use futures::FutureExt as _;
use http::{Request, Response};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::Instrument as _;

use super::body::WatchedBody;
use super::refuse;
use crate::host::Host;
use crate::trace;

/// How long a stream may go on once the process stops, at most.
const LONGEST_GRACE: Duration = Duration::from_secs(5);
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The methods beside our own: health and reflection.
const BORROWED: [&str; 4] = [
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/List",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
];
/// What every other path is called: whoever reaches the port may invent as many as they like.
const UNKNOWN: &str = "unknown";

/// Watches the calls of a service.
#[derive(Clone)]
pub(super) struct WatchLayer(Arc<Watch>);

struct Watch {
    rules: AccessRules,
    permits: Arc<Semaphore>,
    stopping: CancellationToken,
    grace: Duration,
}

/// A service whose calls are watched.
#[derive(Clone)]
pub(super) struct WatchService<S> {
    watch: Arc<Watch>,
    inner: S,
}

/// What is counted when a call has ended.
pub(super) struct Record {
    method: String,
    began: Instant,
}

impl WatchLayer {
    pub(super) fn new(host: &Host, rules: AccessRules, calls_at_once: NonZeroU32) -> Self {
        let grace = (host.drain_deadline() / 2).min(LONGEST_GRACE);
        let permits = Arc::new(Semaphore::new(calls_at_once.get() as usize));
        Self(Arc::new(Watch { rules, permits, stopping: host.stopping(), grace }))
    }
}

impl<S> Layer<S> for WatchLayer {
    type Service = WatchService<S>;

    fn layer(&self, inner: S) -> WatchService<S> {
        WatchService { watch: Arc::clone(&self.0), inner }
    }
}

impl<S> Service<Request<Body>> for WatchService<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let watch = Arc::clone(&self.watch);
        let method = name(&watch.rules, request.uri().path());
        let span = tracing::info_span!("serve", rpc.system = "grpc", rpc.method = method);
        let parent = request.headers().get("traceparent").and_then(|value| value.to_str().ok()?.parse().ok());
        if let Some(parent) = parent {
            trace::follow(&span, &parent);
        }
        let record = Record::new(method);
        let Ok(permit) = Arc::clone(&watch.permits).try_acquire_owned() else {
            record.end(Code::ResourceExhausted);
            return Box::pin(async { Ok(refuse::exhausted("OVERLOADED", RETRY_AFTER).into_http()) });
        };
        // The service that was asked whether it is ready takes the call; a copy waits for the next.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let body_span = span.clone();
        let answering = async move {
            let answer = AssertUnwindSafe(async move { inner.call(request).await }).catch_unwind().await;
            drop(permit);
            let response = match answer {
                Ok(response) => response?,
                Err(_) => Status::internal("internal error").into_http(),
            };
            Ok(watch.watched(response, record, body_span))
        };
        Box::pin(answering.instrument(span))
    }
}

impl Watch {
    fn watched(&self, response: Response<Body>, record: Record, span: tracing::Span) -> Response<Body> {
        if let Some(code) = code(response.headers()) {
            record.end(code);
            return response;
        }
        let (stopping, grace) = (self.stopping.clone(), self.grace);
        let cut = Box::pin(async move {
            stopping.cancelled().await;
            tokio::time::sleep(grace).await;
        });
        response.map(|body| Body::new(WatchedBody::new(body, record, span, cut)))
    }
}

/// The method's path when it is one that is served; a caller's invention must not become a label.
fn name(rules: &AccessRules, path: &str) -> String {
    let known = rules.get(path).is_some() || BORROWED.contains(&path);
    if known { path.to_owned() } else { UNKNOWN.to_owned() }
}

/// The status in headers or trailers, if it is there.
pub(super) fn code(headers: &http::HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|status| Code::from_bytes(status.as_bytes()))
}

impl Record {
    pub(super) fn new(method: impl Into<String>) -> Self {
        Self { method: method.into(), began: Instant::now() }
    }

    /// Counts the call.
    pub(super) fn end(self, code: Code) {
        if matches!(code, Code::Unknown | Code::DataLoss) {
            tracing::error!(
                method = self.method,
                code = refuse::code_name(code),
                "a call ended in a way nobody described"
            );
        }
        let took = self.began.elapsed().as_secs_f64();
        metrics::counter!("tsunagi_grpc_calls_total", "method" => self.method.clone(), "code" => refuse::code_name(code))
            .increment(1);
        metrics::histogram!("tsunagi_grpc_call_seconds", "method" => self.method).record(took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn served_methods_are_named() {
        let rules = AccessRules::load().unwrap();
        for path in BORROWED.into_iter().chain(["/tsunagi.messaging.v1.QuotaService/GetQuota"]) {
            assert_eq!(name(&rules, path), path);
        }
    }

    proptest! {
        #[test]
        fn no_invention_becomes_a_label(
            path in "/(grpc|tsunagi)\\.(health|reflection|messaging)\\.v1\\.[A-Za-z]{1,9}/[A-Za-z]{1,9}",
            more in ".{0,9}",
        ) {
            let rules = AccessRules::load().unwrap();
            for path in [&path, &format!("{}{more}x", BORROWED[0])] {
                prop_assert!(BORROWED.contains(&path.as_str()) || name(&rules, path) == UNKNOWN);
            }
        }
    }
}
