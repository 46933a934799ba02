//! `GET` and `POST /f/{form token}`: from a request to what the linking is asked.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use chassis::http::{Cut, drain, gather};
use http::{HeaderMap, Method, StatusCode, header};
use tokio::time::timeout;
use tracing::Instrument as _;

use super::client::client;
use super::config::PagesConfig;
use super::language::Language;
use super::proof::{Browser, Proofs};
use super::respond::{self, Reader, Shown};
use super::texts::{Kept, Notice};
use super::{entry, headers, origin};
use crate::linking::Desk;
use crate::linking::form::{self, Entry, NotNow, Opened, Submitted};

/// The address before the form token.
const PATH: &str = "/f/";
/// Most bytes of a form token: a tenant's UUID, a dot and a secret are far below.
const LONGEST_TOKEN: usize = 200;
/// Most bytes of a submission: the longest names and the longest text take less, however they are encoded.
const LARGEST_BODY: usize = 32 * 1_024;
/// How long a submission may take to arrive.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// How long a form may take to be looked up: nobody waits for a database that hangs.
const OPENED_WITHIN: Duration = Duration::from_secs(5);
/// How long a submission may take: LINE is asked for a token on its way.
const SUBMITTED_WITHIN: Duration = Duration::from_secs(20);
/// How long the rest of a refused one is read, so that the browser reads the answer instead of a reset.
const DRAINED_WITHIN: Duration = Duration::from_millis(500);
const FORM: &str = "application/x-www-form-urlencoded";

/// Who is connected; put into each request by the listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// What the pages ask of the linking.
pub(super) trait Forms: Send + Sync + 'static {
    /// As [`form::open`].
    fn open(&self, token: &str, client: IpAddr) -> impl Future<Output = Result<Option<Opened>, NotNow>> + Send;

    /// As [`form::submit`].
    fn submit(&self, token: &str, entry: Entry, client: IpAddr) -> impl Future<Output = Submitted> + Send;
}

impl Forms for Arc<Desk> {
    async fn open(&self, token: &str, client: IpAddr) -> Result<Option<Opened>, NotNow> {
        timeout(OPENED_WITHIN, form::open(self, token, client)).await.unwrap_or(Err(NotNow::Away))
    }

    // What was taken in spite of the answer is found again when the same is sent again.
    async fn submit(&self, token: &str, entry: Entry, client: IpAddr) -> Submitted {
        timeout(SUBMITTED_WITHIN, form::submit(self, token, entry, client)).await.unwrap_or(Submitted::Away)
    }
}

/// What every request needs.
pub(super) struct Show<F> {
    forms: F,
    proofs: Proofs,
    headers: HeaderMap,
    /// Our own origin, as browsers write it.
    origin: String,
    secure: bool,
    proxies: usize,
}

impl<F> Show<F> {
    pub(super) fn new(forms: F, proofs: Proofs, config: &PagesConfig) -> Self {
        Self {
            forms,
            proofs,
            headers: headers::of_pages(&config.url, &config.line_login_url),
            origin: config.url.origin().ascii_serialization(),
            secure: config.url.scheme() == "https",
            proxies: config.trusted_proxies,
        }
    }
}

/// The pages' routes.
pub(super) fn router<F: Forms>(show: Arc<Show<F>>) -> Router {
    Router::new()
        .route("/f/{token}", get(open).post(submit))
        .fallback(nowhere)
        .method_not_allowed_fallback(other_method)
        .layer(from_fn_with_state(Arc::clone(&show), around))
        .with_state(show)
}

/// Around every answer: its headers, its figures, and a span by route, which names neither token nor person.
async fn around<F: Forms>(State(show): State<Arc<Show<F>>>, request: Request, next: Next) -> Response {
    let since = Instant::now();
    let asked = method(request.method());
    let span = tracing::info_span!("form page", route = "/f/{token}", method = asked);
    let mut response = next.run(request).instrument(span).await;
    // What a page sets itself stays.
    for (name, value) in &show.headers {
        response.headers_mut().entry(name).or_insert_with(|| value.clone());
    }
    let labels = [("method", asked.to_owned()), ("status", response.status().as_str().to_owned())];
    metrics::histogram!("tsunagi_identity_page_seconds", &labels).record(since.elapsed());
    response
}

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        _ => "other",
    }
}

async fn open<F: Forms>(State(show): State<Arc<Show<F>>>, request: Request) -> Response {
    let asked = Asked::of(&show, &request);
    let Some(token) = asked.token.as_deref() else { return respond::notice(asked.language, Notice::Gone) };
    let opened = show.forms.open(token, asked.client).await;
    respond::opened(asked.reader(&show, token), &opened)
}

