//! `GET /v2/bot/message/quota`, `…/quota/consumption`, `…/delivery/{method}`, `…/aggregation/{info,list}`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde_json::{Value, json};

use super::answer::Answer;
use super::day::{day, invalid_day};
use super::gate::Caller;
use super::page::{Page, slice};
use crate::platform::Platform;
use crate::state::quota::{day_of, month_of};
use crate::state::sending::Method;

pub(crate) fn routes() -> Router<Arc<Platform>> {
    let delivery = "/v2/bot/message/delivery";
    Router::new()
        .route("/v2/bot/message/quota", get(quota))
        .route("/v2/bot/message/quota/consumption", get(consumption))
        .route("/v2/bot/message/aggregation/info", get(units_used))
        .route("/v2/bot/message/aggregation/list", get(unit_names))
        .route(&format!("{delivery}/reply"), get(async |p, c, q| delivered(p, c, q, Method::Reply)))
        .route(&format!("{delivery}/push"), get(async |p, c, q| delivered(p, c, q, Method::Push)))
        .route(&format!("{delivery}/multicast"), get(async |p, c, q| delivered(p, c, q, Method::Multicast)))
        .route(&format!("{delivery}/broadcast"), get(async |p, c, q| delivered(p, c, q, Method::Broadcast)))
}

async fn quota(State(platform): State<Arc<Platform>>, Extension(caller): Extension<Caller>) -> Json<Value> {
    let limit = platform.with(|world, _| world.accounts.get(&caller.channel).and_then(|a| a.quota.limit));
    Json(match limit {
        Some(value) => json!({ "type": "limited", "value": value }),
        None => json!({ "type": "none" }),
    })
}

async fn consumption(State(platform): State<Arc<Platform>>, Extension(caller): Extension<Caller>) -> Json<Value> {
    let used = platform.with(|world, now| world.accounts.get(&caller.channel).map_or(0, |a| a.quota.used(now)));
    Json(json!({ "totalUsage": used }))
}

/// Counts of past days are ready; today's and later ones are not yet.
fn delivered(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<HashMap<String, String>>,
    method: Method,
) -> Answer {
    let date = day(&query)?.ok_or_else(invalid_day)?;
    let ready = platform.with(|world, now| {
        let sent = world.accounts.get(&caller.channel).and_then(|a| a.sent_by_day.get(&(method, date.clone())));
        (date < day_of(now)).then(|| sent.copied().unwrap_or(0))
    });
    Ok(Json(match ready {
        Some(count) => json!({ "status": "ready", "success": count }),
        None => json!({ "status": "unready" }),
    }))
}

async fn units_used(State(platform): State<Arc<Platform>>, Extension(caller): Extension<Caller>) -> Json<Value> {
    let names = unit_names_of(&platform, &caller);
    Json(json!({ "numOfCustomAggregationUnits": names.len() }))
}

async fn unit_names(
    State(platform): State<Arc<Platform>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<HashMap<String, String>>,
) -> Answer {
    let page = Page::of(&query, 100, 100, platform.clock.now())?;
    let names = unit_names_of(&platform, &caller);
    let (names, next) = slice(names, &page, platform.clock.now());
    let mut body = json!({ "customAggregationUnits": names });
    if let Some(next) = next {
        body["next"] = json!(next);
    }
    Ok(Json(body))
}

fn unit_names_of(platform: &Arc<Platform>, caller: &Caller) -> Vec<String> {
    platform.with(|world, now| {
        let account = world.accounts.get(&caller.channel);
        account.and_then(|a| a.units.get(&month_of(now))).map(|n| n.iter().cloned().collect()).unwrap_or_default()
    })
}
