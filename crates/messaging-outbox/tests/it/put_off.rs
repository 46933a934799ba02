//! 「後で通知」 (F-29): put off, and waiting until it is handled.

use contracts::events::v1::AnswerRequested;
use contracts::events::v1::identity_event::Body;
use contracts::messaging::v1 as wire;
use kernel::{Clock as _, SystemClock};
use testkit::eventually;
use tonic::Code;
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::house::House;
use crate::world::{SOON, Tenant, World, send_request};

async fn put_off(house: &House, tenant: &Tenant, id: &str) -> wire::Conversation {
    let request = wire::PutOffConversationRequest { conversation_id: id.to_owned() };
    let answer = house.conversations(tenant).put_off_conversation(tenant.as_staff(request)).await.unwrap();
    answer.into_inner().conversation.unwrap()
}

async fn clear(house: &House, tenant: &Tenant, id: &str) -> wire::Conversation {
    let request = wire::ClearPutOffRequest { conversation_id: id.to_owned() };
    let answer = house.conversations(tenant).clear_put_off(tenant.as_staff(request)).await.unwrap();
    answer.into_inner().conversation.unwrap()
}

async fn listed(house: &House, tenant: &Tenant) -> usize {
    let request = wire::ListConversationsRequest { put_off_only: true, ..Default::default() };
    house.seen_by(tenant, tenant.staff, &request).await.len()
}

async fn get(house: &House, tenant: &Tenant, id: &str) -> wire::Conversation {
    let request = wire::GetConversationRequest { conversation_id: id.to_owned() };
    house.conversations(tenant).get_conversation(request).await.unwrap().into_inner().conversation.unwrap()
}

#[tokio::test]
async fn a_conversation_that_is_put_off_waits_though_it_is_read_until_somebody_answers_or_clears_it() {
    let world = World::new("put_off").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (person, conversation) = house.conversing(&world, &tenant).await;
    let id = conversation.conversation_id.clone();
    assert_eq!((conversation.put_off_time, listed(&house, &tenant).await), (None, 0));
    let off = put_off(&house, &tenant, &id).await;
    assert!(off.put_off_time.is_some() && off.version > conversation.version);
    assert_eq!(put_off(&house, &tenant, &id).await, off, "once more changes nothing");
    let read = wire::MarkReadRequest { conversation_id: id.clone(), ..Default::default() };
    let read = house.conversations(&tenant).mark_read(read).await.unwrap().into_inner().conversation.unwrap();
    assert_eq!((read.unread_count, read.put_off_time), (0, off.put_off_time));
    assert_eq!(listed(&house, &tenant).await, 1);

    // An answer that nobody of the staff gave does not settle it.
    let line_user_id = world.control.user_id(&tenant.card.channel_id, &person).await.unwrap().as_str().to_owned();
    let by_itself = AnswerRequested {
        answer_id: Uuid::new_v4().to_string(),
        account_id: tenant.account.to_string(),
        line_user_id,
        webhook_event_id: String::new(),
        line_objects: vec![serde_json::json!({"type": "text", "text": "we are closed now"}).to_string()],
        expire_time: Some(contracts::timestamp(SystemClock.now() + chrono::TimeDelta::minutes(5))),
    };
    world.say(&tenant, Body::AnswerRequested(by_itself)).await;
    house.conversation_with(&tenant, 2).await;
    assert_eq!(listed(&house, &tenant).await, 1);

    house.send(&tenant, &id, "we open at nine", wire::SendPolicy::ReplyFirst).await;
    assert_eq!((get(&house, &tenant, &id).await.put_off_time, listed(&house, &tenant).await), (None, 0));
    put_off(&house, &tenant, &id).await;
    assert_eq!(listed(&house, &tenant).await, 1);
    let cleared = clear(&house, &tenant, &id).await;
    assert_eq!((cleared.put_off_time, listed(&house, &tenant).await), (None, 0));
    assert_eq!(clear(&house, &tenant, &id).await, cleared, "there is nothing to clear");

    let no_id = wire::PutOffConversationRequest { conversation_id: "no ID".to_owned() };
    let status = house.conversations(&tenant).put_off_conversation(no_id).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "conversation_id");
    let nobodys = wire::ClearPutOffRequest { conversation_id: Uuid::new_v4().to_string() };
    assert_eq!(house.conversations(&tenant).clear_put_off(nobodys).await.unwrap_err().code(), Code::NotFound);
    house.close().await;
}

#[tokio::test]
async fn many_who_put_one_conversation_off_at_once_change_it_once_and_watchers_hear() {
    let world = World::new("put_off_at_once").await;
    let (house, other) = (world.open().await, world.open().await);
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    eventually(SOON, || async {
        let request = tenant.as_staff(wire::ListConversationsRequest::default());
        other.conversations(&tenant).list_conversations(request).await.map(drop).map_err(|status| status.code())
    })
    .await
    .unwrap();
    let request = wire::WatchConversationsRequest::default();
    let mut stream = house.conversations(&tenant).watch_conversations(request).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    let id = conversation.conversation_id.as_str();
    let all = (0..12).map(|number| put_off(if number % 2 == 0 { &house } else { &other }, &tenant, id));
    let all = futures::future::join_all(all).await;
    assert!(all.iter().all(|one| one.put_off_time.is_some() && one.put_off_time == all[0].put_off_time));
    let audited = "SELECT count(*) FROM messaging.audit WHERE action = 'conversation.put_off'";
    assert_eq!(world.number(audited).await, 1);
    while tokio::time::timeout(SOON, stream.message())
        .await
        .unwrap()
        .unwrap()
        .unwrap()
        .conversation
        .is_none_or(|one| one.put_off_time.is_none())
    {}
    // Two answers at once to what is put off leave it handled.
    let send = |house: &House| {
        let request = tenant.as_staff(send_request(id, "here we are", wire::SendPolicy::PushOnly));
        let mut messages = house.messages(&tenant);
        async move { messages.send_message(request).await.unwrap() }
    };
    futures::join!(send(&house), send(&other));
    assert_eq!(get(&house, &tenant, id).await.put_off_time, None);
    drop(stream);
    for house in [house, other] {
        house.close().await;
    }
}
