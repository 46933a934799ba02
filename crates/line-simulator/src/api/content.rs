//! The data host: `GET /v2/bot/message/{messageId}/content`, `…/preview`, `…/transcoding`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde_json::json;

use super::answer::Answer;
use super::gate::Caller;
use crate::platform::Platform;
use crate::state::content::{Content, MediaKind, transcoding};
use crate::state::refusal::Refusal;

pub(crate) fn routes() -> Router<Arc<Platform>> {
    let base = "/v2/bot/message/{messageId}/content";
    Router::new()
        .route(base, get(content))
        .route(&format!("{base}/preview"), get(preview))
        .route(&format!("{base}/transcoding"), get(preparation))
}

/// 202 without a body while the content is being prepared.
async fn content(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response<Body>, Refusal> {
    platform.with(|world, now| {
        let content = world.contents.find(&caller.channel, &id)?;
        match transcoding(content, now) {
            "processing" => Ok(StatusCode::ACCEPTED.into_response()),
            "failed" => Err(Refusal::NotFound),
            _ => Ok(bytes(content)),
        }
    })
}

/// A picture of an image or video; the same bytes here.
async fn preview(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response<Body>, Refusal> {
    platform.with(|world, now| {
        let content = world.contents.find(&caller.channel, &id)?;
        if !matches!(content.kind, MediaKind::Image | MediaKind::Video) {
            return Err(Refusal::Bad("The message has no preview".into()));
        }
        if transcoding(content, now) == "processing" {
            return Ok(StatusCode::ACCEPTED.into_response());
        }
        Ok(bytes(content))
    })
}

async fn preparation(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer {
    platform.with(|world, now| {
        let content = world.contents.find(&caller.channel, &id)?;
        if !matches!(content.kind, MediaKind::Video | MediaKind::Audio) {
            return Err(Refusal::Bad("The message is neither a video nor an audio".into()));
        }
        Ok(Json(json!({ "status": transcoding(content, now) })))
    })
}

fn bytes(content: &Content) -> Response<Body> {
    ([(header::CONTENT_TYPE, content.media_type.clone())], content.bytes.clone()).into_response()
}
