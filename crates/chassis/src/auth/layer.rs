//! The gate in front of every method.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use contracts::{AccessRules, MethodRule};
use futures::future::Either;
use http::{Request, Response};
use kernel::{Clock, Timestamp};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use super::Directory;
use super::decide::{Credentials, Refusal};
use super::held::{HeldBody, Holds};
use crate::grpc::refuse;
use crate::quiet::Quiet;

/// Health may be asked without a token: load balancers have none.
const ANONYMOUS: &str = "/grpc.health.v1.Health/";

/// Puts the gate in front of a service.
#[derive(Clone)]
pub(crate) struct AuthLayer {
    gate: Arc<AccessGate>,
}

struct AccessGate {
    directory: Directory,
    rules: AccessRules,
    clock: Arc<dyn Clock>,
    told: Quiet,
}

/// A service behind the gate.
#[derive(Clone)]
pub(crate) struct AuthService<S> {
    gate: Arc<AccessGate>,
    inner: S,
}

impl AuthLayer {
    pub(crate) fn new(directory: Directory, rules: AccessRules, clock: Arc<dyn Clock>) -> Self {
        Self { gate: Arc::new(AccessGate { directory, rules, clock, told: Quiet::default() }) }
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> AuthService<S> {
        AuthService { gate: Arc::clone(&self.gate), inner }
    }
}

type Boxed<E> = Pin<Box<dyn Future<Output = Result<Response<Body>, E>> + Send>>;

impl<S> Service<Request<Body>> for AuthService<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<Either<S::Future, Boxed<S::Error>>, Ready<Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match self.gate.admit(&mut request) {
            Ok(None) => Either::Left(Either::Left(self.inner.call(request))),
            Ok(Some(holds)) => Either::Left(Either::Right(Box::pin(held(self.inner.call(request), holds)))),
            Err(refusal) if refusal.may_be_outdated() => {
                // The service that was found ready is the one to call.
                let successor = self.inner.clone();
                let mut inner = std::mem::replace(&mut self.inner, successor);
                let gate = Arc::clone(&self.gate);
                Either::Left(Either::Right(Box::pin(async move {
                    gate.directory.look_anew().await;
                    match gate.admit(&mut request) {
                        Ok(None) => inner.call(request).await,
                        Ok(Some(holds)) => held(inner.call(request), holds).await,
                        Err(refusal) => Ok(gate.refuse(refusal, &request).into_http()),
                    }
                })))
            }
            Err(refusal) => Either::Right(ready(Ok(self.gate.refuse(refusal, &request).into_http()))),
        }
    }
}

/// An answer that goes on as long as its caller's rights.
async fn held<E>(answer: impl Future<Output = Result<Response<Body>, E>>, holds: Holds) -> Result<Response<Body>, E> {
    Ok(answer.await?.map(|body| Body::new(HeldBody::new(body, holds))))
}

impl AccessGate {
    /// Lets a call in. For a stream: what tells whether it may go on.
    fn admit(self: &Arc<Self>, request: &mut Request<Body>) -> Result<Option<Holds>, Refusal> {
        // Whatever sits in front, nobody brings their own caller.
        request.extensions_mut().remove::<super::Caller>();
        let method = request.uri().path();
        if method.starts_with(ANONYMOUS) {
            return Ok(None);
        }
        let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let credentials = Credentials {
            token: text("authorization").and_then(|value| value.strip_prefix("Bearer ")),
            tenant: text("tsunagi-tenant"),
            assertion: text("tsunagi-staff-assertion"),
        };
        let rule = self.rules.get(method);
        let now = self.clock.now();
        let caller = self.directory.check(rule, method, credentials, now)?;
        let streaming = rule.filter(|rule| rule.streams);
        let holds = streaming.map(|rule| self.holds(caller.clone(), rule, method.to_owned(), credentials, now));
        request.extensions_mut().insert(caller);
        Ok(holds)
    }

    /// Every refusal is counted; only one a second is logged, so that a flood of them fills no disk.
    fn refuse(&self, refusal: Refusal, request: &Request<Body>) -> Status {
        let method = request.uri().path();
        let method = if self.rules.get(method).is_some() { method } else { "unknown" };
        let reason = refusal.reason();
        metrics::counter!("tsunagi_calls_refused_total", "reason" => reason).increment(1);
        if let Some(kept_quiet) = self.told.may_speak() {
            tracing::warn!(reason, method, kept_quiet, "a caller was refused");
        }
        refusal.status()
    }

    fn holds(
        self: &Arc<Self>,
        caller: super::Caller,
        rule: MethodRule,
        method: String,
        credentials: Credentials<'_>,
        opened: Timestamp,
    ) -> Holds {
        let gate = Arc::clone(self);
        let kept = |text: Option<&str>| text.map(str::to_owned);
        let (token, tenant, assertion) =
            (kept(credentials.token), kept(credentials.tenant), kept(credentials.assertion));
        Box::new(move || {
            let credentials =
                Credentials { token: token.as_deref(), tenant: tenant.as_deref(), assertion: assertion.as_deref() };
            gate.directory.still_holds(&caller, rule, &method, credentials, opened, gate.clock.now())
        })
    }
}

impl Refusal {
    /// Whether somebody who was made known a moment ago would be refused so.
    fn may_be_outdated(self) -> bool {
        matches!(self, Self::Token | Self::Assertion)
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Token => "TOKEN_REFUSED",
            Self::MethodNotListed => "METHOD_NOT_LISTED",
            Self::PlatformOnly => "PLATFORM_ONLY",
            Self::TenantMissing | Self::TenantMalformed => "INVALID_FIELD",
            Self::TenantUnknown => "NOT_FOUND",
            Self::RightMissing => "RIGHT_MISSING",
            Self::Assertion => "ASSERTION_REFUSED",
            Self::AssertionMissing => "ASSERTION_MISSING",
        }
    }

    fn status(self) -> Status {
        match self {
            Self::Token | Self::Assertion | Self::AssertionMissing => refuse::unauthenticated(self.reason()),
            Self::MethodNotListed | Self::PlatformOnly | Self::RightMissing => refuse::denied(self.reason()),
            Self::TenantMissing => refuse::invalid("tsunagi-tenant", "must name the tenant in the metadata"),
            Self::TenantMalformed => refuse::invalid("tsunagi-tenant", "is not a UUID"),
            Self::TenantUnknown => refuse::not_found("TENANT"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::access_proto::v1::CallErrorReason;

    #[test]
    fn every_reason_is_one_the_proto_file_explains() {
        use Refusal::{
            Assertion, AssertionMissing, MethodNotListed, PlatformOnly, RightMissing, TenantMalformed, TenantMissing,
            TenantUnknown, Token,
        };
        for refusal in [
            Assertion,
            AssertionMissing,
            MethodNotListed,
            PlatformOnly,
            RightMissing,
            TenantMalformed,
            TenantMissing,
            TenantUnknown,
            Token,
        ] {
            let name = format!("CALL_ERROR_REASON_{}", refusal.reason());
            assert!(CallErrorReason::from_str_name(&name).is_some(), "{name}");
        }
    }
}
