//! `/v2/bot/richmenu`, `/v2/bot/user/{userId}/richmenu`: rich menus, their images, who has which.

mod alias;
mod batch;
mod linking;
mod menus;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use chrono::{DateTime, Utc};

use super::gate::Caller;
use crate::platform::Platform;
use crate::state::id::{UserId, is_well_formed};
use crate::state::refusal::Refusal;
use crate::state::rich_menu::RichMenus;
use crate::state::world::World;

pub(crate) fn routes() -> Router<Arc<Platform>> {
    let menus = "/v2/bot/richmenu";
    let users = "/v2/bot/user";
    Router::new()
        .route(menus, post(menus::create))
        .route(&format!("{menus}/validate"), post(menus::validate))
        .route(&format!("{menus}/list"), get(menus::list))
        .route(&format!("{menus}/{{richMenuId}}"), get(menus::read).delete(menus::delete))
        .route(&format!("{menus}/{{richMenuId}}/content"), get(menus::download).post(menus::upload))
        .route(&format!("{users}/all/richmenu"), get(linking::read_default).delete(linking::clear_default))
        .route(&format!("{users}/all/richmenu/{{richMenuId}}"), post(linking::set_default))
        .route(&format!("{users}/{{userId}}/richmenu"), get(linking::of_user).delete(linking::unlink))
        .route(&format!("{users}/{{userId}}/richmenu/{{richMenuId}}"), post(linking::link))
        .route(&format!("{menus}/bulk/link"), post(linking::link_several))
        .route(&format!("{menus}/bulk/unlink"), post(linking::unlink_several))
        .route(&format!("{menus}/batch"), post(batch::take))
        .route(&format!("{menus}/validate/batch"), post(batch::validate))
        .route(&format!("{menus}/progress/batch"), get(batch::progress))
        .route(&format!("{menus}/alias"), post(alias::add))
        .route(&format!("{menus}/alias/list"), get(alias::list))
        .route(
            &format!("{menus}/alias/{{richMenuAliasId}}"),
            get(alias::read).post(alias::change).delete(alias::delete),
        )
}

/// The caller's menus, as they are now.
fn menus_of<'w>(world: &'w mut World, now: DateTime<Utc>, caller: &Caller) -> Result<&'w mut RichMenus, Refusal> {
    world.rich_menus(now, &caller.channel).map_err(|_| Refusal::NotFound)
}

/// A user ID of the path.
fn user_of(path: String) -> Result<UserId, Refusal> {
    if is_well_formed(&path, b"U") {
        Ok(UserId::from(path))
    } else {
        Err(Refusal::Bad("The value for the 'userId' parameter is invalid".into()))
    }
}
