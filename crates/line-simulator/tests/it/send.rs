//! Who gets what: friends, blockers, strangers, other providers, groups.

use chrono::TimeDelta;
use line_simulator::{AccountSpec, Fate, Method, PersonSpec};
use serde_json::json;

use crate::stage::{Stage, text_message};

#[tokio::test]
async fn a_push_to_a_friend_is_delivered_and_counted() {
    let stage = Stage::new().await;
    let (_, user) = stage.friend().await;
    let answer = stage.push(&user, "hello").await;
    assert_eq!(answer.status, 200);
    let sent = stage.sent().await;
    assert_eq!((sent[0].method, sent[0].counted), (Method::Push, 1));
    assert_eq!(sent[0].fates, [(user, Fate::Delivered)]);
    assert_eq!(sent[0].request_id, answer.request_id);
    assert_eq!(answer.body["sentMessages"][0]["id"], sent[0].message_ids[0]);
}

#[tokio::test]
async fn a_push_to_a_blocker_is_accepted_and_neither_delivered_nor_counted() {
    let stage = Stage::new().await;
    let (person, user) = stage.friend().await;
    stage.control.block(&stage.account.channel_id, &person).await.unwrap();
    assert_eq!(stage.push(&user, "hello").await.status, 200);
    let sent = stage.sent().await;
    assert_eq!((sent[0].fates[0].1, sent[0].counted), (Fate::Blocked, 0));
}

#[tokio::test]
async fn a_stranger_is_reached_for_seven_days_after_writing() {
    let stage = Stage::new().await;
    stage.simulator.clock().stop();
    let (person, user) = stage.person().await;
    stage.push(&user, "never met").await;
    stage.writes(&person, "hello").await;
    stage.push(&user, "within seven days").await;
    let multicast = json!({ "to": [user], "messages": [text_message("multicast")] });
    assert_eq!(stage.post("/v2/bot/message/multicast", multicast).await.status, 200);
    stage.control.advance(TimeDelta::days(7) + TimeDelta::seconds(1)).await.unwrap();
    stage.push(&user, "too late").await;
    let fates: Vec<Fate> = stage.sent().await.iter().map(|s| s.fates[0].1).collect();
    assert_eq!(fates, [Fate::NotAFriend, Fate::Delivered, Fate::NotAFriend, Fate::NotAFriend]);
}

#[tokio::test]
async fn a_user_of_another_provider_is_refused() {
    let stage = Stage::new().await;
    let (person, user) = stage.friend().await;
    let elsewhere = stage.control.add_provider("Elsewhere").await.unwrap();
    let other = stage.control.add_account(&elsewhere, AccountSpec::default()).await.unwrap();
    let foreign = stage.control.user_id(&other.channel_id, &person).await.unwrap();
    assert_ne!(foreign, user);
    let answer = stage.push(&foreign, "hello").await;
    assert_eq!((answer.status, answer.body["message"].as_str()), (400, Some("Failed to send messages")));
    let sibling = stage.control.add_account(&stage.account.provider, AccountSpec::default()).await.unwrap();
    assert_eq!(stage.control.user_id(&sibling.channel_id, &person).await.unwrap(), user);
}

#[tokio::test]
async fn a_malformed_recipient_is_named() {
    let stage = Stage::new().await;
    let answer = stage.post("/v2/bot/message/push", json!({ "to": "nobody", "messages": [text_message("x")] })).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body["message"].as_str().unwrap().starts_with("The property, 'to', in the request body is invalid"));
    let (_, user) = stage.friend().await;
    let body = json!({ "to": [user, "nobody"], "messages": [text_message("x")] });
    let answer = stage.post("/v2/bot/message/multicast", body).await;
    assert_eq!((answer.status, answer.body["details"][0]["property"].as_str()), (400, Some("to[1]")));
    assert_eq!(stage.sent().await.len(), 0);
}

#[tokio::test]
async fn a_multicast_reaches_friends_only_and_500_at_most() {
    let stage = Stage::new().await;
    let friends = stage.control.add_friends(&stage.account.channel_id, 3, true).await.unwrap();
    let (_, stranger) = stage.person().await;
    let mut to: Vec<_> = friends.iter().map(|f| f.user_id.clone()).collect();
    to.push(stranger);
    let answer = stage.post("/v2/bot/message/multicast", json!({ "to": to, "messages": [text_message("x")] })).await;
    assert_eq!((answer.status, answer.body), (200, json!({})));
    assert_eq!(stage.sent().await[0].counted, 3);
    let crowd = vec![&to[0]; 501];
    let answer = stage.post("/v2/bot/message/multicast", json!({ "to": crowd, "messages": [text_message("x")] })).await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn a_broadcast_reaches_every_friend_who_has_not_blocked() {
    let stage = Stage::new().await;
    let friends = stage.control.add_friends(&stage.account.channel_id, 3, true).await.unwrap();
    stage.control.block(&stage.account.channel_id, &friends[0].person).await.unwrap();
    let answer = stage.post("/v2/bot/message/broadcast", json!({ "messages": [text_message("x")] })).await;
    assert_eq!(answer.status, 200);
    assert_eq!(stage.sent().await[0].counted, 2);
}

#[tokio::test]
async fn a_deleted_line_account_gets_nothing_and_has_no_profile() {
    let stage = Stage::new().await;
    let (person, user) = stage.friend().await;
    stage.control.delete_person(&person).await.unwrap();
    assert_eq!(stage.push(&user, "hello").await.status, 200);
    assert_eq!(stage.sent().await[0].fates[0].1, Fate::NoAccount);
    assert_eq!(stage.get(&format!("/v2/bot/profile/{user}")).await.status, 404);
}

#[tokio::test]
async fn quotes_stay_in_their_chat() {
    let stage = Stage::new().await;
    let (person, user) = stage.friend().await;
    let (_, other) = stage.friend().await;
    stage.writes(&person, "quote me").await;
    let token = stage.receiver.events(1).await[0]["message"]["quoteToken"].clone();
    let quote = |to| json!({ "to": to, "messages": [{ "type": "text", "text": "yes", "quoteToken": token }] });
    assert_eq!(stage.post("/v2/bot/message/push", quote(&user)).await.status, 200);
    assert_eq!(stage.post("/v2/bot/message/push", quote(&other)).await.status, 400);
}

#[tokio::test]
async fn aggregation_units_are_remembered_for_the_month() {
    let stage = Stage::new().await;
    let (_, user) = stage.friend().await;
    for (unit, status) in [("promo_a", 200), ("promo_b", 200), ("bad name", 400), (&"x".repeat(31), 200)] {
        let body = json!({ "to": user, "messages": [text_message("x")], "customAggregationUnits": [unit] });
        assert_eq!(stage.post("/v2/bot/message/push", body).await.status, status, "{unit}");
    }
    let list = stage.get("/v2/bot/message/aggregation/list").await;
    assert_eq!(list.body["customAggregationUnits"], json!(["promo_a", "promo_b"]));
    let info = stage.get("/v2/bot/message/aggregation/info").await;
    assert_eq!(info.body["numOfCustomAggregationUnits"], 2);
}

#[tokio::test]
async fn people_without_consent_send_events_without_a_user_id() {
    let stage = Stage::new().await;
    let spec = PersonSpec { consented: false, ..PersonSpec::default() };
    let person = stage.control.add_person(&spec).await.unwrap();
    stage.writes(&person, "who am I").await;
    let events = stage.receiver.events(1).await;
    assert_eq!(events[0]["source"], json!({ "type": "user" }));
}
