//! Account link: `POST /v2/bot/user/{userId}/linkToken`, and the dialog page of the login host.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde_json::json;

use super::answer::Answer;
use super::gate::Caller;
use crate::platform::Platform;
use crate::state::id::{PersonId, UserId, is_well_formed};
use crate::state::link_token::DialogOutcome;
use crate::state::refusal::Refusal;

/// Names the person a program plays, which confirms at once.
const HEADER: &str = "x-line-person";
/// Names the person a browser belongs to, as a query parameter; the browser keeps it as a cookie.
const QUERY: &str = "person";
const COOKIE: &str = "line_person";

pub(crate) fn routes() -> Router<Arc<Platform>> {
    Router::new().route("/v2/bot/user/{userId}/linkToken", post(issue))
}

pub(crate) fn pages() -> Router<Arc<Platform>> {
    Router::new().route("/dialog/bot/accountLink", get(ask).post(confirm))
}

/// For friends. LINE does not document the answer for others; 404 here.
async fn issue(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Path(user): Path<String>,
) -> Answer {
    if !is_well_formed(&user, b"U") {
        return Err(Refusal::Bad("The value for the 'userId' parameter is invalid".into()));
    }
    platform.with(|world, now| {
        let user = UserId::from(user);
        let person = world.person_of(&caller.channel, &user).cloned().ok_or(Refusal::NotFound)?;
        let account = world.accounts.get(&caller.channel).ok_or(Refusal::NotFound)?;
        account.friendships.get(&person).filter(|f| f.is_friend()).ok_or(Refusal::NotFound)?;
        let token = world.mint.token(24);
        world.link_tokens.issue(now, token.clone(), caller.channel, person);
        Ok(Json(json!({ "linkToken": token })))
    })
}

/// Asks a browser's visitor to confirm. A program that plays a person confirms by opening it.
async fn ask(
    State(platform): State<Arc<Platform>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if headers.contains_key(HEADER) {
        return decide(&platform, &query, &headers);
    }
    let Some(visitor) = visitor(&query, &headers) else { return logged_out() };
    let question = "<form method=\"post\"><button type=\"submit\">連携する / Link</button></form>";
    let mut page = page(StatusCode::OK, "アカウントを連携しますか? / Link the accounts?", question);
    if query.contains_key(QUERY) {
        keep(&visitor, &mut page);
    }
    page
}

/// The visitor presses the button.
async fn confirm(
    State(platform): State<Arc<Platform>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    decide(&platform, &query, &headers)
}

fn decide(platform: &Arc<Platform>, query: &HashMap<String, String>, headers: &HeaderMap) -> Response {
    let (Some(token), Some(nonce)) = (query.get("linkToken"), query.get("nonce")) else {
        return page(StatusCode::BAD_REQUEST, "linkToken and nonce are needed", "");
    };
    let Some(visitor) = visitor(query, headers) else { return logged_out() };
    match platform.with(|world, now| world.open_dialog(now, token, nonce, &visitor)) {
        Ok(DialogOutcome::Linked(_)) => page(StatusCode::OK, "連携しました / The accounts are linked", ""),
        Ok(DialogOutcome::SomebodyElse(_)) => {
            page(StatusCode::OK, "連携できませんでした / The accounts could not be linked", "")
        }
        Ok(DialogOutcome::DeadToken) => page(StatusCode::BAD_REQUEST, "This link has expired", ""),
        Ok(DialogOutcome::BadNonce) => page(StatusCode::BAD_REQUEST, "The nonce is invalid", ""),
        Err(_) => logged_out(),
    }
}

fn visitor(query: &HashMap<String, String>, headers: &HeaderMap) -> Option<PersonId> {
    let header = || headers.get(HEADER)?.to_str().ok().map(str::to_owned);
    let cookie = || {
        let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
        let named = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
        named.into_iter().find(|(name, _)| *name == COOKIE).map(|(_, value)| value.to_owned())
    };
    query.get(QUERY).cloned().or_else(header).or_else(cookie).map(PersonId::from)
}

/// A browser becomes this person's: as if they had logged in to LINE in it.
pub(crate) fn log_in(person: &PersonId) -> Response {
    let mut page = page(StatusCode::OK, "ログインしました / Logged in", "");
    keep(person, &mut page);
    page
}

fn keep(person: &PersonId, page: &mut Response) {
    // What is no header value is nobody's name here.
    if let Ok(cookie) = format!("{COOKIE}={person}; Path=/; HttpOnly; SameSite=Lax").parse() {
        page.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}

fn logged_out() -> Response {
    page(StatusCode::UNAUTHORIZED, "ログインしてください / Log in to LINE", "")
}

fn page(status: StatusCode, heading: &str, more: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"ja\"><meta name=\"viewport\" content=\"width=device-width\"><title>LINE</title>\
         <main><h1>{heading}</h1>{more}</main></html>"
    );
    (status, Html(html)).into_response()
}
