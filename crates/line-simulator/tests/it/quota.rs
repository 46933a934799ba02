//! The monthly quota and its reservation.

use line_simulator::{AccountSettings, AccountSpec};
use serde_json::json;

use crate::stage::{Stage, text_message};

fn limited(messages: u64) -> AccountSpec {
    AccountSpec { quota: Some(messages), ..AccountSpec::default() }
}

#[tokio::test]
async fn recipients_count_and_the_month_ends_with_429() {
    let stage = Stage::with(limited(2)).await;
    let (person, user) = stage.friend().await;
    assert_eq!(stage.get("/v2/bot/message/quota").await.body, json!({ "type": "limited", "value": 2 }));
    let five = json!({ "to": user, "messages": vec![text_message("bubble"); 5] });
    assert_eq!(stage.post("/v2/bot/message/push", five).await.status, 200);
    assert_eq!(stage.get("/v2/bot/message/quota/consumption").await.body["totalUsage"], 1);
    assert_eq!(stage.push(&user, "second").await.status, 200);
    let over = stage.push(&user, "third").await;
    assert_eq!((over.status, over.body["message"].as_str()), (429, Some("You have reached your monthly limit.")));
    let token = stage.writes(&person, "hello").await.reply_token.unwrap();
    assert_eq!(stage.reply(&token, "replies are free").await.status, 200);
}

#[tokio::test]
async fn a_new_month_starts_at_zero() {
    let stage = Stage::with(limited(1)).await;
    let set = |text: &str| line_simulator::clock::ClockTurn { set: Some(text.parse().unwrap()), ..Default::default() };
    stage.control.turn_clock(&set("2030-08-31T14:59:00Z")).await.unwrap();
    let (_, user) = stage.friend().await;
    assert_eq!(stage.push(&user, "august").await.status, 200);
    assert_eq!(stage.push(&user, "august").await.status, 429);
    stage.control.turn_clock(&set("2030-08-31T15:00:00Z")).await.unwrap();
    assert_eq!(stage.push(&user, "september").await.status, 200);
}

#[tokio::test]
async fn a_reservation_gives_429_although_messages_remain() {
    let stage = Stage::with(limited(10)).await;
    let (_, user) = stage.friend().await;
    let reserve = |reserved| AccountSettings { reserved: Some(reserved), ..AccountSettings::default() };
    stage.control.change_account(&stage.account.channel_id, &reserve(10)).await.unwrap();
    let refused = stage.push(&user, "wait").await;
    assert_eq!(refused.body["message"], "You have reached your monthly limit.");
    assert_eq!(stage.get("/v2/bot/message/quota/consumption").await.body["totalUsage"], 0);
    stage.control.change_account(&stage.account.channel_id, &reserve(0)).await.unwrap();
    assert_eq!(stage.push(&user, "now").await.status, 200);
}

#[tokio::test]
async fn the_limit_can_be_lifted() {
    let stage = Stage::with(limited(0)).await;
    let (_, user) = stage.friend().await;
    assert_eq!(stage.push(&user, "x").await.status, 429);
    let lift = AccountSettings { quota: Some(None), ..AccountSettings::default() };
    stage.control.change_account(&stage.account.channel_id, &lift).await.unwrap();
    assert_eq!(stage.push(&user, "x").await.status, 200);
    assert_eq!(stage.get("/v2/bot/message/quota").await.body, json!({ "type": "none" }));
}

#[tokio::test]
async fn delivery_counts_are_ready_the_next_day() {
    let stage = Stage::new().await;
    let set = |text: &str| line_simulator::clock::ClockTurn { set: Some(text.parse().unwrap()), ..Default::default() };
    stage.control.turn_clock(&set("2030-08-10T03:00:00Z")).await.unwrap();
    let (_, user) = stage.friend().await;
    stage.push(&user, "x").await;
    let path = "/v2/bot/message/delivery/push?date=20300810";
    assert_eq!(stage.get(path).await.body, json!({ "status": "unready" }));
    stage.control.turn_clock(&set("2030-08-11T03:00:00Z")).await.unwrap();
    assert_eq!(stage.get(path).await.body, json!({ "status": "ready", "success": 1 }));
    assert_eq!(stage.get("/v2/bot/message/delivery/push?date=yesterday").await.status, 400);
}
