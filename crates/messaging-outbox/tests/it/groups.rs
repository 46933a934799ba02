//! Groups and rooms, edits, and chats that another module holds (D-11).

use contracts::access_proto::v1::Right;
use contracts::events::v1 as events;
use contracts::events::v1::identity_event::Body;
use contracts::messaging::v1 as wire;
use kernel::FriendId;
use line_simulator::{Act, ActRequest, ChatChange, ChatKind, ChatSpec, Method, PersonSpec, Writing};
use messaging_outbox_core::state::MessageState;
use serde_json::json;
use testkit::eventually;
use tonic_types::StatusExt as _;

use crate::world::{SOON, World, send_request, text};

#[tokio::test]
async fn groups_and_rooms_are_kept_and_shown_and_answered_by_staff_alone() {
    for (kind, code) in
        [(ChatKind::Group, wire::ConversationKind::Group), (ChatKind::Room, wire::ConversationKind::Room)]
    {
        let world = World::new("group").await;
        let house = world.open().await;
        let tenant = world.tenant(&house).await;
        let account = &tenant.card.channel_id;
        let member = world.control.add_person(&PersonSpec::default()).await.unwrap();
        let spec = ChatSpec { kind, name: "Family".into(), members: vec![member.clone()] };
        let chat = world.control.add_chat(&spec).await.unwrap();
        let invite = ChatChange::InviteAccount { account: account.clone() };
        world.control.change_chat(&chat, &invite).await.unwrap();
        let here = |act| ActRequest { chat: Some(chat.clone()), ..ActRequest::from(act) };
        let write = |text: &str| Act::Write(Writing::Text { text: text.to_owned(), extra: None });
        let first = world.control.act(account, &member, here(write("teh"))).await.unwrap().message_id.unwrap();
        world.control.act(account, &member, here(write("gone"))).await.unwrap();
        let conversation = house.conversation_with(&tenant, 2).await;
        assert_eq!((conversation.kind, conversation.unread_count), (code as i32, 2));
        if kind == ChatKind::Group {
            let edit = Act::Edit { message_id: first.clone(), text: "the".into() };
            world.control.act(account, &member, here(edit)).await.unwrap();
            let messages = house.messages_of(&tenant, &conversation.conversation_id).await;
            let edited = messages.iter().find(|message| message.line_message_id == first).unwrap();
            let edited = house.once(&tenant, &edited.message_id, |message| message.edited).await;
            assert_eq!(text(&edited), "the");
        }
        let line_user = world.control.user_id(account, &member).await.unwrap().as_str().to_owned();
        let names = Body::LineUser(events::LineUserReplica {
            provider_id: tenant.provider.to_string(),
            line_user_id: line_user.clone(),
            version: 1,
            display_name: "Hanako".to_owned(),
            ..Default::default()
        });
        for (shown, told) in [("", None), ("Hanako", Some(names))] {
            if let Some(told) = told {
                world.say(&tenant, told).await;
            }
            let id = &house.messages_of(&tenant, &conversation.conversation_id).await[0].message_id;
            let friend_id = FriendId::derived(tenant.provider, &line_user).to_string();
            let line_user_id = line_user.clone();
            let writer = wire::Writer { friend_id, line_user_id, display_name: shown.to_owned() };
            house.once(&tenant, id, |message| message.writer.as_ref() == Some(&writer)).await;
        }
        let listed = house.messages_of(&tenant, &conversation.conversation_id).await;
        assert!(listed.iter().all(|message| message.writer.as_ref().is_some_and(|w| w.display_name == "Hanako")));
        // LINE names no sender here: nothing is amiss.
        let source = if kind == ChatKind::Group {
            json!({ "type": "group", "groupId": chat })
        } else {
            json!({ "type": "room", "roomId": chat })
        };
        let unnamed = json!({"type": "message", "mode": "active", "timestamp": 1_700_000_000_000i64, "source": source,
            "webhookEventId": "01FZ74A0TDDPYRVKNK77XKC3Z1", "deliveryContext": {"isRedelivery": false},
            "message": {"id": "7", "type": "text", "text": "who?"}});
        tenant.receiver.publish(&unnamed.to_string(), false, false).await;
        house.conversation_with(&tenant, 3).await;
        let unnamed = house.messages_of(&tenant, &conversation.conversation_id).await;
        assert_eq!(unnamed.iter().filter(|message| message.writer.is_none()).count(), 1);
        assert_eq!(world.number("SELECT count(*) FROM messaging.parked_message").await, 0);
        if kind == ChatKind::Group {
            eventually(SOON, || async {
                let name = house.list(&tenant).await.remove(0).display_name;
                if name == "Family" { Ok(()) } else { Err(name) }
            })
            .await
            .unwrap();
        }
        assert!(world.line.counts().accepted.is_empty(), "nothing answers by itself");
        // Three events brought tokens: joining and two messages; the edit brought one, too.
        let sent = house.send(&tenant, &conversation.conversation_id, "hello", wire::SendPolicy::ReplyFirst).await;
        let sent = house.until(&tenant, &sent, MessageState::Accepted).await;
        assert_eq!(sent.send_method, wire::SendMethod::Reply as i32);
        let sent = house.send(&tenant, &conversation.conversation_id, "all", wire::SendPolicy::PushOnly).await;
        house.until(&tenant, &sent, MessageState::Accepted).await;
        assert_eq!(world.line.counts().accepted.get(&Method::Push), Some(&1));
        house.close().await;
    }
}

