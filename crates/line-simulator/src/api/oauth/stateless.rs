//! Stateless tokens: `POST /oauth2/v3/token`, by channel secret or by JWT assertion. Fifteen minutes, never revoked.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};

use super::assertion::Assertion;
use super::{Form, OAuthAnswer, issued};
use crate::platform::Platform;
use crate::state::access_token::{FIFTEEN_MINUTES, TokenKind};

pub(super) fn routes() -> Router<Arc<Platform>> {
    Router::new().route("/oauth2/v3/token", post(issue))
}

async fn issue(State(platform): State<Arc<Platform>>, body: Bytes) -> OAuthAnswer {
    let form = Form::parse(&body);
    form.client_credentials()?;
    platform.with(|world, now| {
        let channel = if form.get("client_assertion").is_ok() {
            Assertion::of_form(&form, world, now)?.channel
        } else {
            form.client(world)?
        };
        let token = world.mint.token(60);
        let added = world.access_tokens.issue(now, token.clone(), channel, TokenKind::Stateless, Some(FIFTEEN_MINUTES));
        debug_assert!(added.is_ok(), "only v2.1 tokens are ever refused");
        Ok(Json(issued(&token, FIFTEEN_MINUTES)))
    })
}
