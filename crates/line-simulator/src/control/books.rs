//! `/control/books`: what was accepted, sent and asked.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::platform::Platform;
use crate::state::books::{Counts, Detail, Duplicate, Requested, Sent, Webhook};
use crate::state::id::{ChannelId, ChatId};

/// Which entries to read; all of them when empty.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BooksQuery {
    /// Only this account's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<ChannelId>,
    /// Only sends addressed to, and webhooks from, this user, group or room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat: Option<ChatId>,
    /// Only entries numbered above this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}

/// How new books are kept.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Reset {
    /// Everything, or counters only.
    pub detail: Detail,
}

/// Whether all webhooks were tried.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Settled {
    /// False when the time was up first.
    pub settled: bool,
}

#[derive(Debug, Deserialize)]
struct Patience {
    within_ms: u64,
}

pub(super) fn routes() -> Router<Arc<Platform>> {
    Router::new()
        .route("/books/sent", get(sent))
        .route("/books/webhooks", get(webhooks))
        .route("/books/requests", get(requests))
        .route("/books/duplicates", get(duplicates))
        .route("/books/counts", get(counts))
        .route("/books/reset", post(reset))
        .route("/webhooks/settled", get(settled))
}

async fn sent(State(platform): State<Arc<Platform>>, Query(query): Query<BooksQuery>) -> Json<Vec<Sent>> {
    let wanted = |s: &&Sent| {
        query.account.as_ref().is_none_or(|a| *a == s.account)
            && query.chat.as_ref().is_none_or(|c| s.chats.contains(c))
            && query.after.is_none_or(|n| s.number > n)
    };
    Json(platform.with(|world, _| world.books.sent.iter().filter(wanted).cloned().collect()))
}

async fn webhooks(State(platform): State<Arc<Platform>>, Query(query): Query<BooksQuery>) -> Json<Vec<Webhook>> {
    let from = |w: &Webhook, chat: &ChatId| {
        let source = &w.event["source"];
        ["groupId", "roomId", "userId"].iter().any(|name| source[*name].as_str() == Some(chat.as_str()))
    };
    let wanted = |w: &&Webhook| {
        query.account.as_ref().is_none_or(|a| *a == w.account)
            && query.chat.as_ref().is_none_or(|c| from(w, c))
            && query.after.is_none_or(|n| w.number > n)
    };
    Json(platform.with(|world, _| world.books.webhooks.iter().filter(wanted).cloned().collect()))
}

async fn requests(State(platform): State<Arc<Platform>>, Query(query): Query<BooksQuery>) -> Json<Vec<Requested>> {
    let wanted = |r: &&Requested| query.account.is_none() || query.account == r.account;
    Json(platform.with(|world, _| world.books.requests.iter().filter(wanted).cloned().collect()))
}

async fn duplicates(State(platform): State<Arc<Platform>>) -> Json<Vec<Duplicate>> {
    Json(platform.with(|world, _| world.books.duplicates()))
}

async fn counts(State(platform): State<Arc<Platform>>) -> Json<Counts> {
    Json(platform.with(|world, _| world.books.counts.clone()))
}

async fn reset(State(platform): State<Arc<Platform>>, Json(reset): Json<Reset>) -> Json<()> {
    platform.with(|world, _| world.books.reset(reset.detail));
    Json(())
}

async fn settled(State(platform): State<Arc<Platform>>, Query(patience): Query<Patience>) -> Json<Settled> {
    let deadline = Duration::from_millis(patience.within_ms.min(600_000));
    Json(Settled { settled: platform.mailroom.settle(deadline).await })
}
