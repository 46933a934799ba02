//! One request: refused at the gate, or read, judged, kept and answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chassis::http::{Cut, drain, gather};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Empty;
use hyper::body::Incoming;
use kernel::{BodyId, Clock, TraceParent};
use line_types::signature::Signature;
use tokio::sync::Semaphore;
use webhook_ingest_core::{Account, Answer, Presented, Refusal, SizeLimit, Verdict, Window, account_of, admit};

use crate::accounts::Known;
use crate::commit::Queue;
use crate::findings::Findings;
use crate::held::{Held, HeldBody};
use crate::measures::Measures;
use crate::taken::Taken;
use crate::vault::Vault;

/// The address before the webhook key.
const PATH: &str = "/line/webhooks/";
const SIGNATURE: &str = "x-line-signature";
const TRACEPARENT: &str = "traceparent";
/// LINE waits two seconds from its first byte to the answer's: the last moment for ours.
const ANSWERED_WITHIN: Duration = Duration::from_millis(1_700);
/// What a body that took long to arrive still gets for its commit. LINE has given up on it; the event is worth keeping.
const LEAST_WAIT: Duration = Duration::from_millis(300);
/// How long the rest of a refused body is read.
const DRAINED_WITHIN: Duration = Duration::from_secs(1);

/// What one request may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Most bytes of a body.
    pub(crate) body: SizeLimit,
    /// How long a body may take to arrive.
    pub(crate) read: Duration,
}

/// What every request needs.
pub(crate) struct Door {
    pub(crate) known: Known,
    pub(crate) queue: Queue,
    pub(crate) vault: Vault,
    pub(crate) findings: Findings,
    pub(crate) held: Held,
    pub(crate) measures: Arc<Measures>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) window: Window,
    pub(crate) limits: Limits,
    /// KiB of bodies that may be in memory at once; beyond it requests are answered 503 before they are read.
    pub(crate) memory: Semaphore,
}

/// A body with what it was signed with.
struct Signed {
    payload: Bytes,
    signature: Option<Signature>,
}

/// The answer, and what of the request is left to read.
type Answered = (StatusCode, Option<Incoming>);