#[tokio::test]
async fn who_may_not_see_lines_user_ids_is_told_of_a_groups_writers_without_them() {
    let world = World::new("writers").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let written = async |id: usize| {
        let event = json!({"type": "message", "mode": "active", "timestamp": 1_700_000_000_000usize + id,
            "source": {"type": "group", "groupId": "C4af4980629aaaabbbbccccddddeeee00",
                "userId": "U4af4980629aaaabbbbccccddddeeee00"},
            "webhookEventId": format!("01FZ74A0TDDPYRVKNK77XKC{id:03}"), "deliveryContext": {"isRedelivery": false},
            "message": {"id": id.to_string(), "type": "text", "text": "hello"}});
        tenant.receiver.publish(&event.to_string(), false, false).await;
    };
    written(1).await;
    let conversation = house.conversation_with(&tenant, 1).await.conversation_id;
    let readers = events::PrincipalReplica {
        principal_id: tenant.token.principal.to_string(),
        version: 2,
        tenant_id: tenant.id.to_string(),
        token_hash: tenant.token.hash().to_vec(),
        rights: vec![Right::ConversationsRead.into()],
        ..Default::default()
    };
    world.say(&tenant, Body::Principal(readers)).await;
    let hidden = |message: &wire::Message| {
        let writer = message.writer.as_ref().unwrap();
        assert!(!writer.friend_id.is_empty());
        writer.line_user_id.is_empty()
    };
    let listed = eventually(SOON, || async {
        let listed = house.messages_of(&tenant, &conversation).await;
        if hidden(&listed[0]) { Ok(listed) } else { Err("it is shown still") }
    })
    .await
    .unwrap();
    assert!(hidden(&house.message(&tenant, &listed[0].message_id).await));
    let watch = house.conversations(&tenant).watch_conversations(wire::WatchConversationsRequest::default()).await;
    let mut watch = watch.unwrap().into_inner();
    watch.message().await.unwrap().unwrap();
    written(2).await;
    let heard = async {
        loop {
            if let Some(message) = watch.message().await.unwrap().unwrap().message {
                break message;
            }
        }
    };
    assert!(hidden(&tokio::time::timeout(SOON, heard).await.unwrap()));
    house.close().await;
}

