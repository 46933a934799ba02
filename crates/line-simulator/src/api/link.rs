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

/// Names the simulated person a browser belongs to: as this query parameter, header or cookie.
const PERSON: [&str; 3] = ["person", "x-line-person", "line_person"];

pub(crate) fn routes() -> Router<Arc<Platform>> {
    Router::new().route("/v2/bot/user/{userId}/linkToken", post(issue))
}

pub(crate) fn pages() -> Router<Arc<Platform>> {
    Router::new().route("/dialog/bot/accountLink", get(dialog))
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

/// The visitor confirms at once. Who visits is said by the query, a header or a cookie.
async fn dialog(
    State(platform): State<Arc<Platform>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let (Some(token), Some(nonce)) = (query.get("linkToken"), query.get("nonce")) else {
        return page(StatusCode::BAD_REQUEST, "linkToken and nonce are needed");
    };
    let Some(visitor) = visitor(&query, &headers) else {
        return page(StatusCode::UNAUTHORIZED, "Log in to LINE");
    };
    match platform.with(|world, now| world.open_dialog(now, token, nonce, &visitor)) {
        Ok(DialogOutcome::Linked(_)) => page(StatusCode::OK, "The accounts are linked"),
        Ok(DialogOutcome::SomebodyElse(_)) => page(StatusCode::OK, "The accounts could not be linked"),
        Ok(DialogOutcome::DeadToken) => page(StatusCode::BAD_REQUEST, "This link has expired"),
        Ok(DialogOutcome::BadNonce) => page(StatusCode::BAD_REQUEST, "The nonce is invalid"),
        Err(_) => page(StatusCode::UNAUTHORIZED, "Log in to LINE"),
    }
}

fn visitor(query: &HashMap<String, String>, headers: &HeaderMap) -> Option<PersonId> {
    let [in_query, in_header, in_cookie] = PERSON;
    let header = || headers.get(in_header)?.to_str().ok().map(str::to_owned);
    let cookie = || {
        let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
        let named = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
        named.into_iter().find(|(name, _)| *name == in_cookie).map(|(_, value)| value.to_owned())
    };
    query.get(in_query).cloned().or_else(header).or_else(cookie).map(PersonId::from)
}

fn page(status: StatusCode, text: &str) -> Response {
    (status, Html(format!("<!doctype html><html lang=\"en\"><title>LINE</title><p>{text}</p></html>"))).into_response()
}
