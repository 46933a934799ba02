//! What friends write.

use contracts::events::v1::FriendshipState;
use contracts::messaging::v1 as wire;
use line_simulator::{Act, BooksQuery, Media, Writing};
use messaging_outbox_core::media::ContentState;
use messaging_outbox_core::state::MessageState;
use serde_json::json;
use testkit::eventually;
use tonic::Code;

use crate::world::{SOON, World, friendship, send_request, text};

#[tokio::test]
async fn a_friends_message_is_kept_once_and_read_once_also_when_it_comes_again() {
    let world = World::new("inbound").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    assert_eq!((conversation.unread_count, conversation.can_send), (1, true));
    assert!(conversation.reply_until_time.is_some());
    let message = &house.messages_of(&tenant, &conversation.conversation_id).await[0];
    assert_eq!((text(message), message.read), ("hello", false));

    let query = BooksQuery { account: Some(tenant.card.channel_id.clone()), ..Default::default() };
    for webhook in world.control.webhooks(&query).await.unwrap() {
        tenant.receiver.publish(&webhook.event.to_string(), true, false).await;
    }
    let request = wire::MarkReadRequest { conversation_id: conversation.conversation_id.clone(), ..Default::default() };
    let read = house.conversations(&tenant).mark_read(request).await.unwrap().into_inner().conversation.unwrap();
    assert_eq!(read.unread_count, 0);
    assert!(house.conversation_with(&tenant, 1).await.version > conversation.version);
    assert!(house.messages_of(&tenant, &conversation.conversation_id).await[0].read);
    house.close().await;
}

#[tokio::test]
async fn an_unsent_message_is_nowhere_any_more_whatever_comes_first() {
    let world = World::new("unsend").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let user = "U4af4980629aaaabbbbccccddddeeee00";
    let event = |kind: &str, id: &str, time: i64, rest: serde_json::Value| {
        let mut event = json!({"type": kind, "mode": "active", "timestamp": 1_700_000_000_000i64 + time,
            "source": {"type": "user", "userId": user}, "webhookEventId": id, "deliveryContext": {"isRedelivery": false}});
        event.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        event.to_string()
    };
    let written = |id: &str, message: &str, time| {
        event("message", id, time, json!({"message": {"id": message, "type": "text", "text": "secret words"}}))
    };
    let unsent = |id: &str, message: &str| event("unsend", id, 500, json!({"unsend": {"messageId": message}}));
    // The unsend before its message, and after it.
    tenant.receiver.publish(&unsent("01FZ74A0TDDPYRVKNK77XKC3Z1", "1"), false, false).await;
    tenant.receiver.publish(&written("01FZ74A0TDDPYRVKNK77XKC3Z2", "1", 1), false, false).await;
    tenant.receiver.publish(&written("01FZ74A0TDDPYRVKNK77XKC3Z3", "2", 2), false, false).await;
    tenant.receiver.publish(&unsent("01FZ74A0TDDPYRVKNK77XKC3Z4", "2"), false, false).await;
    tenant.receiver.publish(&written("01FZ74A0TDDPYRVKNK77XKC3Z5", "2", 2), true, false).await;
    let gone = eventually(SOON, || async {
        let conversations = house.list(&tenant).await;
        let Some(one) = conversations.first() else { return Err("no conversation".to_owned()) };
        let messages = house.messages_of(&tenant, &one.conversation_id).await;
        let all_gone =
            messages.iter().all(|m| m.state == i32::from(MessageState::Unsent.code()) && m.content.is_none());
        if messages.len() == 2 && all_gone { Ok((one.unread_count, messages)) } else { Err(format!("{messages:?}")) }
    });
    let (unread, messages) = gone.await.unwrap();
    assert_eq!(unread, 0);
    assert!(messages.iter().all(|message| message.unsend_time.is_some()));
    let left = "SELECT count(*) FROM messaging.message WHERE object IS NOT NULL";
    assert_eq!(world.number(left).await, 0);
    assert_eq!(world.number("SELECT count(*) FROM messaging.tombstone").await, 2);
    house.close().await;
}

