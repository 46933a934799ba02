//! What every request to LINE's hosts passes: request ID, size, injected faults, token, rate limit, retry key, media type.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Response, header, request::Parts};
use axum::middleware::Next;
use axum::response::IntoResponse as _;
use uuid::Uuid;

use crate::platform::Platform;
use crate::server::Cut;
use crate::state::access_token::TokenFault;
use crate::state::books::Requested;
use crate::state::fault::{Effect, Plan};
use crate::state::id::ChannelId;
use crate::state::refusal::Refusal;

/// LINE takes no larger body.
const MOST_BYTES: usize = 2 * 1024 * 1024;
/// The endpoints that know `X-Line-Retry-Key`.
const RETRYABLE: [&str; 3] =
    ["POST /v2/bot/message/push", "POST /v2/bot/message/multicast", "POST /v2/bot/message/broadcast"];

/// The one endpoint whose body is a picture, and the media types it takes.
const PICTURED: &str = "POST /v2/bot/richmenu/{richMenuId}/content";
const PICTURES: [&str; 2] = ["image/jpeg", "image/png"];

/// Who calls, once past the gate.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) channel: ChannelId,
    pub(crate) request_id: String,
    pub(crate) retry_key: Option<Uuid>,
}

/// The gate of the Messaging API: a channel access token is needed.
pub(crate) async fn with_token(
    State(platform): State<Arc<Platform>>,
    matched: MatchedPath,
    request: Request,
    next: Next,
) -> Response<Body> {
    pass(platform, &matched, request, next, true).await
}

/// The gate of the token endpoints: credentials are in the body.
pub(crate) async fn without_token(
    State(platform): State<Arc<Platform>>,
    matched: MatchedPath,
    request: Request,
    next: Next,
) -> Response<Body> {
    pass(platform, &matched, request, next, false).await
}

async fn pass(
    platform: Arc<Platform>,
    matched: &MatchedPath,
    request: Request,
    next: Next,
    token_needed: bool,
) -> Response<Body> {
    let request_id = Uuid::new_v4().to_string();
    let endpoint = format!("{} {}", request.method(), matched.as_str());
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, MOST_BYTES).await;
    let token = if token_needed { Some(bearer(&parts.headers)) } else { None };
    let (admitted, plan) = platform.with(|world, now| {
        let channel = match token {
            Some(None) => Err(Refusal::NoToken),
            Some(Some(token)) => match world.access_tokens.find(now, token) {
                Ok(known) => Ok(Some(known.channel.clone())),
                Err(TokenFault::Unknown) => Err(Refusal::BadToken("invalid token")),
                Err(TokenFault::Expired) => Err(Refusal::BadToken("The access token expired")),
            },
            None => Ok(None),
        };
        let account = channel.as_ref().ok().and_then(Option::as_ref);
        let plan = world.faults.plan(&mut world.mint, account, &endpoint);
        let admitted = channel.and_then(|channel| match &channel {
            Some(known) if !world.rates.take(now, &mut world.mint, known, &endpoint) => Err(Refusal::RateLimited),
            _ => Ok(channel),
        });
        (admitted, plan)
    });
    if plan.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(plan.delay_ms)).await;
    }
    let account = admitted.as_ref().ok().cloned().flatten();
    let given_key = parts.headers.get("x-line-retry-key").map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
    let answer = match struck_before(&plan).await {
        Some(answer) => answer,
        None => match admit(&mut parts, body, admitted, &endpoint, &request_id) {
            Ok(body) => struck_after(&plan, next.run(Request::from_parts(parts, Body::from(body))).await).await,
            Err(refusal) => refusal.into_response(),
        },
    };
    let cut = answer.extensions().get::<Cut>().is_some();
    let status = (!cut).then(|| answer.status().as_u16());
    let answer = named(answer, &request_id);
    platform.with(|world, now| {
        world.books.requested(Requested { at: now, account, endpoint, request_id, retry_key: given_key, status });
    });
    answer
}

