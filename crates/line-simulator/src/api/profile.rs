//! `GET /v2/bot/profile/{userId}`, `GET /v2/bot/followers/ids`, `GET /v2/bot/info`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde_json::json;

use super::answer::Answer;
use super::gate::Caller;
use super::page::{Page, slice};
use crate::platform::Platform;
use crate::state::id::{UserId, is_well_formed};
use crate::state::refusal::Refusal;

pub(crate) fn routes() -> Router<Arc<Platform>> {
    Router::new()
        .route("/v2/bot/profile/{userId}", get(profile))
        .route("/v2/bot/followers/ids", get(followers))
        .route("/v2/bot/info", get(info))
}

/// Friends, and others who wrote; 404 for everybody else, blockers and people without consent included.
async fn profile(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Path(user): Path<String>,
) -> Answer {
    if !is_well_formed(&user, b"U") {
        return Err(Refusal::Bad("The value for the 'userId' parameter is invalid".into()));
    }
    let user = UserId::from(user);
    platform.with(|world, _| {
        let id = world.person_of(&caller.channel, &user).ok_or(Refusal::NotFound)?;
        let account = world.accounts.get(&caller.channel).ok_or(Refusal::NotFound)?;
        let shown = account.friendships.get(id).is_some_and(crate::state::friendship::Friendship::shows_profile);
        let person = world.people.get(id).filter(|p| shown && !p.gone && p.spec.consented).ok_or(Refusal::NotFound)?;
        let mut profile = person.short_profile(&user);
        let more = [("language", &person.spec.language), ("statusMessage", &person.spec.status_message)];
        for (name, value) in more {
            if let Some(value) = value {
                profile[name] = json!(value);
            }
        }
        Ok(Json(profile))
    })
}

async fn followers(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<HashMap<String, String>>,
) -> Answer {
    let page = Page::of(&query, 300, 1_000, platform.clock.now())?;
    platform.with(|world, now| {
        let account = world.accounts.get(&caller.channel).filter(|a| a.verified).ok_or(Refusal::NotEntitled)?;
        let known = |p: &crate::state::person::Person| !p.gone && p.spec.consented;
        let ids: Vec<UserId> = account
            .friends()
            .iter()
            .filter(|id| world.people.get(id).is_some_and(known))
            .filter_map(|id| world.user_id(&caller.channel, id))
            .collect();
        let (ids, next) = slice(ids, &page, now);
        let mut body = json!({ "userIds": ids });
        if let Some(next) = next {
            body["next"] = json!(next);
        }
        Ok(Json(body))
    })
}

async fn info(State(platform): State<Arc<Platform>>, Extension(caller): Extension<Caller>) -> Answer {
    platform.with(|world, _| {
        let account = world.accounts.get(&caller.channel).ok_or(Refusal::NotFound)?;
        let (chat_mode, read_mode) = if account.chat { ("chat", "manual") } else { ("bot", "auto") };
        Ok(Json(json!({
            "userId": account.bot_user_id,
            "basicId": account.basic_id,
            "displayName": account.name,
            "chatMode": chat_mode,
            "markAsReadMode": read_mode,
        })))
    })
}