#[tokio::test]
async fn a_sender_line_does_not_name_is_kept_and_answered_by_reply_only() {
    let world = World::new("unnamed").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let event = json!({"type": "message", "mode": "active", "timestamp": chrono_millis(), "source": {"type": "user"},
        "webhookEventId": "01FZ74A0TDDPYRVKNK77XKC3Z1", "replyToken": "unknown-token",
        "deliveryContext": {"isRedelivery": false}, "message": {"id": "7", "type": "hologram", "depth": 3}});
    tenant.receiver.publish(&event.to_string(), false, false).await;
    let conversation = house.conversation_with(&tenant, 1).await;
    assert!(conversation.can_send, "by its token");
    let message = &house.messages_of(&tenant, &conversation.conversation_id).await[0];
    let Some(wire::message_content::Kind::LineObject(object)) = message.content.clone().unwrap().kind else {
        panic!("an unknown type is kept whole: {message:?}")
    };
    assert!(object.fields.contains_key("depth"));
    // LINE knows nothing of the token; nobody can be pushed to.
    let sent = house.send(&tenant, &conversation.conversation_id, "hello", wire::SendPolicy::ReplyFirst).await;
    let failure = house.until(&tenant, &sent, MessageState::Refused).await.failure.unwrap();
    assert_eq!(failure.kind, wire::FailureKind::Expired as i32);
    let status = house
        .messages(&tenant)
        .send_message(send_request(&conversation.conversation_id, "again", wire::SendPolicy::ReplyFirst))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    house.close().await;
}

fn chrono_millis() -> i64 {
    use kernel::Clock as _;
    kernel::SystemClock.now().timestamp_millis()
}

#[tokio::test]
async fn a_picture_is_fetched_and_streamed_and_goes_with_its_message() {
    let world = World::new("content").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let person = world.friend(&tenant).await;
    let done = world
        .control
        .act(
            &tenant.card.channel_id,
            &person,
            Act::Write(Writing::Image(Media { preparing_ms: 300, ..Media::default() })),
        )
        .await
        .unwrap();
    let conversation = house.conversation_with(&tenant, 1).await;
    let id = house.messages_of(&tenant, &conversation.conversation_id).await[0].message_id.clone();
    let state = |message: &wire::Message| match message.content.as_ref().and_then(|content| content.kind.as_ref()) {
        Some(wire::message_content::Kind::Media(media)) => media.content_state,
        _ => 0,
    };
    eventually(SOON, || async {
        let now = state(&house.message(&tenant, &id).await);
        if now == i32::from(ContentState::Stored.code()) { Ok(()) } else { Err(now) }
    })
    .await
    .unwrap();
    let request = wire::FetchContentRequest { message_id: id.clone() };
    let mut stream = house.messages(&tenant).fetch_content(request.clone()).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap();
    assert!(first.size > 0 && !first.content_type.is_empty());
    let unsend = Act::Unsend { message_id: done.message_id.unwrap() };
    world.control.act(&tenant.card.channel_id, &person, unsend).await.unwrap();
    house.until(&tenant, &id, MessageState::Unsent).await;
    let status = house.messages(&tenant).fetch_content(request).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(world.number("SELECT count(*) FROM messaging.content_chunk").await, 0);
    house.close().await;
}

#[tokio::test]
async fn a_friend_who_blocks_cannot_be_written_to_and_can_after_coming_back() {
    let world = World::new("blocked").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (person, conversation) = house.conversing(&world, &tenant).await;
    let user = world.control.user_id(&tenant.card.channel_id, &person).await.unwrap();
    for (version, state, can_send) in [(1, FriendshipState::Blocked, false), (2, FriendshipState::Friend, true)] {
        world.say(&tenant, friendship(&tenant, user.as_str(), version, state)).await;
        eventually(SOON, || async {
            let now = house.list(&tenant).await.remove(0).can_send;
            if now == can_send { Ok(()) } else { Err(now) }
        })
        .await
        .unwrap();
        let request = send_request(&conversation.conversation_id, "hello", wire::SendPolicy::PushOnly);
        assert_eq!(house.messages(&tenant).send_message(request).await.is_ok(), can_send);
    }
    house.close().await;
}
