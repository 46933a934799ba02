//! `POST /v2/bot/message/{reply,push,multicast,broadcast}` and their validating twins.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use axum::{Extension, Json, Router};
use serde_json::json;

use super::answer::Answer;
use super::body::RequestBody;
use super::gate::Caller;
use crate::platform::Platform;

/// Multicast takes so many recipients at most.
const MOST_RECIPIENTS: usize = 500;

pub(crate) fn routes() -> Router<Arc<Platform>> {
    Router::new()
        .route("/v2/bot/message/reply", post(reply))
        .route("/v2/bot/message/push", post(push))
        .route("/v2/bot/message/multicast", post(multicast))
        .route("/v2/bot/message/broadcast", post(broadcast))
        .route("/v2/bot/message/validate/reply", post(validate))
        .route("/v2/bot/message/validate/push", post(validate))
        .route("/v2/bot/message/validate/multicast", post(validate))
        .route("/v2/bot/message/validate/narrowcast", post(validate))
        .route("/v2/bot/message/validate/broadcast", post(validate))
}

async fn reply(State(platform): State<Arc<Platform>>, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let body = RequestBody::parse(&body)?;
    let (token, send) = (body.text("replyToken")?, body.send(caller)?);
    platform.with(|world, now| world.reply(now, send, token)).map(Json)
}

async fn push(State(platform): State<Arc<Platform>>, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let body = RequestBody::parse(&body)?;
    let (to, send) = (body.text("to")?, body.send(caller)?);
    platform.with(|world, now| world.push(now, send, to)).map(Json)
}

async fn multicast(State(platform): State<Arc<Platform>>, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let body = RequestBody::parse(&body)?;
    let (to, send) = (body.texts("to", MOST_RECIPIENTS)?, body.send(caller)?);
    platform.with(|world, now| world.multicast(now, send, &to)).map(Json)
}

async fn broadcast(State(platform): State<Arc<Platform>>, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let send = RequestBody::parse(&body)?.send(caller)?;
    platform.with(|world, now| world.broadcast(now, send)).map(Json)
}

/// Looks at message objects only, not at recipients.
async fn validate(body: Bytes) -> Answer {
    RequestBody::parse(&body)?.messages()?;
    Ok(Json(json!({})))
}
