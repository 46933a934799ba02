//! Tokens of version 2.1: `POST /oauth2/v2.1/{token,revoke}`, `GET /oauth2/v2.1/{verify,tokens/kid}`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use super::assertion::Assertion;
use super::{Form, OAuthAnswer, OAuthRefusal, issued, verified};
use crate::platform::Platform;
use crate::state::access_token::TokenKind;

pub(super) fn routes() -> Router<Arc<Platform>> {
    Router::new()
        .route("/oauth2/v2.1/token", post(issue))
        .route("/oauth2/v2.1/verify", get(verify))
        .route("/oauth2/v2.1/revoke", post(revoke))
        .route("/oauth2/v2.1/tokens/kid", get(key_ids))
}

async fn issue(State(platform): State<Arc<Platform>>, body: Bytes) -> OAuthAnswer {
    let form = Form::parse(&body);
    form.client_credentials()?;
    platform.with(|world, now| {
        let assertion = Assertion::of_form(&form, world, now)?;
        let life = assertion.token_life.ok_or_else(OAuthRefusal::missing)?;
        let (token, key_id) = (world.mint.token(60), world.mint.token(16));
        let kind = TokenKind::V21 { key_id: key_id.clone() };
        world
            .access_tokens
            .issue(now, token.clone(), assertion.channel, kind, Some(life))
            .map_err(|_| OAuthRefusal::bad("invalid_request", "The number of issued tokens has reached the limit"))?;
        let mut answer = issued(&token, life);
        answer["key_id"] = json!(key_id);
        Ok(Json(answer))
    })
}

async fn verify(State(platform): State<Arc<Platform>>, Query(query): Query<HashMap<String, String>>) -> OAuthAnswer {
    let token = query.get("access_token").ok_or_else(OAuthRefusal::missing)?;
    platform.with(|world, now| {
        let known = world.access_tokens.find(now, token).ok();
        let known = known.filter(|t| matches!(t.kind, TokenKind::V21 { .. } | TokenKind::Stateless));
        let known = known.ok_or_else(|| OAuthRefusal::bad("invalid_request", "access token expired"))?;
        Ok(Json(verified(known, now, "message:send")))
    })
}

/// Answers 200 also when the token was not known.
async fn revoke(State(platform): State<Arc<Platform>>, body: Bytes) -> Result<StatusCode, OAuthRefusal> {
    let form = Form::parse(&body);
    let token = form.get("access_token")?;
    platform.with(|world, _| {
        let channel = form.client(world)?;
        world.access_tokens.revoke(token, |t| matches!(t.kind, TokenKind::V21 { .. }) && t.channel == channel);
        Ok(StatusCode::OK)
    })
}

async fn key_ids(State(platform): State<Arc<Platform>>, Query(query): Query<HashMap<String, String>>) -> OAuthAnswer {
    let form = Form(query);
    platform.with(|world, now| {
        let assertion = Assertion::of_form(&form, world, now)?;
        Ok(Json(json!({ "kids": world.access_tokens.key_ids(now, &assertion.channel) })))
    })
}
