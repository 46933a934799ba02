//! Replacing and unlinking menus for all who have them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::{Extension, Json};
use serde_json::json;
use uuid::Uuid;

use super::linking::taken;
use super::menus_of;
use crate::api::answer::Answer;
use crate::api::body::RequestBody;
use crate::api::gate::Caller;
use crate::platform::Platform;
use crate::state::refusal::Refusal;

pub(super) async fn take(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let body = RequestBody::parse(&body)?.into_value();
    platform.with(|world, now| {
        let menus = menus_of(world, now, &caller)?;
        let (operations, key) = menus.judge_batch(&body)?;
        menus.take_batch(now, caller.request_id.clone(), operations, key);
        Ok(taken())
    })
}

pub(super) async fn validate(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let body = RequestBody::parse(&body)?.into_value();
    platform.with(|world, now| menus_of(world, now, &caller)?.judge_batch(&body).map(|_| ()))?;
    Ok(Json(json!({})))
}

pub(super) async fn progress(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<HashMap<String, String>>,
) -> Answer {
    let request = query.get("requestId").filter(|id| Uuid::try_parse(id).is_ok());
    let request = request.ok_or_else(|| Refusal::Bad("The value for the 'requestId' parameter is invalid".into()))?;
    platform.with(|world, now| {
        let batch = menus_of(world, now, &caller)?.batch(request);
        batch.and_then(|batch| batch.progress(now)).map(Json).ok_or(Refusal::NotFound)
    })
}
