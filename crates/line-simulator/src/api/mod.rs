//! LINE's side over HTTP: the Messaging API, its data host, the token endpoints and the account-link dialog.
//!
//! One file per capability; each has `routes()`. To add one: write its file, merge its routes here, add its rate to
//! `state/rate.rs` and its row to the README's table.

mod answer;
mod body;
mod chat;
mod content;
mod day;
mod gate;
mod group;
mod insight;
pub(crate) mod link;
mod oauth;
mod page;
mod profile;
mod quota;
mod rich_menu;
mod send;
mod webhook_endpoint;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;

use crate::platform::Platform;
use crate::state::refusal::Refusal;

/// Every path of LINE's hosts. They do not collide, so one listener serves them all.
pub(crate) fn routes(platform: &Arc<Platform>) -> Router<Arc<Platform>> {
    let with_token = send::routes()
        .merge(quota::routes())
        .merge(insight::routes())
        .merge(profile::routes())
        .merge(group::routes())
        .merge(content::routes())
        .merge(chat::routes())
        .merge(webhook_endpoint::routes())
        .merge(rich_menu::routes())
        .merge(link::routes())
        .method_not_allowed_fallback(async || gate::refuse(Refusal::MethodNotAllowed))
        .route_layer(from_fn_with_state(platform.clone(), gate::with_token));
    let without_token =
        oauth::routes().merge(link::pages()).route_layer(from_fn_with_state(platform.clone(), gate::without_token));
    with_token.merge(without_token).fallback(async || gate::refuse(Refusal::NotFound))
}
