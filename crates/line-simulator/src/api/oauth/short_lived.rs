//! Short-lived and long-lived tokens: `POST /v2/oauth/{accessToken,verify,revoke}`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};

use super::{Form, OAuthAnswer, OAuthRefusal, issued, verified};
use crate::platform::Platform;
use crate::state::access_token::{THIRTY_DAYS, TokenKind};

pub(super) fn routes() -> Router<Arc<Platform>> {
    Router::new()
        .route("/v2/oauth/accessToken", post(issue))
        .route("/v2/oauth/verify", post(verify))
        .route("/v2/oauth/revoke", post(revoke))
}

async fn issue(State(platform): State<Arc<Platform>>, body: Bytes) -> OAuthAnswer {
    let form = Form::parse(&body);
    form.client_credentials()?;
    platform.with(|world, now| {
        let channel = form.client(world)?;
        let token = world.mint.token(48);
        let added = world.access_tokens.issue(now, token.clone(), channel, TokenKind::ShortLived, Some(THIRTY_DAYS));
        debug_assert!(added.is_ok(), "only v2.1 tokens are ever refused");
        Ok(Json(issued(&token, THIRTY_DAYS)))
    })
}

async fn verify(State(platform): State<Arc<Platform>>, body: Bytes) -> OAuthAnswer {
    let form = Form::parse(&body);
    let token = form.get("access_token")?;
    platform.with(|world, now| {
        let known = world.access_tokens.find(now, token).ok();
        let known = known.filter(|t| matches!(t.kind, TokenKind::ShortLived | TokenKind::LongLived));
        let known = known.ok_or_else(|| OAuthRefusal::bad("invalid_request", "The access token expired"))?;
        Ok(Json(verified(known, now, "P CM")))
    })
}

/// Answers 200 whatever the token was.
async fn revoke(State(platform): State<Arc<Platform>>, body: Bytes) -> Result<StatusCode, OAuthRefusal> {
    let form = Form::parse(&body);
    let token = form.get("access_token")?;
    platform.with(|world, _| {
        world.access_tokens.revoke(token, |t| matches!(t.kind, TokenKind::ShortLived | TokenKind::LongLived));
    });
    Ok(StatusCode::OK)
}
