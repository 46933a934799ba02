//! The live stream.

use contracts::messaging::v1 as wire;
use testkit::eventually;
use tonic::Code;

use crate::world::{SOON, World, text};

#[tokio::test]
async fn a_watcher_hears_of_every_message_and_goes_on_from_its_cursor() {
    let world = World::new("watch").await;
    let house = world.open().await;
    let other = world.open().await;
    let tenant = world.tenant(&house).await;
    let request = wire::WatchConversationsRequest::default();
    let mut stream = eventually(SOON, || async {
        other.conversations(&tenant).watch_conversations(request.clone()).await.map_err(|status| status.code())
    })
    .await
    .unwrap()
    .into_inner();
    let start = stream.message().await.unwrap().unwrap();
    assert!(start.conversation.is_none() && !start.cursor.is_empty());

    let person = world.friend(&tenant).await;
    for number in 0..5 {
        world.control.write_text(&tenant.card.channel_id, &person, &format!("line {number}")).await.unwrap();
    }
    let mut heard = Vec::new();
    while heard.len() < 5 {
        let next = tokio::time::timeout(SOON, stream.message()).await.unwrap().unwrap().unwrap();
        heard.extend(next.message.as_ref().map(|message| text(message).to_owned()));
    }
    heard.sort();
    assert_eq!(heard, ["line 0", "line 1", "line 2", "line 3", "line 4"]);

    // From the first cursor on, everything again, whoever is asked.
    let again = wire::WatchConversationsRequest { cursor: start.cursor, ..Default::default() };
    let mut stream = house.conversations(&tenant).watch_conversations(again).await.unwrap().into_inner();
    let mut repeated = std::collections::BTreeSet::new();
    while repeated.len() < 5 {
        let next = tokio::time::timeout(SOON, stream.message()).await.unwrap().unwrap().unwrap();
        repeated.extend(next.message.as_ref().map(|message| text(message).to_owned()));
    }
    let wrong = wire::WatchConversationsRequest { cursor: "nonsense".to_owned(), ..Default::default() };
    let status = house.conversations(&tenant).watch_conversations(wrong).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    drop(stream);
    house.close().await;
    other.close().await;
}