#[tokio::test]
async fn the_latest_edit_holds_in_whatever_order_edits_and_the_message_come() {
    let world = World::new("edits").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (place, order) in orders.iter().enumerate() {
        for step in order {
            let kind = if *step == 0 { "message" } else { "messageEdited" };
            let words = ["first", "second", "third"][*step];
            let event = json!({"type": kind, "mode": "active", "timestamp": 1_700_000_000_000usize + step,
                "source": {"type": "group", "groupId": "C4af4980629aaaabbbbccccddddeeee00"},
                "webhookEventId": format!("01FZ74A0TDDPYRVKNK77XKC{place}Z{step}"),
                "deliveryContext": {"isRedelivery": false},
                "message": {"id": format!("{}", 100 + place), "type": "text", "text": words}});
            tenant.receiver.publish(&event.to_string(), false, false).await;
        }
    }
    eventually(SOON, || async {
        let Some(group) = house.list(&tenant).await.into_iter().next() else { return Err("no group".to_owned()) };
        let messages = house.messages_of(&tenant, &group.conversation_id).await;
        let says: Vec<_> = messages.iter().map(|message| (text(message).to_owned(), message.edited)).collect();
        let (as_it_should, unread) = (vec![("third".to_owned(), true); orders.len()], group.unread_count);
        if says == as_it_should && unread == 6 { Ok(()) } else { Err(format!("{says:?} {unread}")) }
    })
    .await
    .unwrap();
    house.close().await;
}

#[tokio::test]
async fn a_chat_that_another_module_holds_is_recorded_and_never_written_to() {
    let world = World::new("standby").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let account = &tenant.card.channel_id;
    let (person, conversation) = house.conversing(&world, &tenant).await;
    let write = Act::Write(Writing::Text { text: "to the other".into(), extra: None });
    let standby = ActRequest { standby: true, ..ActRequest::from(write) };
    world.control.act(account, &person, standby).await.unwrap();
    let held = house.conversation_with(&tenant, 2).await;
    assert_eq!((held.can_send, held.cannot_send_reason.as_str()), (false, "STANDBY"));
    assert_eq!(held.unread_count, 2, "recorded and shown");
    let request = send_request(&conversation.conversation_id, "late", wire::SendPolicy::ReplyFirst);
    let status = house.messages(&tenant).send_message(request.clone()).await.unwrap_err();
    assert_eq!(status.get_details_error_info().unwrap().reason, "STANDBY");
    assert!(world.line.counts().accepted.is_empty());
    // The chat comes back to us with its next event.
    world.control.write_text(account, &person, "to you").await.unwrap();
    assert!(house.conversation_with(&tenant, 3).await.can_send);
    let request = wire::SendMessageRequest { request_id: uuid::Uuid::new_v4().to_string(), ..request };
    let sent = house.messages(&tenant).send_message(request).await.unwrap().into_inner().message.unwrap();
    house.until(&tenant, &sent.message_id, MessageState::Accepted).await;
    house.close().await;
}

#[tokio::test]
async fn what_was_queued_before_another_module_took_the_chat_is_not_sent() {
    let world = World::new("standby_queued").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let account = &tenant.card.channel_id;
    let (person, conversation) = house.conversing(&world, &tenant).await;
    // For want of quota the message stays in the queue.
    let none = line_simulator::AccountSettings { quota: Some(Some(0)), ..Default::default() };
    world.control.change_account(account, &none).await.unwrap();
    let sent = house.send(&tenant, &conversation.conversation_id, "waits", wire::SendPolicy::PushOnly).await;
    house.until(&tenant, &sent, MessageState::WaitingForQuota).await;
    let write = Act::Write(Writing::Text { text: "to the other".into(), extra: None });
    world.control.act(account, &person, ActRequest { standby: true, ..ActRequest::from(write) }).await.unwrap();
    house.conversation_with(&tenant, 3).await;
    house.close().await;
    let more = line_simulator::AccountSettings { quota: Some(None), ..Default::default() };
    world.control.change_account(account, &more).await.unwrap();
    world.admin("UPDATE messaging.send SET due = now()").await;
    let house = world.open().await;
    let failure = house.until(&tenant, &sent, MessageState::Refused).await.failure.unwrap();
    assert_eq!(failure.line_details, ["STANDBY"]);
    assert!(world.line.counts().accepted.is_empty());
    house.close().await;
}
