//! `POST /v2/bot/chat/loading/start` and `POST /v2/bot/chat/markAsRead`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use serde_json::json;

use super::answer::Answer;
use super::body::RequestBody;
use super::gate::Caller;
use crate::platform::Platform;
use crate::state::id::is_well_formed;
use crate::state::refusal::Refusal;

pub(crate) fn routes() -> Router<Arc<Platform>> {
    Router::new()
        .route("/v2/bot/chat/loading/start", post(loading))
        .route("/v2/bot/chat/markAsRead", post(mark_as_read))
}

/// 202, also when nobody sees it.
async fn loading(body: Bytes) -> Result<Response, Refusal> {
    let body = RequestBody::parse(&body)?;
    if !is_well_formed(body.text("chatId")?, b"U") {
        return Err(Refusal::InvalidProperty("chatId".into()));
    }
    let seconds = body.number_if_given("loadingSeconds")?.unwrap_or(20);
    if !(5..=60).contains(&seconds) || seconds % 5 != 0 {
        return Err(Refusal::InvalidProperty("loadingSeconds".into()));
    }
    Ok((StatusCode::ACCEPTED, Json(json!({}))).into_response())
}

async fn mark_as_read(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let body = RequestBody::parse(&body)?;
    let token = body.text("markAsReadToken")?;
    platform.with(|world, _| {
        let message = world.mint.message_of_read_token(&caller.channel, token);
        let message = message.ok_or_else(|| Refusal::Bad("Invalid mark-as-read token".into()))?;
        if let Some(account) = world.accounts.get_mut(&caller.channel) {
            account.read_up_to = Some(message);
        }
        Ok(Json(json!({})))
    })
}