/// The answer to a request for what does not exist, under a request ID like every other.
pub(crate) fn refuse(refusal: Refusal) -> Response<Body> {
    named(refusal.into_response(), &Uuid::new_v4().to_string())
}

fn named(mut answer: Response<Body>, request_id: &str) -> Response<Body> {
    if let Ok(value) = HeaderValue::from_str(request_id) {
        answer.headers_mut().insert("x-line-request-id", value);
    }
    answer
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").map(str::trim)
}

/// The checks that need no world; adds the caller for the handler.
fn admit(
    parts: &mut Parts,
    body: Result<Bytes, axum::Error>,
    admitted: Result<Option<ChannelId>, Refusal>,
    endpoint: &str,
    request_id: &str,
) -> Result<Bytes, Refusal> {
    let channel = admitted?;
    let body = body.map_err(|_| Refusal::TooLarge)?;
    let retry_key = retry_key(&parts.headers, endpoint)?;
    if let Some(channel) = channel {
        let has_body = !body.is_empty() && matches!(parts.method, Method::POST | Method::PUT);
        let media_type = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("null");
        let taken: &[&str] = if endpoint == PICTURED { &PICTURES } else { &["application/json"] };
        let plain = media_type.split(';').next().unwrap_or_default().trim();
        if has_body && !taken.iter().any(|known| plain.eq_ignore_ascii_case(known)) {
            return Err(Refusal::MediaType(media_type.to_owned()));
        }
        parts.extensions.insert(Caller { channel, request_id: request_id.to_owned(), retry_key });
    }
    Ok(body)
}

/// A retry key is a UUID in its hyphenated form, and only four endpoints know it.
fn retry_key(headers: &HeaderMap, endpoint: &str) -> Result<Option<Uuid>, Refusal> {
    let Some(given) = headers.get("x-line-retry-key") else { return Ok(None) };
    if !RETRYABLE.contains(&endpoint) {
        return Err(Refusal::Bad("The X-Line-Retry-Key header is not supported by this API".into()));
    }
    let hyphenated = given.to_str().ok().filter(|text| text.len() == 36);
    let key = hyphenated.and_then(|text| Uuid::try_parse(text).ok());
    key.map(Some).ok_or_else(|| Refusal::Bad("The X-Line-Retry-Key header is invalid".into()))
}

/// Faults that keep the request from being accepted.
async fn struck_before(plan: &Plan) -> Option<Response<Body>> {
    let refusal = match plan.effect.as_ref()? {
        Effect::RateLimited | Effect::UserFlood => Refusal::RateLimited,
        Effect::MonthlyLimit => Refusal::MonthlyLimit,
        Effect::ServerError => server_error(),
        Effect::Refuse { status, message } => Refusal::Injected { status: *status, message: message.clone() },
        Effect::CutBefore => return Some(cut()),
        Effect::Hang { ms } => {
            tokio::time::sleep(Duration::from_millis(*ms)).await;
            return Some(cut());
        }
        Effect::Latency { .. }
        | Effect::AcceptedAnswerLost
        | Effect::AcceptedThenHang { .. }
        | Effect::AcceptedThenServerError => return None,
    };
    Some(refusal.into_response())
}

/// Faults that spoil the answer to a request already carried out.
async fn struck_after(plan: &Plan, answer: Response<Body>) -> Response<Body> {
    match plan.effect {
        Some(Effect::AcceptedAnswerLost) => cut(),
        Some(Effect::AcceptedThenHang { ms }) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            cut()
        }
        Some(Effect::AcceptedThenServerError) => server_error().into_response(),
        _ => answer,
    }
}

fn server_error() -> Refusal {
    Refusal::Injected { status: 500, message: "Internal Server Error".into() }
}

fn cut() -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    answer.extensions_mut().insert(Cut);
    answer
}
