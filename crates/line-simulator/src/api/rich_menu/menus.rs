//! Making, reading and deleting menus, and their images on the data host.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, header};
use axum::response::IntoResponse as _;
use axum::{Extension, Json};
use line_types::rich_menu::ImageKind;
use serde_json::json;

use super::menus_of;
use crate::api::answer::Answer;
use crate::api::body::RequestBody;
use crate::api::gate::Caller;
use crate::platform::Platform;
use crate::state::refusal::Refusal;
use crate::state::rich_menu::judge;

pub(super) async fn create(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let menu = RequestBody::parse(&body)?.into_value();
    platform.with(|world, now| {
        let hex = world.mint.hex(16);
        let id = menus_of(world, now, &caller)?.create(&hex, menu)?;
        Ok(Json(json!({ "richMenuId": id })))
    })
}

pub(super) async fn validate(body: Bytes) -> Answer {
    judge(&RequestBody::parse(&body)?.into_value())?;
    Ok(Json(json!({})))
}

pub(super) async fn list(State(platform): State<Arc<Platform>>, Extension(caller): Extension<Caller>) -> Answer {
    platform.with(|world, now| {
        let menus = menus_of(world, now, &caller)?;
        let all = menus.ids().iter().map(|id| menus.object(id)).collect::<Result<Vec<_>, _>>()?;
        Ok(Json(json!({ "richmenus": all })))
    })
}

pub(super) async fn read(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer {
    platform.with(|world, now| menus_of(world, now, &caller)?.object(&id)).map(Json)
}

pub(super) async fn delete(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer {
    platform.with(|world, now| menus_of(world, now, &caller)?.delete(&id))?;
    Ok(Json(json!({})))
}

/// The gate has let JPEG and PNG pass and nothing else.
pub(super) async fn upload(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    image: Bytes,
) -> Answer {
    let given = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = if given.to_ascii_lowercase().starts_with("image/png") { ImageKind::Png } else { ImageKind::Jpeg };
    platform.with(|world, now| menus_of(world, now, &caller)?.set_image(&id, kind, image.to_vec()))?;
    Ok(Json(json!({})))
}

pub(super) async fn download(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response<Body>, Refusal> {
    platform.with(|world, now| {
        let (kind, bytes) = menus_of(world, now, &caller)?.image(&id)?;
        Ok(([(header::CONTENT_TYPE, kind.media_type())], bytes.to_vec()).into_response())
    })
}
