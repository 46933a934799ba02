//! What staff answer.

use contracts::events::v1::{AccountState, ChannelCredentialKind};
use contracts::messaging::v1 as wire;
use line_simulator::{BooksQuery, Method};
use messaging_outbox_core::state::MessageState;
use testkit::eventually;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::world::{SOON, World, send_request};

#[tokio::test]
async fn an_answer_goes_free_by_reply_and_the_next_by_push_and_both_say_who_sent_them() {
    let world = World::new("reply").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let first = house.send(&tenant, &conversation.conversation_id, "free", wire::SendPolicy::ReplyFirst).await;
    let first = house.until(&tenant, &first, MessageState::Accepted).await;
    assert_eq!(first.send_method, wire::SendMethod::Reply as i32);
    let sender = first.sender.unwrap();
    assert_eq!((sender.staff_display_name.as_str(), sender.staff_id), ("Suzuki", tenant.staff.to_string()));
    assert!(!first.line_message_id.is_empty() && first.accept_time.is_some());
    // Becoming a friend brought a token, too.
    let second = house.send(&tenant, &conversation.conversation_id, "free, too", wire::SendPolicy::ReplyFirst).await;
    let second = house.until(&tenant, &second, MessageState::Accepted).await;
    assert_eq!(second.send_method, wire::SendMethod::Reply as i32);
    let second = house.send(&tenant, &conversation.conversation_id, "paid", wire::SendPolicy::ReplyFirst).await;
    let second = house.until(&tenant, &second, MessageState::Accepted).await;
    assert_eq!(second.send_method, wire::SendMethod::Push as i32);
    let figures = eventually(SOON, || async {
        let request = wire::GetQuotaRequest { account_id: tenant.account.to_string() };
        let figures = house.quota(&tenant).get_quota(request).await.unwrap().into_inner();
        if figures.sent_by_push + figures.sent_by_reply == 3 { Ok(figures) } else { Err(format!("{figures:?}")) }
    });
    assert_eq!(figures.await.unwrap().sent_by_reply, 2);
    assert_eq!(world.line.counts().accepted.get(&Method::Reply), Some(&2));
    assert!(world.line.duplicates().is_empty());
    assert_eq!(world.number("SELECT count(*) FROM messaging.send").await, 0);
    assert_eq!(world.number("SELECT count(*) FROM messaging.audit WHERE action = 'message.send'").await, 3);
    house.close().await;
}

#[tokio::test]
async fn what_a_conversation_is_told_arrives_in_its_order() {
    let world = World::new("order").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let mut ids = Vec::new();
    for number in 0..23 {
        let text = format!("line {number}");
        ids.push(house.send(&tenant, &conversation.conversation_id, &text, wire::SendPolicy::PushOnly).await);
    }
    for id in &ids {
        house.until(&tenant, id, MessageState::Accepted).await;
    }
    let query = BooksQuery { account: Some(tenant.card.channel_id.clone()), ..Default::default() };
    let sent = world.control.sent(&query).await.unwrap();
    let texts: Vec<String> =
        sent.iter().flat_map(|sent| &sent.messages).map(|m| m["text"].as_str().unwrap().to_owned()).collect();
    let expected: Vec<String> = (0..23).map(|number| format!("line {number}")).collect();
    assert_eq!(texts, expected);
    house.close().await;
}

#[tokio::test]
async fn the_same_request_id_sends_once_and_another_body_is_refused() {
    let world = World::new("idempotent").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let request = send_request(&conversation.conversation_id, "once", wire::SendPolicy::ReplyFirst);
    let mut client = house.messages(&tenant);
    let first = client.send_message(request.clone()).await.unwrap().into_inner().message.unwrap();
    let again = client.send_message(request.clone()).await.unwrap().into_inner().message.unwrap();
    assert_eq!(first.message_id, again.message_id);
    let other = wire::SendMessageRequest { notification_disabled: true, ..request };
    let status = client.send_message(other).await.unwrap_err();
    assert_eq!(status.code(), Code::Aborted);
    assert_eq!(status.get_details_error_info().unwrap().reason, "REQUEST_ID_REUSED");
    house.close().await;
}

#[tokio::test]
async fn what_line_would_refuse_is_refused_before_it_is_queued_and_the_limit_is_named() {
    let world = World::new("limits").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let request = send_request(&conversation.conversation_id, &"x".repeat(5_001), wire::SendPolicy::ReplyFirst);
    let status = house.messages(&tenant).send_message(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.get_details_error_info().unwrap().reason, "CONTENT_REFUSED");
    assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "content.text");
    assert_eq!(world.number("SELECT count(*) FROM messaging.send").await, 0);
    house.close().await;
}

#[tokio::test]
async fn a_paused_account_sends_nothing_until_it_is_connected_and_what_waits_can_be_taken_back() {
    let world = World::new("paused").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    // A limit that lets nothing through keeps the messages in the queue.
    let fault = line_simulator::Fault::always(line_simulator::Effect::RateLimited).at("POST /v2/bot/message/push");
    let fault = world.control.add_fault(&fault).await.unwrap();
    let kept = house.send(&tenant, &conversation.conversation_id, "kept", wire::SendPolicy::PushOnly).await;
    world.connect_account(&tenant, 2, AccountState::Paused).await;
    eventually(SOON, || async {
        let now = house.list(&tenant).await.remove(0);
        if now.cannot_send_reason == "ACCOUNT_NOT_CONNECTED" { Ok(()) } else { Err(now.cannot_send_reason) }
    })
    .await
    .unwrap();
    let request = send_request(&conversation.conversation_id, "late", wire::SendPolicy::PushOnly);
    let status = house.messages(&tenant).send_message(request).await.unwrap_err();
    assert_eq!(status.get_details_error_info().unwrap().reason, "ACCOUNT_NOT_CONNECTED");
    world.control.end_fault(&fault).await.unwrap();
    world.connect_account(&tenant, 3, AccountState::Connected).await;
    house.until(&tenant, &kept, MessageState::Accepted).await;
    let request = wire::CancelMessageRequest { message_id: kept };
    let status = house.messages(&tenant).cancel_message(request).await.unwrap_err();
    assert_eq!(status.get_details_error_info().unwrap().reason, "MESSAGE_SETTLED");
    house.close().await;
}

#[tokio::test]
async fn an_access_token_is_got_with_the_channel_secret_and_got_again_when_line_refuses_it() {
    let world = World::new("stateless").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let sealed = chassis::seal::seal(&world.seal_key.public(), tenant.card.channel_secret.as_bytes()).unwrap();
    world.connect_with(&tenant, 2, AccountState::Connected, ChannelCredentialKind::ChannelSecret, sealed, "").await;
    // LINE forgets the token that the console made, so only one got with the secret can work.
    world.control.reissue_access_token(&tenant.card.channel_id).await.unwrap();
    let refuse = line_simulator::Effect::Refuse { status: 401, message: "Authentication failed".to_owned() };
    let once = line_simulator::Fault::times(refuse, 1).at("POST /v2/bot/message/push");
    world.control.add_fault(&once).await.unwrap();
    let sent = house.send(&tenant, &conversation.conversation_id, "hello", wire::SendPolicy::PushOnly).await;
    house.until(&tenant, &sent, MessageState::Accepted).await;
    let request = wire::GetBotInfoRequest { account_id: tenant.account.to_string() };
    let mut gateway = house.gateway(&tenant);
    let bot = gateway.get_bot_info(request);
    assert_eq!(bot.await.unwrap().into_inner().bot_user_id, tenant.card.bot_user_id.as_str());
    house.close().await;
}