async fn submit<F: Forms>(State(show): State<Arc<Show<F>>>, request: Request) -> Response {
    let asked = Asked::of(&show, &request);
    let known = Browser::of(request.headers(), show.secure).is_some();
    let (head, body) = request.into_parts();
    let refused = match asked.token.as_deref() {
        None => Some(respond::notice(asked.language, Notice::Gone)),
        Some(_) if !is_form(&head.headers) => {
            Some(respond::not_ours(asked.language, StatusCode::UNSUPPORTED_MEDIA_TYPE))
        }
        Some(_) if !known || origin::is_foreign(&head.headers, &show.origin) => {
            Some(respond::notice(asked.language, Notice::NotOurs))
        }
        Some(_) if declared(&head.headers).is_some_and(|length| length > LARGEST_BODY) => {
            Some(respond::notice(asked.language, Notice::TooLarge))
        }
        Some(_) => None,
    };
    if let Some(refused) = refused {
        let _ = tokio::time::timeout(DRAINED_WITHIN, drain(body, 4 * LARGEST_BODY)).await;
        return refused;
    }
    let body = match read(body).await {
        Ok(body) => body,
        Err(StatusCode::PAYLOAD_TOO_LARGE) => return respond::notice(asked.language, Notice::TooLarge),
        Err(status) => return respond::not_ours(asked.language, status),
    };
    let token = asked.token.as_deref().unwrap_or_default();
    let Ok(sent) = entry::read(&body) else { return respond::not_ours(asked.language, StatusCode::BAD_REQUEST) };
    if !show.proofs.holds(&asked.browser, token, &sent.proof) {
        return respond::notice(asked.language, Notice::NotOurs);
    }
    let reader = asked.reader(&show, token);
    let unfit = entry::unfit(&sent.entry);
    let submitted = if unfit.is_empty() {
        show.forms.submit(token, sent.entry.clone(), asked.client).await
    } else {
        Submitted::Wrong(unfit)
    };
    // Where the form cannot be opened again, its fields tell which it is.
    let unnamed = Opened { form: sent.form, account_name: String::new() };
    match submitted {
        Submitted::Confirm(dialog) => respond::confirm(&dialog),
        Submitted::Taken => respond::notice(asked.language, Notice::Taken),
        Submitted::Gone => respond::gone(asked.language, &sent.entry),
        Submitted::Away => respond::form(reader, &unnamed, &sent.entry, Shown::Kept(Kept::Away, None)),
        Submitted::TooMany(wait) => {
            respond::form(reader, &unnamed, &sent.entry, Shown::Kept(Kept::TooMany, Some(wait)))
        }
        Submitted::Wrong(wrong) => match show.forms.open(token, asked.client).await {
            Ok(Some(opened)) => respond::form(reader, &opened, &sent.entry, Shown::Wrong(&wrong)),
            Ok(None) => respond::gone(asked.language, &sent.entry),
            Err(_) => respond::form(reader, &unnamed, &sent.entry, Shown::Wrong(&wrong)),
        },
    }
}

/// The same page as for a token that is not good.
async fn nowhere(request: Request) -> Response {
    respond::notice(Language::of(request.uri().query(), request.headers()), Notice::Gone)
}

async fn other_method(request: Request) -> Response {
    let language = Language::of(request.uri().query(), request.headers());
    respond::not_ours(language, StatusCode::METHOD_NOT_ALLOWED)
}

/// What a request says before its body.
struct Asked {
    language: Language,
    client: IpAddr,
    browser: Browser,
    /// None where it cannot be one.
    token: Option<String>,
}

impl Asked {
    fn of<F>(show: &Show<F>, request: &Request) -> Self {
        let peer = request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Peer(peer)| *peer);
        let token = request.uri().path().strip_prefix(PATH).filter(|token| is_token(token)).map(str::to_owned);
        Self {
            language: Language::of(request.uri().query(), request.headers()),
            client: client(request.headers(), peer, show.proxies),
            browser: Browser::of(request.headers(), show.secure).unwrap_or_else(Browser::new),
            token,
        }
    }

    fn reader<'a, F>(&'a self, show: &'a Show<F>, token: &'a str) -> Reader<'a> {
        let Self { language, browser, .. } = self;
        Reader { language: *language, browser, secure: show.secure, token, proofs: &show.proofs }
    }
}

/// Whether a text may be a form token: bounded, and of characters that no browser encodes.
fn is_token(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=LONGEST_TOKEN).contains(&text.len()) && text.bytes().all(plain)
}

/// Whether the body is said to be a form, not compressed.
fn is_form(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next().and_then(|value| value.to_str().ok()), types.next()) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case(FORM) && !headers.contains_key(header::CONTENT_ENCODING)
}

fn declared(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn read(body: Body) -> Result<Bytes, StatusCode> {
    match tokio::time::timeout(READ_WITHIN, gather(body, LARGEST_BODY)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(Cut::TooLarge)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Ok(Err(Cut::Broken)) => Err(StatusCode::BAD_REQUEST),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}

#[cfg(test)]
mod tests;
