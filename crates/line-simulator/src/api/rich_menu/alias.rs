//! Aliases of rich menus.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde_json::json;

use super::menus_of;
use crate::api::answer::Answer;
use crate::api::body::RequestBody;
use crate::api::gate::Caller;
use crate::platform::Platform;

pub(super) async fn add(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let body = RequestBody::parse(&body)?;
    let (alias, menu) = (body.text("richMenuAliasId")?, body.text("richMenuId")?);
    platform.with(|world, now| menus_of(world, now, &caller)?.add_alias(alias, menu))?;
    Ok(Json(json!({})))
}

pub(super) async fn change(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Path(alias): Path<String>,
    body: Bytes,
) -> Answer {
    let body = RequestBody::parse(&body)?;
    let menu = body.text("richMenuId")?;
    platform.with(|world, now| menus_of(world, now, &caller)?.change_alias(&alias, menu))?;
    Ok(Json(json!({})))
}

pub(super) async fn delete(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Path(alias): Path<String>,
) -> Answer {
    platform.with(|world, now| menus_of(world, now, &caller)?.delete_alias(&alias))?;
    Ok(Json(json!({})))
}

pub(super) async fn read(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Path(alias): Path<String>,
) -> Answer {
    platform.with(|world, now| menus_of(world, now, &caller)?.alias(&alias)).map(Json)
}

pub(super) async fn list(State(platform): State<Arc<Platform>>, Extension(caller): Extension<Caller>) -> Answer {
    platform.with(|world, now| Ok(Json(json!({ "aliases": menus_of(world, now, &caller)?.aliases() }))))
}
