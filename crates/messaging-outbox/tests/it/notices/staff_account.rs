//! The staff account: what staff do there is shown nowhere and kept nowhere.

use chrono::TimeDelta;
use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{self as events, AccountState};
use contracts::messaging::v1 as wire;
use kernel::{Clock as _, SystemClock};
use line_simulator::{Act, BooksQuery, Method, PersonSpec};
use serde_json::json;
use testkit::eventually;
use tonic::Code;
use uuid::Uuid;

use super::place::Office;
use crate::world::{SOON, World};

#[tokio::test]
async fn what_staff_write_there_is_not_kept_and_they_are_answered_for_free() {
    let world = World::new("staff_account").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let office = Office::open(&world, &tenant).await;
    let person = world.control.add_person(&PersonSpec::default()).await.unwrap();
    world.control.act(&office.card.channel_id, &person, Act::AddFriend { quiet: false }).await.unwrap();
    let user = world.control.user_id(&office.card.channel_id, &person).await.unwrap().as_str().to_owned();
    world.control.write_text(&office.card.channel_id, &person, "my code is 12345").await.unwrap();
    eventually(SOON, || async {
        let tokens = world.number("SELECT count(*) FROM messaging.reply_token").await;
        if tokens >= 2 { Ok(()) } else { Err(tokens) }
    })
    .await
    .unwrap();
    assert_eq!(world.number("SELECT count(*) FROM messaging.message").await, 0);
    assert_eq!(world.tables_that_say("my code is 12345").await, Vec::<String>::new());

    let card = Body::AnswerRequested(events::AnswerRequested {
        answer_id: Uuid::new_v4().to_string(),
        account_id: office.account.to_string(),
        line_user_id: user,
        webhook_event_id: String::new(),
        line_objects: vec![json!({"type": "text", "text": "bind here"}).to_string()],
        expire_time: Some(contracts::timestamp(SystemClock.now() + TimeDelta::seconds(60))),
    });
    world.say(&tenant, card).await;
    let sent = eventually(SOON, || async {
        let query = BooksQuery { account: Some(office.card.channel_id.clone()), ..Default::default() };
        let sent = world.control.sent(&query).await.unwrap();
        sent.into_iter().next().ok_or("nothing sent")
    });
    assert_eq!(sent.await.unwrap().method, Method::Reply);

    assert!(house.list(&tenant).await.is_empty());
    let outbound = house.messages(&tenant).list_outbound_messages(wire::ListOutboundMessagesRequest::default()).await;
    assert!(outbound.unwrap().into_inner().messages.is_empty());
    let hidden = world.id("SELECT conversation_id FROM messaging.conversation WHERE kind = 4").await.to_string();
    let request = wire::GetConversationRequest { conversation_id: hidden };
    let status = house.conversations(&tenant).get_conversation(request).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let message = world.id("SELECT message_id FROM messaging.message").await.to_string();
    let status =
        house.messages(&tenant).get_message(wire::GetMessageRequest { message_id: message }).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(world.number("SELECT count(*) FROM messaging.conversation_change").await, 0, "watchers hear nothing");
    house.close().await;
}

#[tokio::test]
async fn an_account_that_turns_out_to_be_for_staff_shows_no_conversation_any_more() {
    let world = World::new("staff_account_late").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let office = Office { account: tenant.account, card: tenant.card.clone(), branch: Uuid::new_v4() };
    office.stand(&world, &tenant, 2, AccountState::Connected).await;
    eventually(SOON, || async {
        let left = house.list(&tenant).await.len();
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await
    .unwrap();
    let send = crate::world::send_request(&conversation.conversation_id, "hi", wire::SendPolicy::ReplyFirst);
    let status = house.messages(&tenant).send_message(tenant.as_staff(send)).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    house.close().await;
}
