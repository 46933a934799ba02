//! Groups and rooms: members, counts, summary, leaving.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde_json::json;

use super::answer::Answer;
use super::gate::Caller;
use super::page::{Page, slice};
use crate::platform::Platform;
use crate::state::id::UserId;
use crate::state::person::ChatKind;
use crate::state::refusal::Refusal;

/// Member IDs per page.
const PAGE: usize = 100;

pub(crate) fn routes() -> Router<Arc<Platform>> {
    let mut router = Router::new().route("/v2/bot/group/{chatId}/summary", get(summary));
    for (name, kind) in [("group", ChatKind::Group), ("room", ChatKind::Room)] {
        let base = format!("/v2/bot/{name}/{{chatId}}");
        router = router
            .route(&format!("{base}/members/count"), get(async move |p, c, id| count(p, c, id, kind)))
            .route(&format!("{base}/members/ids"), get(async move |p, c, id, q| ids(p, c, id, q, kind)))
            .route(&format!("{base}/member/{{userId}}"), get(async move |p, c, path| member(p, c, path, kind)))
            .route(&format!("{base}/leave"), post(async move |p, c, id| leave(p, c, id, kind)));
    }
    router
}

async fn summary(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer {
    platform.with(|world, _| {
        let chat = world.chat_with(&caller.channel, &id, ChatKind::Group).ok_or(Refusal::NotFound)?;
        Ok(Json(json!({ "groupId": chat.id, "groupName": chat.name })))
    })
}

fn count(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    kind: ChatKind,
) -> Answer {
    platform.with(|world, _| {
        let chat = world.chat_with(&caller.channel, &id, kind).ok_or(Refusal::NotFound)?;
        Ok(Json(json!({ "count": chat.members.len() })))
    })
}

fn ids(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    kind: ChatKind,
) -> Answer {
    let page = Page::of(&query, PAGE, PAGE, platform.clock.now())?;
    platform.with(|world, now| {
        if !world.accounts.get(&caller.channel).is_some_and(|account| account.verified) {
            return Err(Refusal::NotEntitled);
        }
        let chat = world.chat_with(&caller.channel, &id, kind).ok_or(Refusal::NotFound)?;
        let members: Vec<_> = chat.members.iter().cloned().collect();
        let users: Vec<UserId> =
            members.iter().filter_map(|person| world.introduce(&caller.channel, person).ok()).collect();
        let (users, next) = slice(users, &page, now);
        let mut body = json!({ "memberIds": users });
        if let Some(next) = next {
            body["next"] = json!(next);
        }
        Ok(Json(body))
    })
}

/// Works for people in the same chat who are no friends, and for blockers.
fn member(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Path((id, user)): Path<(String, String)>,
    kind: ChatKind,
) -> Answer {
    platform.with(|world, _| {
        let chat = world.chat_with(&caller.channel, &id, kind).ok_or(Refusal::NotFound)?;
        let person = world.member_of(&caller.channel, chat, &user).ok_or(Refusal::NotFound)?;
        let person = world.people.get(&person).filter(|p| !p.gone).ok_or(Refusal::NotFound)?;
        Ok(Json(person.short_profile(&UserId::from(user))))
    })
}

fn leave(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    kind: ChatKind,
) -> Answer {
    platform.with(|world, now| {
        let chat = world.chat_with(&caller.channel, &id, kind).ok_or(Refusal::NotFound)?.id.clone();
        world.leave_chat(now, &chat).map_err(|_| Refusal::NotFound)?;
        Ok(Json(json!({})))
    })
}
