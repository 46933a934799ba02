//! Webhooks: signature, redelivery, and trouble on the way.

use std::time::Duration;

use chrono::TimeDelta;
use line_simulator::{AccountSpec, Act, BooksQuery, Trouble, Webhook};
use line_types::signature::{ChannelSecret, Signature, VerifyingKey};
use serde_json::json;

use crate::receiver::Received;
use crate::stage::{Stage, text_message};

async fn books(stage: &Stage) -> Vec<Webhook> {
    stage.control.webhooks(&BooksQuery::default()).await.unwrap()
}

#[tokio::test]
async fn every_webhook_is_signed_over_its_exact_bytes_for_its_bot() {
    let stage = Stage::new().await;
    let (person, _) = stage.friend().await;
    stage.writes(&person, "寿司 🍣").await;
    let received = stage.receiver.requests(1).await;
    let keys = [VerifyingKey::new(&ChannelSecret::parse(&stage.account.channel_secret).unwrap())];
    let verified = Signature::verify(received[0].signature.as_bytes(), &received[0].body, &keys);
    assert_eq!(verified, Ok(0));
    let body: serde_json::Value = serde_json::from_slice(&received[0].body).unwrap();
    assert_eq!(body["destination"], stage.account.bot_user_id.as_str());
}

#[tokio::test]
async fn follow_unfollow_and_refollow() {
    let stage = Stage::new().await;
    let (person, user) = stage.person().await;
    let account = &stage.account.channel_id;
    stage.control.add_friend(account, &person).await.unwrap();
    stage.control.block(account, &person).await.unwrap();
    stage.control.unblock(account, &person).await.unwrap();
    let events = stage.receiver.events(3).await;
    assert_eq!(events[0]["follow"], json!({ "isUnblocked": false }));
    assert_eq!((&events[1]["type"], events[1].get("replyToken")), (&json!("unfollow"), None));
    assert_eq!(events[2]["follow"], json!({ "isUnblocked": true }));
    assert!(events.iter().all(|e| e["source"]["userId"] == user.as_str()));
}

#[tokio::test]
async fn an_unanswered_webhook_comes_again_with_the_same_id_and_reply_token() {
    let stage = Stage::with(AccountSpec { redelivery: true, ..AccountSpec::default() }).await;
    stage.simulator.clock().stop();
    let (person, _) = stage.friend().await;
    stage.receiver.answer_next(&[500]);
    let token = stage.writes(&person, "hello").await.reply_token.unwrap();
    stage.control.advance(TimeDelta::seconds(90)).await.unwrap();
    let events = stage.receiver.events(2).await;
    assert_eq!(events[0]["deliveryContext"]["isRedelivery"], false);
    assert_eq!(events[1]["deliveryContext"]["isRedelivery"], true);
    for same in ["webhookEventId", "timestamp", "replyToken", "message"] {
        assert_eq!(events[0][same], events[1][same]);
    }
    assert_eq!(stage.reply(&token, "a minute from the second delivery").await.status, 200);
}

#[tokio::test]
async fn without_redelivery_nothing_comes_again() {
    let stage = Stage::new().await;
    let (person, _) = stage.friend().await;
    stage.receiver.answer_next(&[500]);
    stage.writes(&person, "lost").await;
    stage.control.advance(TimeDelta::days(1)).await.unwrap();
    stage.writes(&person, "next").await;
    let books = books(&stage).await;
    assert_eq!((books[0].acknowledged, books[0].attempts.len()), (false, 1));
    assert_eq!(books[0].attempts[0].reason, "ERROR_STATUS_CODE");
    assert!(books[1].acknowledged);
}

#[tokio::test]
async fn a_delivery_may_be_duplicated() {
    let stage = Stage::new().await;
    let (person, _) = stage.friend().await;
    let trouble = Trouble { duplicate: 1.0, ..Trouble::default() };
    stage.control.set_delivery(&stage.account.channel_id, &trouble).await.unwrap();
    stage.writes(&person, "twice").await;
    let received = stage.receiver.requests(2).await;
    assert_eq!(received[0].body, received[1].body);
    let books = books(&stage).await;
    assert_eq!((books.len(), books[0].attempts.len()), (1, 2));
    assert!(books[0].attempts[1].is_duplicate);
}

