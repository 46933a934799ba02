//! Rich menus: how many there may be, how often they may be made, aliases and batches.

use chrono::TimeDelta;
use line_simulator::Limit;
use reqwest::Method;
use serde_json::json;

use crate::rich_menu::{MENUS, link, made, menu, of_user, ready};
use crate::stage::Stage;

const ALIASES: &str = "/v2/bot/richmenu/alias";
const BATCH: &str = "/v2/bot/richmenu/batch";

/// Lays a limit over LINE's own, wide enough for a test.
async fn lift(stage: &Stage, endpoint: &str) {
    let (capacity, per_second) = ((5_000.0, 5_000.0), (0.0, 0.0));
    let limit = Limit { account: None, endpoint: Some(endpoint.into()), capacity, per_second, jitter: 0.0 };
    stage.control.set_limit(&limit).await.unwrap();
}

#[tokio::test]
async fn menus_are_made_100_times_an_hour_and_1000_at_most() {
    let stage = Stage::new().await;
    stage.simulator.clock().stop();
    for n in 0..100 {
        made(&stage, &n.to_string()).await;
    }
    assert_eq!(stage.post(MENUS, menu("too soon")).await.status, 429);
    stage.control.advance(TimeDelta::minutes(1)).await.unwrap();
    made(&stage, "a minute later").await;
    lift(&stage, "POST /v2/bot/richmenu").await;
    for n in 101..1_000 {
        made(&stage, &n.to_string()).await;
    }
    assert_eq!(stage.post(MENUS, menu("one too many")).await.status, 400);
    let first = stage.control.account(&stage.account.channel_id).await.unwrap().rich_menus[0].rich_menu_id.clone();
    assert_eq!(stage.call(Method::DELETE, &format!("{MENUS}/{first}"), None).await.status, 200);
    made(&stage, "in its place").await;
}

#[tokio::test]
async fn listing_and_batches_have_rates_of_their_own() {
    let stage = Stage::new().await;
    stage.simulator.clock().stop();
    let list = format!("{MENUS}/list");
    for _ in 0..10 {
        assert_eq!(stage.get(&list).await.status, 200);
    }
    assert_eq!(stage.get(&list).await.status, 429);
    for _ in 0..3 {
        assert_eq!(stage.post(BATCH, json!({"operations": [{"type": "unlinkAll"}]})).await.status, 202);
    }
    assert_eq!(stage.post(BATCH, json!({"operations": [{"type": "unlinkAll"}]})).await.status, 429);
}

#[tokio::test]
async fn aliases_are_made_changed_read_and_deleted() {
    let stage = Stage::new().await;
    let (first, second) = (ready(&stage, "1").await, ready(&stage, "2").await);
    let path = format!("{ALIASES}/tab-a");
    let alias = |name: &str, menu: &str| json!({"richMenuAliasId": name, "richMenuId": menu});
    assert_eq!(stage.get(&path).await.body["message"], "richmenu alias not found");
    assert_eq!(stage.post(ALIASES, alias("tab-a", &first)).await.status, 200);
    let again = stage.post(ALIASES, alias("tab-a", &second)).await;
    assert_eq!((again.status, &again.body["message"]), (400, &json!("conflict richmenu alias id")));
    assert_eq!(stage.post(&path, json!({"richMenuId": second})).await.status, 200);
    assert_eq!(stage.get(&path).await.body, alias("tab-a", &second));
    assert_eq!(stage.get(&format!("{ALIASES}/list")).await.body, json!({"aliases": [alias("tab-a", &second)]}));
    for bad in ["Upper", &"a".repeat(33), "ü"] {
        assert_eq!(stage.post(ALIASES, alias(bad, &first)).await.status, 400, "{bad}");
    }
    assert_eq!(stage.post(ALIASES, alias("tab-b", "menu")).await.body["details"][0]["message"], "invalid richMenuId");
    assert_eq!(stage.post(&format!("{ALIASES}/tab-b"), json!({"richMenuId": first})).await.status, 404);
    assert_eq!(stage.call(Method::DELETE, &path, None).await.status, 200);
    assert_eq!(stage.call(Method::DELETE, &path, None).await.status, 404);
}

#[tokio::test]
async fn a_batch_looks_at_what_was_linked_before_it_and_its_key_is_used_once() {
    let stage = Stage::new().await;
    stage.simulator.clock().stop();
    lift(&stage, "POST /v2/bot/richmenu/batch").await;
    let (a, b, c) = (ready(&stage, "a").await, ready(&stage, "b").await, ready(&stage, "c").await);
    let ((_, one), (_, two)) = (stage.friend().await, stage.friend().await);
    link(&stage, &one, &a).await;
    link(&stage, &two, &b).await;
    let swap = json!({"resumeRequestKey": "key-1", "operations": [
        {"type": "link", "from": a, "to": b}, {"type": "link", "from": b, "to": c}]});
    assert_eq!(stage.post("/v2/bot/richmenu/validate/batch", swap.clone()).await.status, 200);
    let taken = stage.post(BATCH, swap.clone()).await;
    assert_eq!(taken.status, 202);
    let progress = format!("/v2/bot/richmenu/progress/batch?requestId={}", taken.request_id);
    assert_eq!(stage.get(&progress).await.body["phase"], "ongoing");
    stage.control.advance(TimeDelta::seconds(1)).await.unwrap();
    let done = stage.get(&progress).await.body;
    assert_eq!(done["phase"], "succeeded");
    assert!(done["completedTime"].as_str() > done["acceptedTime"].as_str());
    assert_eq!((of_user(&stage, &one).await, of_user(&stage, &two).await), (Some(b.clone()), Some(c.clone())));
    assert_eq!(stage.post(BATCH, swap).await.status, 202);
    stage.control.advance(TimeDelta::seconds(1)).await.unwrap();
    assert_eq!(of_user(&stage, &one).await, Some(b.clone()), "the key had done its work");
    stage.control.advance(TimeDelta::days(15)).await.unwrap();
    assert_eq!(stage.get(&progress).await.status, 404);
    assert_eq!(stage.get("/v2/bot/richmenu/progress/batch?requestId=1").await.status, 400);
}

#[tokio::test]
async fn a_batch_that_contradicts_itself_is_refused() {
    let stage = Stage::new().await;
    lift(&stage, "POST /v2/bot/richmenu/batch").await;
    let (a, bare) = (ready(&stage, "a").await, made(&stage, "bare").await);
    let gone = "richmenu-00000000000000000000000000000000";
    let unlink = json!({"type": "unlink", "from": a});
    let table = [
        (json!([unlink, {"type": "unlinkAll"}]), 400, "operations[].type"),
        (json!([unlink, {"type": "link", "from": a, "to": a}]), 400, "operations[].from"),
        (json!([{"type": "link", "from": a, "to": bare}]), 400, "operations[0].to"),
        (json!([{"type": "link", "from": a, "to": gone}]), 404, "operations[0].to"),
        (json!([{"type": "link", "from": "a", "to": a}]), 400, "operations[0].from"),
        (json!([{"type": "swap"}]), 400, "operations[0].type"),
        (json!([]), 400, "operations"),
    ];
    for (operations, status, property) in table {
        for path in [BATCH, "/v2/bot/richmenu/validate/batch"] {
            let refused = stage.post(path, json!({"operations": operations})).await;
            assert_eq!((refused.status, refused.body["details"][0]["property"].as_str()), (status, Some(property)));
        }
    }
    let key = json!({"operations": [unlink], "resumeRequestKey": "no key"});
    assert_eq!(stage.post(BATCH, key).await.status, 400);
}
