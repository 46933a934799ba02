//! Webhook settings and the test call.

use line_simulator::{AccountSettings, AccountSpec};
use reqwest::Method;
use serde_json::json;

use crate::stage::Stage;

const ENDPOINT: &str = "/v2/bot/channel/webhook/endpoint";
const TEST: &str = "/v2/bot/channel/webhook/test";

#[tokio::test]
async fn the_endpoint_is_set_and_read() {
    let stage = Stage::new().await;
    let set = json!({ "endpoint": "https://example.com/hook" });
    assert_eq!(stage.call(Method::PUT, ENDPOINT, Some(set)).await.status, 200);
    assert_eq!(stage.get(ENDPOINT).await.body, json!({ "endpoint": "https://example.com/hook", "active": true }));
    let off = AccountSettings { webhook_active: Some(false), ..AccountSettings::default() };
    stage.control.change_account(&stage.account.channel_id, &off).await.unwrap();
    assert_eq!(stage.get(ENDPOINT).await.body["active"], false);
    for bad in ["http://example.com/", "no url", &format!("https://example.com/{}", "x".repeat(500))] {
        assert_eq!(stage.call(Method::PUT, ENDPOINT, Some(json!({ "endpoint": bad }))).await.status, 400);
    }
}

#[tokio::test]
async fn the_test_call_sends_an_empty_webhook_and_tells_how_it_went() {
    let stage = Stage::new().await;
    let fine = stage.post(TEST, json!({})).await.body;
    assert_eq!((&fine["success"], &fine["statusCode"], &fine["reason"]), (&json!(true), &json!(200), &json!("OK")));
    let received = stage.receiver.requests(1).await;
    assert!(received[0].events().is_empty());
    stage.receiver.answer_next(&[503]);
    let failed = stage.post(TEST, json!({})).await.body;
    assert_eq!((&failed["success"], &failed["reason"]), (&json!(false), &json!("ERROR_STATUS_CODE")));
    let nobody = stage.post(TEST, json!({ "endpoint": "http://127.0.0.1:1/" })).await.body;
    assert_eq!(nobody["reason"], "COULD_NOT_CONNECT");
}

#[tokio::test]
async fn without_an_endpoint_there_is_nothing_to_read_or_test() {
    let stage = Stage::new().await;
    let card = stage.control.add_account(&stage.account.provider, AccountSpec::default()).await.unwrap();
    let base = stage.simulator.base_url();
    let get = stage.http.get(format!("{base}{ENDPOINT}")).bearer_auth(&card.access_token).send().await.unwrap();
    let test = stage.http.post(format!("{base}{TEST}")).bearer_auth(&card.access_token).send().await.unwrap();
    assert_eq!((get.status().as_u16(), test.status().as_u16()), (404, 404));
}
