//! What is answered: results of the linking as pages.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use url::Url;

use super::language::Language;
use super::proof::{Browser, Proofs};
use super::texts::{Kept, Notice};
use super::view::{self, Filled};
use crate::linking::form::{Entry, FormField, NotNow, Opened, Wrong};

/// When to come again where nobody knows, in seconds.
const COME_AGAIN: u64 = 10;

/// Whom a page is for, and in which language.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) language: Language,
    /// The browser's own value; the cookie is given anew with every form, so that it lasts as long as the page.
    pub(super) browser: &'a Browser,
    /// Whether pages travel by https.
    pub(super) secure: bool,
    pub(super) token: &'a str,
    pub(super) proofs: &'a Proofs,
}

/// What a form shows besides its fields.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shown<'a> {
    /// Nothing: it was just opened.
    Fresh,
    /// What is wrong with it.
    Wrong(&'a [(FormField, Wrong)]),
    /// That it could not be taken for now, and when it may be.
    Kept(Kept, Option<Duration>),
}

/// What a form's opening answers.
pub(super) fn opened(reader: Reader<'_>, opened: &Result<Option<Opened>, NotNow>) -> Response {
    match opened {
        Ok(Some(opened)) => form(reader, opened, &Entry::default(), Shown::Fresh),
        Ok(None) => notice(reader.language, Notice::Gone),
        Err(NotNow::Away) => come_again(notice(reader.language, Notice::Away), None),
        Err(NotNow::TooMany(wait)) => come_again(notice(reader.language, Notice::TooMany), Some(*wait)),
    }
}

/// A form with what was typed.
pub(super) fn form(reader: Reader<'_>, opened: &Opened, entry: &Entry, shown: Shown<'_>) -> Response {
    let (status, wrong, kept): (_, &[_], _) = match shown {
        Shown::Fresh => (StatusCode::OK, &[], None),
        Shown::Wrong(wrong) => (StatusCode::UNPROCESSABLE_ENTITY, wrong, None),
        Shown::Kept(Kept::Away, _) => (StatusCode::SERVICE_UNAVAILABLE, &[], Some(Kept::Away)),
        Shown::Kept(Kept::TooMany, _) => (StatusCode::TOO_MANY_REQUESTS, &[], Some(Kept::TooMany)),
    };
    let proof = reader.proofs.make(reader.browser, reader.token);
    let mut response = page(status, view::form(reader.language, &Filled { opened, entry, wrong, kept, proof: &proof }));
    if let Some(cookie) = reader.browser.cookie(reader.secure) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    match shown {
        Shown::Kept(_, wait) => come_again(response, wait),
        Shown::Fresh | Shown::Wrong(_) => response,
    }
}

/// The way to LINE's dialog. 303: the browser asks for it with GET, whatever it sent here (RFC 9110, 15.4.4).
pub(super) fn confirm(dialog: &Url) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    // A URL is ASCII without control characters.
    if let Ok(location) = HeaderValue::try_from(dialog.as_str()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// The page of a token that is not good, with what was written, so that it is not lost (F-11).
pub(super) fn gone(language: Language, entry: &Entry) -> Response {
    page(StatusCode::NOT_FOUND, view::notice(language, Notice::Gone, &entry.text))
}

/// A page without a form.
pub(super) fn notice(language: Language, notice: Notice) -> Response {
    let status = match notice {
        Notice::Taken => StatusCode::OK,
        Notice::Gone => StatusCode::NOT_FOUND,
        Notice::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Notice::Away => StatusCode::SERVICE_UNAVAILABLE,
        Notice::NotOurs => StatusCode::FORBIDDEN,
        Notice::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
    };
    page(status, view::notice(language, notice, ""))
}

/// A request no page of ours makes, with the status that says why.
pub(super) fn not_ours(language: Language, status: StatusCode) -> Response {
    page(status, view::notice(language, Notice::NotOurs, ""))
}

fn page(status: StatusCode, html: askama::Result<String>) -> Response {
    let (status, html) = html.map_or((StatusCode::INTERNAL_SERVER_ERROR, String::new()), |html| (status, html));
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    response
}

fn come_again(mut response: Response, wait: Option<Duration>) -> Response {
    let seconds = wait.map_or(COME_AGAIN, |wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}
