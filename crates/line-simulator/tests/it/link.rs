//! Account link: token, dialog, event and its failures.

use chrono::TimeDelta;
use line_simulator::UserId;
use serde_json::json;

use crate::stage::Stage;

const NONCE: &str = "nonce-of-ten-or-more";

async fn token(stage: &Stage, user: &UserId) -> String {
    let answer = stage.post(&format!("/v2/bot/user/{user}/linkToken"), json!({})).await;
    assert_eq!(answer.status, 200);
    answer.body["linkToken"].as_str().unwrap().to_owned()
}

fn dialog(stage: &Stage, token: &str, nonce: &str) -> String {
    format!("{}/dialog/bot/accountLink?linkToken={token}&nonce={nonce}", stage.simulator.base_url())
}

#[tokio::test]
async fn the_right_visitor_links_and_the_account_may_reply() {
    let stage = Stage::new().await;
    let (person, user) = stage.friend().await;
    let url = dialog(&stage, &token(&stage, &user).await, NONCE);
    assert_eq!(stage.control.open_link(&person, &url).await.unwrap().status, 200);
    let events = stage.receiver.events(1).await;
    assert_eq!(events[0]["type"], "accountLink");
    assert_eq!(events[0]["link"], json!({ "result": "ok", "nonce": NONCE }));
    assert_eq!(events[0]["source"]["userId"], user.as_str());
    assert_eq!(stage.reply(events[0]["replyToken"].as_str().unwrap(), "linked").await.status, 200);
}

#[tokio::test]
async fn a_forwarded_link_fails_without_source_or_reply_token() {
    let stage = Stage::new().await;
    let (_, user) = stage.friend().await;
    let (stranger, _) = stage.friend().await;
    let url = dialog(&stage, &token(&stage, &user).await, NONCE);
    stage.control.open_link(&stranger, &url).await.unwrap();
    let events = stage.receiver.events(1).await;
    assert_eq!(events[0]["link"], json!({ "result": "failed", "nonce": NONCE }));
    assert!(events[0].get("source").is_none());
    assert!(events[0].get("replyToken").is_none());
}

#[tokio::test]
async fn a_used_or_expired_token_shows_an_error_and_causes_no_event() {
    let stage = Stage::new().await;
    stage.simulator.clock().stop();
    let (person, user) = stage.friend().await;
    let spent = dialog(&stage, &token(&stage, &user).await, NONCE);
    assert_eq!(stage.control.open_link(&person, &spent).await.unwrap().status, 200);
    assert_eq!(stage.control.open_link(&person, &spent).await.unwrap().status, 400);
    let expired = dialog(&stage, &token(&stage, &user).await, NONCE);
    stage.control.advance(TimeDelta::minutes(10)).await.unwrap();
    assert_eq!(stage.control.open_link(&person, &expired).await.unwrap().status, 400);
    assert_eq!(stage.simulator.counts().webhooks, 1);
}

#[tokio::test]
async fn nonces_have_10_to_255_characters() {
    let stage = Stage::new().await;
    let (person, user) = stage.friend().await;
    let token = token(&stage, &user).await;
    for bad in ["123456789", &"n".repeat(256)] {
        assert_eq!(stage.control.open_link(&person, &dialog(&stage, &token, bad)).await.unwrap().status, 400);
    }
    let good = dialog(&stage, &token, &"n".repeat(255));
    assert_eq!(stage.control.open_link(&person, &good).await.unwrap().status, 200);
}

#[tokio::test]
async fn strangers_get_no_link_token() {
    let stage = Stage::new().await;
    let (_, user) = stage.person().await;
    assert_eq!(stage.post(&format!("/v2/bot/user/{user}/linkToken"), json!({})).await.status, 404);
    assert_eq!(stage.post("/v2/bot/user/nobody/linkToken", json!({})).await.status, 400);
}

#[tokio::test]
async fn a_browser_is_asked_before_anything_is_linked_and_a_program_is_not() {
    let stage = Stage::new().await;
    let (person, user) = stage.friend().await;
    let url = dialog(&stage, &token(&stage, &user).await, NONCE);
    assert_eq!(stage.http.get(&url).send().await.unwrap().status(), 401);
    let log_in = stage.http.get(format!("{}/control/people/{person}/log-in", stage.simulator.base_url()));
    let logged_in = log_in.send().await.unwrap();
    let cookie = logged_in.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    assert_eq!(cookie, format!("line_person={person}"));
    let named = stage.http.get(format!("{url}&person={person}")).send().await.unwrap();
    assert!(named.headers()["set-cookie"].to_str().unwrap().starts_with(&cookie));

    let asked = stage.http.get(&url).header("cookie", format!("a=b; {cookie}")).send().await.unwrap();
    assert_eq!(asked.status(), 200);
    assert!(asked.text().await.unwrap().contains("<form method=\"post\">"));
    assert_eq!(stage.simulator.counts().webhooks, 0, "it was asked and nothing more");
    let confirmed = stage.http.post(&url).header("cookie", &cookie).send().await.unwrap();
    assert_eq!(confirmed.status(), 200);
    assert_eq!(stage.receiver.events(1).await[0]["link"]["result"], "ok");
    assert_eq!(stage.http.post(&url).header("cookie", &cookie).send().await.unwrap().status(), 400, "used up");

    let url = dialog(&stage, &token(&stage, &user).await, NONCE);
    let program = stage.http.get(url).header("x-line-person", person.as_str()).send().await.unwrap();
    assert_eq!(program.status(), 200);
    assert_eq!(stage.receiver.events(2).await[1]["link"]["result"], "ok");
}
