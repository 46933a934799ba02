//! The books and the counters.

use line_simulator::{BooksQuery, Detail, Fate, Method};

use crate::stage::Stage;

#[tokio::test]
async fn a_message_delivered_twice_is_found() {
    let stage = Stage::new().await;
    let (_, user) = stage.friend().await;
    let (_, other) = stage.friend().await;
    let one = stage.push(&user, "marker-1").await.request_id;
    let two = stage.push(&user, "marker-1").await.request_id;
    stage.push(&user, "marker-2").await;
    stage.push(&other, "marker-1").await;
    let found = stage.control.duplicates().await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].chat.as_str(), found[0].times), (user.as_str(), 2));
    assert_eq!(found[0].request_ids, [one, two]);
}

#[tokio::test]
async fn what_a_blocker_was_sent_twice_is_no_duplicate() {
    let stage = Stage::new().await;
    let (person, user) = stage.friend().await;
    stage.control.block(&stage.account.channel_id, &person).await.unwrap();
    stage.push(&user, "marker").await;
    stage.push(&user, "marker").await;
    assert_eq!(stage.simulator.duplicates(), []);
}

#[tokio::test]
async fn counts_alone_still_notice_duplicates() {
    let stage = Stage::new().await;
    let (person, user) = stage.friend().await;
    stage.control.reset_books(Detail::Counts).await.unwrap();
    stage.push(&user, "marker").await;
    stage.push(&user, "marker").await;
    stage.writes(&person, "hello").await;
    let counts = stage.simulator.counts();
    assert_eq!(counts.accepted[&Method::Push], 2);
    assert_eq!(counts.fates[&Fate::Delivered], 2);
    assert_eq!((counts.delivered_messages, counts.duplicates), (2, 1));
    assert_eq!(counts.answers[&200], 2);
    assert_eq!((counts.webhooks, counts.webhook_attempts, counts.webhooks_acknowledged), (1, 1, 1));
    assert_eq!(stage.sent().await.len(), 0);
    assert_eq!(stage.simulator.duplicates()[0].times, 2);
}

#[tokio::test]
async fn entries_are_read_by_account_chat_and_number() {
    let stage = Stage::new().await;
    let (_, user) = stage.friend().await;
    let (_, other) = stage.friend().await;
    stage.push(&user, "1").await;
    stage.push(&other, "2").await;
    stage.push(&user, "3").await;
    let of_user = BooksQuery { chat: Some(user.as_str().into()), ..BooksQuery::default() };
    let sent = stage.control.sent(&of_user).await.unwrap();
    assert_eq!(sent.len(), 2);
    let later = BooksQuery { after: Some(sent[0].number), ..of_user };
    assert_eq!(stage.control.sent(&later).await.unwrap().len(), 1);
    let elsewhere = BooksQuery { account: Some("1".into()), ..BooksQuery::default() };
    assert!(stage.control.sent(&elsewhere).await.unwrap().is_empty());
}
