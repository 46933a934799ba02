//! `GET` and `PUT /v2/bot/channel/webhook/endpoint`, `POST /v2/bot/channel/webhook/test`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use chrono::SecondsFormat;
use serde_json::json;
use url::{Host, Url};

use super::answer::Answer;
use super::body::RequestBody;
use super::gate::Caller;
use crate::delivery::{deliver, seal};
use crate::platform::Platform;
use crate::state::refusal::Refusal;

const LONGEST_URL: usize = 500;

pub(crate) fn routes() -> Router<Arc<Platform>> {
    Router::new()
        .route("/v2/bot/channel/webhook/endpoint", get(read).put(write))
        .route("/v2/bot/channel/webhook/test", post(test))
}

async fn read(State(platform): State<Arc<Platform>>, Extension(caller): Extension<Caller>) -> Answer {
    platform.with(|world, _| {
        let account = world.accounts.get(&caller.channel).ok_or(Refusal::NotFound)?;
        let url = account.webhook_url.as_ref().ok_or(Refusal::NotFound)?;
        Ok(Json(json!({ "endpoint": url, "active": account.webhook_active })))
    })
}

/// Takes effect at once; LINE may take up to a minute.
async fn write(State(platform): State<Arc<Platform>>, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let body = RequestBody::parse(&body)?;
    let url = body.text("endpoint")?;
    check_url(url)?;
    platform.with(|world, _| {
        let account = world.accounts.get_mut(&caller.channel).ok_or(Refusal::NotFound)?;
        account.webhook_url = Some(url.to_owned());
        Ok(Json(json!({})))
    })
}

/// Sends an empty, signed webhook and tells how it went.
async fn test(State(platform): State<Arc<Platform>>, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let given = if body.is_empty() {
        None
    } else {
        let body = RequestBody::parse(&body)?;
        let url = body.text_if_given("endpoint")?.map(str::to_owned);
        url.as_deref().map_or(Ok(()), check_url)?;
        url
    };
    let (url, secret, bot, now) = platform.with(|world, now| {
        let account = world.accounts.get(&caller.channel).ok_or(Refusal::NotFound)?;
        let url = given.or_else(|| account.webhook_url.clone()).ok_or(Refusal::NotFound)?;
        Ok((url, account.secret.clone(), account.bot_user_id.clone(), now))
    })?;
    let verdict = deliver(&platform.http, &url, seal(&secret, &bot, &[])).await;
    Ok(Json(json!({
        "success": verdict.is_ok(),
        "timestamp": now.to_rfc3339_opts(SecondsFormat::Millis, true),
        "statusCode": verdict.status.unwrap_or(0),
        "reason": verdict.reason,
        "detail": verdict.detail,
    })))
}

/// HTTPS, as LINE wants it; plain HTTP on loopback, where certificates from a public CA do not exist.
fn check_url(text: &str) -> Result<(), Refusal> {
    let bad = || Refusal::Bad("Invalid webhook endpoint URL".into());
    let url = Url::parse(text).map_err(|_| bad())?;
    let loopback = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let transport = url.scheme() == "https" || (url.scheme() == "http" && loopback);
    if transport && text.len() <= LONGEST_URL { Ok(()) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::check_url;

    #[test]
    fn webhook_urls_are_https_and_at_most_500_characters() {
        assert!(check_url("https://example.com/hook").is_ok());
        assert!(check_url("http://example.com/hook").is_err());
        assert!(check_url("http://127.0.0.1:8080/hook").is_ok());
        assert!(check_url(&format!("https://example.com/{}", "a".repeat(481))).is_err());
    }
}
