//! `/control/people`, `/control/chats`, `/control/accounts/{account}/people/…`: being a LINE user.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::answer::ControlAnswer;
use crate::platform::Platform;
use crate::state::act::ActRequest;
use crate::state::event::Done;
use crate::state::group::ChatChange;
use crate::state::id::{ChannelId, ChatId, PersonId, UserId};
use crate::state::person::{ChatSpec, PersonSpec};
use crate::state::rich_menu::ShownRichMenu;
use crate::state::world::ActError;

/// A created person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewPerson {
    /// The simulator's name for them.
    pub person: PersonId,
}

/// A person as one account's provider knows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserCard {
    /// The simulator's name for them.
    pub person: PersonId,
    /// LINE's name for them, at that provider.
    pub user_id: UserId,
}

/// Many friends at once, for benchmarks.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct NewFriends {
    /// How many.
    pub count: usize,
    /// Without `follow` events.
    pub quiet: bool,
}

/// An address a person opens in their browser.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpenLink {
    /// Absolute.
    pub url: String,
}

/// Where following a link ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Followed {
    /// The last address.
    pub url: String,
    /// Its status.
    pub status: u16,
    /// Its body, at most 1 MiB.
    pub body: String,
}

/// At most so many redirects are followed.
const MOST_HOPS: usize = 10;
const MOST_BODY: usize = 1024 * 1024;

pub(super) fn routes() -> Router<Arc<Platform>> {
    Router::new()
        .route("/people", post(add_person))
        .route("/people/{person}/delete", post(delete_person))
        .route("/people/{person}/open", post(open_link))
        .route("/people/{person}/log-in", get(log_in))
        .route("/accounts/{account}/people/{person}", get(user_card))
        .route("/accounts/{account}/people/{person}/acts", post(act))
        .route("/accounts/{account}/people/{person}/rich-menu", get(rich_menu))
        .route("/accounts/{account}/friends", post(add_friends))
        .route("/accounts/{account}/events", post(raw_event))
        .route("/chats", post(add_chat))
        .route("/chats/{chat}/changes", post(change_chat))
}

async fn add_person(State(platform): State<Arc<Platform>>, Json(spec): Json<PersonSpec>) -> Json<NewPerson> {
    Json(NewPerson { person: platform.with(|world, _| world.add_person(spec)) })
}

async fn delete_person(State(platform): State<Arc<Platform>>, Path(person): Path<PersonId>) -> ControlAnswer<()> {
    platform.with(|world, _| world.delete_person(&person)).map(Json)
}

/// To be opened in a browser: it is this person's from then on.
async fn log_in(Path(person): Path<PersonId>) -> Response {
    crate::api::link::log_in(&person)
}

async fn user_card(
    State(platform): State<Arc<Platform>>,
    Path((account, person)): Path<(ChannelId, PersonId)>,
) -> ControlAnswer<UserCard> {
    let user_id = platform.with(|world, _| world.introduce(&account, &person))?;
    Ok(Json(UserCard { person, user_id }))
}

async fn act(
    State(platform): State<Arc<Platform>>,
    Path((account, person)): Path<(ChannelId, PersonId)>,
    Json(request): Json<ActRequest>,
) -> ControlAnswer<Done> {
    platform.with(|world, now| world.act(now, &account, &person, request)).map(Json)
}

/// The rich menu the person sees in the chat with the account; null when there is none.
async fn rich_menu(
    State(platform): State<Arc<Platform>>,
    Path((account, person)): Path<(ChannelId, PersonId)>,
) -> ControlAnswer<Option<ShownRichMenu>> {
    platform.with(|world, now| world.shown_rich_menu(now, &account, &person)).map(Json)
}

async fn add_friends(
    State(platform): State<Arc<Platform>>,
    Path(account): Path<ChannelId>,
    Json(new): Json<NewFriends>,
) -> ControlAnswer<Vec<UserCard>> {
    let one = |_| {
        platform.with(|world, now| {
            let person = world.add_person(PersonSpec::default());
            let act = crate::state::act::Act::AddFriend { quiet: new.quiet };
            world.act(now, &account, &person, act.into())?;
            let user_id = world.introduce(&account, &person)?;
            Ok(UserCard { person, user_id })
        })
    };
    (0..new.count).map(one).collect::<Result<Vec<_>, ActError>>().map(Json)
}

/// Sends an event of any type: `type`, `source` and further properties as given, the common ones filled in.
async fn raw_event(
    State(platform): State<Arc<Platform>>,
    Path(account): Path<ChannelId>,
    Json(event): Json<serde_json::Map<String, Value>>,
) -> ControlAnswer<Done> {
    platform.with(|world, now| world.raw_event(now, &account, event)).map(Json)
}

async fn add_chat(State(platform): State<Arc<Platform>>, Json(spec): Json<ChatSpec>) -> ControlAnswer<ChatId> {
    platform.with(|world, _| world.add_chat(spec)).map(Json)
}

async fn change_chat(
    State(platform): State<Arc<Platform>>,
    Path(chat): Path<ChatId>,
    Json(change): Json<ChatChange>,
) -> ControlAnswer<Done> {
    platform.with(|world, now| world.change_chat(now, &chat, change)).map(Json)
}

/// Opens an address as this person and follows redirects; the dialog of this simulator learns who visits.
async fn open_link(
    State(platform): State<Arc<Platform>>,
    Path(person): Path<PersonId>,
    Json(link): Json<OpenLink>,
) -> ControlAnswer<Followed> {
    open(&platform, &person, &link.url).await.map(Json)
}

/// What [`open_link`] does, also for whoever plays a person here.
pub(crate) async fn open(platform: &Platform, person: &PersonId, url: &str) -> Result<Followed, ActError> {
    const UNREACHABLE: ActError = ActError::Impossible("the address cannot be opened");
    let mut url = Url::parse(url).map_err(|_| UNREACHABLE)?;
    for _ in 0..=MOST_HOPS {
        let request = platform.http.get(url.clone());
        let own = url.as_str().starts_with(&platform.base_url);
        let request = if own { request.header("x-line-person", person.as_str()) } else { request };
        let mut answer = request.send().await.map_err(|_| UNREACHABLE)?;
        let next = answer.headers().get("location").and_then(|v| v.to_str().ok()).and_then(|to| url.join(to).ok());
        if let Some(next) = next.filter(|_| answer.status().is_redirection()) {
            url = next;
            continue;
        }
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = answer.chunk().await {
            body.extend_from_slice(&chunk[..chunk.len().min(MOST_BODY - body.len())]);
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        return Ok(Followed { url: url.into(), status: answer.status().as_u16(), body });
    }
    Err(ActError::Impossible("too many redirects"))
}