#[tokio::test]
async fn a_burst_is_held_disordered_and_batched() {
    let stage = Stage::new().await;
    let (person, _) = stage.friend().await;
    let account = &stage.account.channel_id;
    let hold = Trouble { hold: true, ..Trouble::default() };
    stage.control.set_delivery(account, &hold).await.unwrap();
    let mut written = Vec::new();
    for n in 0..20 {
        let done = stage.control.write_text(account, &person, &n.to_string()).await.unwrap();
        written.push(done.webhook_event_id.unwrap());
    }
    assert!(!stage.control.webhooks_settled(Duration::ZERO).await.unwrap());
    let burst = Trouble { reorder_window: 20, batch: 5, parallel: 4, ..Trouble::default() };
    stage.control.set_delivery(account, &burst).await.unwrap();
    assert!(stage.control.webhooks_settled(Duration::from_secs(10)).await.unwrap());
    let received = stage.receiver.requests(4).await;
    assert!(received.iter().all(|r| r.events().len() == 5));
    let mut arrived: Vec<String> =
        received.iter().flat_map(Received::events).map(|e| e["webhookEventId"].as_str().unwrap().to_owned()).collect();
    assert_ne!(arrived, written);
    arrived.sort();
    written.sort();
    assert_eq!(arrived, written);
}

#[tokio::test]
async fn cards_are_tapped_by_label() {
    let stage = Stage::new().await;
    let (person, user) = stage.friend().await;
    let actions = json!([
        { "type": "postback", "label": "Book", "data": "book=1" },
        { "type": "message", "label": "Ask", "text": "a question" },
        { "type": "uri", "label": "Link", "uri": "https://example.com/link" },
    ]);
    let template = json!({ "type": "buttons", "text": "What next?", "actions": actions });
    let card = json!({ "type": "template", "altText": "card", "template": template });
    let body = json!({ "to": user, "messages": [text_message("hello"), card] });
    let sent = stage.post("/v2/bot/message/push", body).await;
    let message_id = sent.body["sentMessages"][1]["id"].as_str().unwrap();
    let tap = async |label: &str| {
        let act = Act::Tap { message_id: message_id.into(), label: label.into() };
        stage.control.act(&stage.account.channel_id, &person, act).await
    };
    tap("Book").await.unwrap();
    tap("Ask").await.unwrap();
    assert_eq!(tap("Link").await.unwrap().uri.as_deref(), Some("https://example.com/link"));
    assert!(tap("Nothing").await.is_err());
    let events = stage.receiver.events(2).await;
    assert_eq!(events[0]["postback"], json!({ "data": "book=1" }));
    assert_eq!(events[1]["message"]["text"], "a question");
}

#[tokio::test]
async fn other_events_and_events_nobody_knows_yet() {
    let stage = Stage::new().await;
    let (person, _) = stage.friend().await;
    let account = &stage.account.channel_id;
    let acts = [
        Act::FinishVideo { tracking_id: "track".into() },
        Act::Beacon { hwid: "d41d8cd98f".into(), kind: "enter".into(), dm: None },
        Act::Membership { kind: "joined".into(), membership_id: 3189 },
    ];
    for act in acts {
        stage.control.act(account, &person, act).await.unwrap();
    }
    stage.control.raw_event(account, &json!({ "type": "somethingNew", "news": { "a": 1 } })).await.unwrap();
    let events = stage.receiver.events(4).await;
    assert_eq!(events[0]["videoPlayComplete"]["trackingId"], "track");
    assert_eq!(events[1]["beacon"], json!({ "hwid": "d41d8cd98f", "type": "enter" }));
    assert_eq!(events[2]["membership"], json!({ "type": "joined", "membershipId": 3189 }));
    assert_eq!((&events[3]["type"], &events[3]["news"]["a"]), (&json!("somethingNew"), &json!(1)));
}
