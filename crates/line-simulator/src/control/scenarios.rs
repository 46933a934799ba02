//! `/control/scenarios`: playing a scenario file into the running simulator.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::answer::ControlAnswer;
use crate::platform::Platform;
use crate::scenario::{Progress, Scenario, Speed, Wishes, begin};
use crate::state::world::ActError;

/// How to play.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlayQuery {
    /// A whole number, or `max`; 1 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<String>,
    /// Every account's webhooks go here, whatever the file says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
}

pub(super) fn routes() -> Router<Arc<Platform>> {
    Router::new().route("/scenarios", post(play)).route("/scenarios/{scenario}", get(progress).delete(stop))
}

/// 400 names every fault of the file by its line.
async fn play(
    State(platform): State<Arc<Platform>>,
    Query(query): Query<PlayQuery>,
    text: String,
) -> Result<Json<Progress>, Response> {
    let wrong = |body| (StatusCode::BAD_REQUEST, Json(body)).into_response();
    let speed = query.speed.as_deref().map_or(Ok(Speed::Times(1)), str::parse);
    let speed = speed.map_err(|fault: crate::scenario::SpeedError| wrong(json!({ "error": fault.to_string() })))?;
    let scenario = Scenario::read(&text)
        .map_err(|fault| wrong(json!({ "error": "this is no scenario", "faults": fault.faults })))?;
    let wishes = Wishes { speed, webhook: query.webhook, told: None };
    let following = begin(&platform, scenario, wishes).map_err(axum::response::IntoResponse::into_response)?;
    let progress = following.borrow().clone();
    Ok(Json(progress))
}

async fn progress(State(platform): State<Arc<Platform>>, Path(id): Path<String>) -> ControlAnswer<Progress> {
    platform.plays.progress(&id).map(Json).ok_or(ActError::Unknown("scenario"))
}

/// What was made stays; no further step is taken.
async fn stop(State(platform): State<Arc<Platform>>, Path(id): Path<String>) -> ControlAnswer<()> {
    if platform.plays.stop(&id) { Ok(Json(())) } else { Err(ActError::Unknown("scenario")) }
}
