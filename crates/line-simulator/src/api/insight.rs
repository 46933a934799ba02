//! `GET /v2/bot/insight/followers`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde_json::json;

use super::answer::Answer;
use super::day::day;
use super::gate::Caller;
use crate::platform::Platform;
use crate::state::follower_count::FIRST_DAY;
use crate::state::quota::day_of;

pub(crate) fn routes() -> Router<Arc<Platform>> {
    Router::new().route("/v2/bot/insight/followers", get(followers))
}

/// Past days are counted; today and later ones are not yet, and LINE did not count before its first day. Without a day, today is meant.
async fn followers(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<HashMap<String, String>>,
) -> Answer {
    let asked = day(&query)?;
    Ok(Json(platform.with(|world, now| {
        let today = day_of(now);
        let asked = asked.unwrap_or_else(|| today.clone());
        let known = world.accounts.get(&caller.channel).filter(|_| asked < today);
        match known {
            _ if *asked < *FIRST_DAY => json!({ "status": "out_of_service" }),
            None => json!({ "status": "unready" }),
            Some(account) => {
                let count = account.follower_days.at_end_of(&asked);
                json!({
                    "status": "ready",
                    "followers": count.followers,
                    "targetedReaches": count.reaches(),
                    "blocks": count.blocks(),
                })
            }
        }
    })))
}