impl Door {
    /// Answers a request. The answer has no body: LINE reads none, and a stranger learns nothing.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<Empty<Bytes>> {
        let since = Instant::now();
        let expects = request.headers().contains_key(header::EXPECT);
        let (status, unread) = match request.uri().path().strip_prefix(PATH) {
            None => (StatusCode::NOT_FOUND, Some(request.into_body())),
            Some(_) if request.method() != Method::POST => (StatusCode::METHOD_NOT_ALLOWED, Some(request.into_body())),
            Some(_) => self.webhook(request, since).await,
        };
        // Who asks before sending gets the answer instead.
        if let Some(unread) = unread.filter(|_| !expects) {
            let _ = tokio::time::timeout(DRAINED_WITHIN, drain(unread, 4 * self.limits.body.0)).await;
        }
        let mut response = Response::new(Empty::new());
        *response.status_mut() = status;
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }

    async fn webhook(&self, request: Request<Incoming>, since: Instant) -> Answered {
        let (head, body) = request.into_parts();
        let key = head.uri.path().strip_prefix(PATH).unwrap_or_default();
        let opened = self.known.read(|accounts| account_of(accounts, key, self.clock.now()).cloned());
        let account = match opened {
            Ok(account) => account,
            Err(refusal) => return (self.refuse(None, refusal, since), Some(body)),
        };
        let declared = content_length(&head.headers);
        if let Some(Err(refusal)) = declared.map(|length| self.limits.body.check(length)) {
            return (self.refuse(Some(&account), refusal, since), Some(body));
        }
        let needed = declared.and_then(|length| usize::try_from(length).ok()).unwrap_or(self.limits.body.0) / 1_024 + 1;
        let Ok(_memory) = self.memory.try_acquire_many(u32::try_from(needed).unwrap_or(u32::MAX)) else {
            let refusal = Refusal { answer: Answer::Unavailable, finding: None };
            return (self.refuse(Some(&account), refusal, since), Some(body));
        };
        let payload = match tokio::time::timeout(self.limits.read, gather(body, self.limits.body.0)).await {
            Ok(Ok(payload)) => payload,
            Ok(Err(Cut::TooLarge)) => return (self.refuse(Some(&account), SizeLimit::REFUSAL, since), None),
            Ok(Err(Cut::Broken)) => return (StatusCode::BAD_REQUEST, None),
            Err(_) => {
                metrics::counter!("tsunagi_ingest_slow_bodies_total").increment(1);
                return (StatusCode::REQUEST_TIMEOUT, None);
            }
        };
        let presented = Presented::of(head.headers.get_all(SIGNATURE).iter().map(HeaderValue::as_bytes));
        let verdict = admit(&account, presented, &payload, self.window, self.clock.now());
        let signed = Signed {
            payload,
            signature: if let Presented::One(signature) = presented { Some(signature) } else { None },
        };
        (self.settle(&account, verdict, signed, &head.headers, since).await, None)
    }

    /// Keeps what must be kept, then answers.
    async fn settle(
        &self,
        account: &Account,
        verdict: Verdict,
        signed: Signed,
        headers: &HeaderMap,
        since: Instant,
    ) -> StatusCode {
        let Verdict { answer, keep, finding, by_old_secret, hold } = verdict;
        if by_old_secret {
            metrics::counter!("tsunagi_ingest_old_secret_total").increment(1);
        }
        if let Some(signature) = hold {
            let now = self.clock.now();
            self.held.offer(HeldBody {
                tenant: account.tenant,
                account: account.id,
                judged_version: account.version,
                body: BodyId::new(now),
                received_at: now,
                signature,
                trace: trace(headers).1,
                payload: signed.payload.clone(),
            });
        }
        let mut answer = answer;
        if !keep.is_nothing() && !self.vault.holds(account.tenant) {
            // Not the sender's fault: the tenant's data key opens with no master key that is configured.
            answer = Answer::Unavailable;
        } else if !keep.is_nothing() {
            let now = self.clock.now();
            // The span lasts until the answer; it is not entered, which would cost at every wake-up and tell nothing.
            let (_span, trace) = trace(headers);
            let taken = Taken {
                tenant: account.tenant,
                account: account.id,
                body: BodyId::new(now),
                verified_at: now,
                trace,
                payload: signed.payload,
                signature: signed.signature,
                events: keep.events,
                quarantine: keep.quarantine,
            };
            let left = ANSWERED_WITHIN.saturating_sub(since.elapsed()).max(LEAST_WAIT);
            if self.queue.keep(taken, left).await.is_err() {
                answer = Answer::Unavailable;
            }
        }
        self.refuse(Some(account), Refusal { answer, finding }, since)
    }

    /// Notes the answer and its finding.
    fn refuse(&self, account: Option<&Account>, refusal: Refusal, since: Instant) -> StatusCode {
        if let (Some(account), Some(finding)) = (account, refusal.finding) {
            self.findings.count(account.tenant, account.id, finding, self.clock.now());
        }
        self.measures.answer(refusal.answer, since.elapsed());
        StatusCode::from_u16(refusal.answer.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The span of the request, in the trace the sender names if it names one, and how that trace is carried on. Where spans go nowhere
/// there is none, for it costs as much as reading the event does; its trace has an ID all the same.
fn trace(headers: &HeaderMap) -> (tracing::Span, Option<TraceParent>) {
    let parent = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()?.parse::<TraceParent>().ok());
    if !chassis::trace::is_recorded() {
        return (tracing::Span::none(), parent.or_else(chassis::trace::begin_unrecorded));
    }
    let span = tracing::info_span!("receive webhook");
    if let Some(parent) = &parent {
        chassis::trace::follow(&span, parent);
    }
    let carried = span.in_scope(chassis::trace::current);
    (span, carried.or(parent))
}
