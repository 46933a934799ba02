//! Reply tokens.

use chrono::TimeDelta;
use line_simulator::{Act, ActRequest, Method, Writing};

use crate::stage::Stage;

#[tokio::test]
async fn a_reply_token_works_once_and_is_free() {
    let stage = Stage::new().await;
    let (person, user) = stage.friend().await;
    let token = stage.writes(&person, "hello").await.reply_token.unwrap();
    let first = stage.reply(&token, "welcome").await;
    assert_eq!(first.status, 200);
    assert!(first.body["sentMessages"][0]["id"].is_string());
    assert!(first.body["sentMessages"][0]["quoteToken"].is_string());
    let second = stage.reply(&token, "welcome").await;
    assert_eq!((second.status, second.body["message"].as_str()), (400, Some("Invalid reply token")));
    let sent = stage.sent().await;
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].method, sent[0].counted), (Method::Reply, 0));
    assert_eq!(sent[0].chats[0].as_str(), user.as_str());
    assert_eq!(sent[0].request_id, first.request_id);
    assert_eq!(stage.get("/v2/bot/message/quota/consumption").await.body["totalUsage"], 0);
}

#[tokio::test]
async fn a_reply_token_dies_a_minute_after_delivery() {
    let stage = Stage::new().await;
    stage.simulator.clock().stop();
    let (person, _) = stage.friend().await;
    let early = stage.writes(&person, "one").await.reply_token.unwrap();
    stage.control.advance(TimeDelta::seconds(60)).await.unwrap();
    assert_eq!(stage.reply(&early, "in time").await.status, 200);
    let late = stage.writes(&person, "two").await.reply_token.unwrap();
    stage.control.advance(TimeDelta::seconds(61)).await.unwrap();
    assert_eq!(stage.reply(&late, "too late").await.status, 400);
}

#[tokio::test]
async fn a_refused_reply_leaves_the_token_good() {
    let stage = Stage::new().await;
    let (person, _) = stage.friend().await;
    let token = stage.writes(&person, "hello").await.reply_token.unwrap();
    assert_eq!(stage.reply(&token, "").await.status, 400);
    assert_eq!(stage.reply(&token, "now").await.status, 200);
}

#[tokio::test]
async fn standby_events_carry_no_token() {
    let stage = Stage::new().await;
    let (person, _) = stage.friend().await;
    let act = Act::Write(Writing::Text { text: "hello".into(), extra: None });
    let request = ActRequest { standby: true, ..ActRequest::from(act) };
    let done = stage.control.act(&stage.account.channel_id, &person, request).await.unwrap();
    assert_eq!(done.reply_token, None);
    let events = stage.receiver.events(1).await;
    assert_eq!(events[0]["mode"], "standby");
    assert!(events[0].get("replyToken").is_none());
}
