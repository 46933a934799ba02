//! `X-Line-Retry-Key`.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::json;

use crate::stage::{Stage, text_message};

const KEY: &str = "123e4567-e89b-12d3-a456-426614174000";

#[tokio::test]
async fn a_repeated_push_is_answered_409_with_the_first_answer() {
    let stage = Stage::new().await;
    let (_, user) = stage.friend().await;
    let first = stage.push_keyed(&user, "once", KEY).await.unwrap();
    assert_eq!((first.status, first.accepted_request_id), (200, None));
    let again = stage.push_keyed(&user, "once", KEY).await.unwrap();
    assert_eq!(again.status, 409);
    assert_eq!(again.accepted_request_id.as_ref(), Some(&first.request_id));
    assert_ne!(again.request_id, first.request_id);
    assert_eq!(again.body["message"], "The retry key is already accepted");
    assert_eq!(again.body["sentMessages"], first.body["sentMessages"]);
    assert_eq!(stage.sent().await.len(), 1);
    assert_eq!(stage.simulator.duplicates(), []);
}

#[tokio::test]
async fn only_a_push_gets_its_messages_back() {
    let stage = Stage::new().await;
    let (_, user) = stage.friend().await;
    let body = json!({ "to": [user], "messages": [text_message("once")] });
    for status in [200, 409] {
        let answer = stage
            .call_with(Method::POST, "/v2/bot/message/multicast", Some(body.clone()), &[("X-Line-Retry-Key", KEY)])
            .await
            .unwrap();
        assert_eq!(answer.status, status);
        assert!(answer.body.get("sentMessages").is_none());
    }
}

#[tokio::test]
async fn after_24_hours_the_same_key_sends_again() {
    let stage = Stage::new().await;
    stage.simulator.clock().stop();
    let (_, user) = stage.friend().await;
    stage.push_keyed(&user, "once", KEY).await.unwrap();
    stage.control.advance(TimeDelta::hours(24) - TimeDelta::seconds(1)).await.unwrap();
    assert_eq!(stage.push_keyed(&user, "once", KEY).await.unwrap().status, 409);
    stage.control.advance(TimeDelta::seconds(1)).await.unwrap();
    assert_eq!(stage.push_keyed(&user, "once", KEY).await.unwrap().status, 200);
    assert_eq!(stage.simulator.duplicates().len(), 1);
}

#[tokio::test]
async fn a_refused_request_leaves_its_key_unused() {
    let stage = Stage::new().await;
    let (_, user) = stage.friend().await;
    assert_eq!(stage.push_keyed(&user, "", KEY).await.unwrap().status, 400);
    assert_eq!(stage.push_keyed(&user, "now", KEY).await.unwrap().status, 200);
}

#[tokio::test]
async fn keys_are_hyphenated_uuids_and_known_to_sending_endpoints_only() {
    let stage = Stage::new().await;
    let (person, user) = stage.friend().await;
    for bad in ["not-a-uuid", "123e4567e89b12d3a456426614174000", ""] {
        assert_eq!(stage.push_keyed(&user, "text", bad).await.unwrap().status, 400, "{bad}");
    }
    let token = stage.writes(&person, "hello").await.reply_token.unwrap();
    let body = json!({ "replyToken": token, "messages": [text_message("hi")] });
    let headers = [("X-Line-Retry-Key", KEY)];
    let reply = stage.call_with(Method::POST, "/v2/bot/message/reply", Some(body), &headers).await.unwrap();
    assert_eq!(reply.status, 400);
    let info = stage.call_with(Method::GET, "/v2/bot/info", None, &headers).await.unwrap();
    assert_eq!(info.status, 400);
    assert_eq!(stage.sent().await.len(), 0);
}

#[tokio::test]
async fn another_account_may_use_the_same_key() {
    let stage = Stage::new().await;
    let (_, user) = stage.friend().await;
    stage.push_keyed(&user, "once", KEY).await.unwrap();
    let other =
        stage.control.add_account(&stage.account.provider, line_simulator::AccountSpec::default()).await.unwrap();
    let answer = stage
        .http
        .post(format!("{}/v2/bot/message/push", stage.simulator.base_url()))
        .bearer_auth(&other.access_token)
        .header("X-Line-Retry-Key", KEY)
        .json(&json!({ "to": user, "messages": [text_message("other")] }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
}
