//! The default menu, and menus of single users and of several.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use line_types::rich_menu::MOST_USERS;
use serde_json::json;

use super::{menus_of, user_of};
use crate::api::answer::Answer;
use crate::api::body::RequestBody;
use crate::api::gate::Caller;
use crate::platform::Platform;
use crate::state::refusal::Refusal;
use crate::state::rich_menu::RichMenus;

pub(super) async fn set_default(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer {
    platform.with(|world, now| menus_of(world, now, &caller)?.set_default(&id))?;
    Ok(Json(json!({})))
}

pub(super) async fn read_default(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
) -> Answer {
    platform.with(|world, now| {
        let menus = menus_of(world, now, &caller)?;
        Ok(Json(json!({ "richMenuId": menus.default_id()? })))
    })
}

pub(super) async fn clear_default(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
) -> Answer {
    platform.with(|world, now| menus_of(world, now, &caller).map(RichMenus::clear_default))?;
    Ok(Json(json!({})))
}

/// 200 also for users who are no friends; they get nothing.
pub(super) async fn link(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Path((user, id)): Path<(String, String)>,
) -> Answer {
    let user = user_of(user)?;
    platform.with(|world, now| {
        let is_friend = world.can_have_rich_menu(&caller.channel, &user);
        menus_of(world, now, &caller)?.link(user, is_friend, &id)
    })?;
    Ok(Json(json!({})))
}

pub(super) async fn unlink(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Path(user): Path<String>,
) -> Answer {
    let user = user_of(user)?;
    platform.with(|world, now| {
        let is_friend = world.can_have_rich_menu(&caller.channel, &user);
        menus_of(world, now, &caller).map(|menus| menus.unlink(&user, is_friend))
    })?;
    Ok(Json(json!({})))
}

/// 404 for users who are no friends, whatever they had.
pub(super) async fn of_user(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Path(user): Path<String>,
) -> Answer {
    let user = user_of(user)?;
    platform.with(|world, now| {
        if !world.can_have_rich_menu(&caller.channel, &user) {
            return Err(Refusal::NotFound);
        }
        let menus = menus_of(world, now, &caller)?;
        Ok(Json(json!({ "richMenuId": menus.of_user(&user)? })))
    })
}

pub(super) async fn link_several(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let body = RequestBody::parse(&body)?;
    let (id, users) = (body.text("richMenuId")?, body.texts("userIds", MOST_USERS)?);
    platform.with(|world, now| menus_of(world, now, &caller)?.link_later(now, id, users))?;
    Ok(taken())
}

pub(super) async fn unlink_several(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let users = RequestBody::parse(&body)?.texts("userIds", MOST_USERS)?;
    platform.with(|world, now| menus_of(world, now, &caller)?.unlink_later(now, users))?;
    Ok(taken())
}

/// 202: it will be done.
pub(super) fn taken() -> Response {
    (StatusCode::ACCEPTED, Json(json!({}))).into_response()
}
