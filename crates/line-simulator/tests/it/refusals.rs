//! Requests refused before they mean anything, and validation.

use reqwest::Method;
use serde_json::json;

use crate::stage::{Stage, text_message};

#[tokio::test]
async fn a_missing_token_is_401_with_the_scheme_to_follow() {
    let stage = Stage::new().await;
    let url = format!("{}/v2/bot/info", stage.simulator.base_url());
    let answer = stage.http.get(url).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert!(answer.headers().contains_key("x-line-request-id"));
    assert!(answer.text().await.unwrap().contains("Authorization header required"));
}

#[tokio::test]
async fn more_than_two_megabytes_are_413() {
    let stage = Stage::new().await;
    let (_, user) = stage.friend().await;
    let body = json!({ "to": user, "messages": [text_message("x")], "padding": "x".repeat(2 * 1024 * 1024) });
    let answer = stage.post("/v2/bot/message/push", body).await;
    assert_eq!((answer.status, answer.body["message"].as_str()), (413, Some("Payload Too Large")));
}

#[tokio::test]
async fn another_media_type_is_415_and_broken_json_400() {
    let stage = Stage::new().await;
    let send = async |kind: &str, body: &str| {
        let request = stage.http.post(format!("{}/v2/bot/message/push", stage.simulator.base_url()));
        let request = request.bearer_auth(&stage.account.access_token).header("content-type", kind);
        let answer = request.body(body.to_owned()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(send("text/plain", "{}").await.0, 415);
    let (status, body) = send("application/json", "{\"to\":").await;
    assert_eq!(status, 400);
    assert!(body.contains("could not be parsed as JSON"), "{body}");
}

#[tokio::test]
async fn broken_messages_are_named_one_by_one_and_nothing_is_sent() {
    let stage = Stage::new().await;
    let (_, user) = stage.friend().await;
    let messages = json!([text_message(""), { "type": "sticker", "packageId": "1" }]);
    let answer = stage.post("/v2/bot/message/push", json!({ "to": user, "messages": messages })).await;
    assert_eq!(answer.status, 400);
    let named: Vec<_> =
        answer.body["details"].as_array().unwrap().iter().map(|d| d["property"].as_str().unwrap()).collect();
    assert_eq!(named, ["messages[0].text", "messages[1].stickerId"]);
    assert_eq!(answer.body["message"], "The request body has 2 error(s)");
    assert_eq!(stage.sent().await.len(), 0);
}

#[tokio::test]
async fn messages_can_be_validated_without_sending() {
    let stage = Stage::new().await;
    for method in ["reply", "push", "multicast", "narrowcast", "broadcast"] {
        let path = format!("/v2/bot/message/validate/{method}");
        assert_eq!(stage.post(&path, json!({ "messages": [text_message("x")] })).await.status, 200);
        assert_eq!(stage.post(&path, json!({ "messages": [text_message("")] })).await.status, 400);
        assert_eq!(stage.post(&path, json!({ "messages": vec![text_message("x"); 6] })).await.status, 400);
        assert_eq!(stage.post(&path, json!({})).await.status, 400);
    }
    assert_eq!(stage.sent().await.len(), 0);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused() {
    let stage = Stage::new().await;
    assert_eq!(stage.call(Method::DELETE, "/v2/bot/info", None).await.status, 405);
    assert_eq!(stage.get("/v2/bot/nothing").await.status, 404);
}

#[tokio::test]
async fn loading_wants_a_user_and_steps_of_five_seconds() {
    let stage = Stage::new().await;
    let (_, user) = stage.person().await;
    let path = "/v2/bot/chat/loading/start";
    assert_eq!(stage.post(path, json!({ "chatId": user })).await.status, 202);
    assert_eq!(stage.post(path, json!({ "chatId": user, "loadingSeconds": 60 })).await.status, 202);
    for bad in [json!({ "chatId": user, "loadingSeconds": 7 }), json!({ "chatId": user, "loadingSeconds": 65 })] {
        assert_eq!(stage.post(path, bad).await.status, 400);
    }
    let group = format!("C{}", "0".repeat(32));
    assert_eq!(stage.post(path, json!({ "chatId": group })).await.status, 400);
}

#[tokio::test]
async fn marking_as_read_wants_a_token_of_ours() {
    let stage = Stage::new().await;
    let (person, _) = stage.friend().await;
    let written = stage.writes(&person, "read me").await;
    let token = stage.receiver.events(1).await[0]["message"]["markAsReadToken"].clone();
    let path = "/v2/bot/chat/markAsRead";
    assert_eq!(stage.post(path, json!({ "markAsReadToken": token })).await.status, 200);
    assert_eq!(stage.post(path, json!({ "markAsReadToken": "foreign" })).await.status, 400);
    let seen = stage.control.account(&stage.account.channel_id).await.unwrap();
    assert_eq!(seen.read_up_to, written.message_id);
}
