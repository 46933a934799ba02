//! Answers that identity-linking asks for: into the conversation once, free where a token comes, and never where nothing may be sent.

use std::os::unix::process::ExitStatusExt as _;

use chrono::TimeDelta;
use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{self as events, AccountState, FriendshipState};
use contracts::messaging::v1 as wire;
use contracts::operations::v1 as operations;
use kernel::{AccountId, Clock as _, SystemClock};
use line_simulator::{AccountSettings, Act, BooksQuery, Effect, Fault, Method, PersonId, PersonSpec};
use messaging_outbox_core::state::MessageState;
use serde_json::{Value, json};
use testkit::eventually;
use uuid::Uuid;

use crate::house::House;
use crate::world::{SOON, Tenant, World, friendship, text};

const PUSH: &str = "POST /v2/bot/message/push";

/// An answer of `texts` to an event, or to none, that may leave for so many seconds.
fn answer(tenant: &Tenant, line_user: &str, event: &str, texts: &[&str], seconds: i64) -> Body {
    let objects = texts.iter().map(|text| json!({"type": "text", "text": text}).to_string());
    Body::AnswerRequested(events::AnswerRequested {
        answer_id: Uuid::new_v4().to_string(),
        account_id: tenant.account.to_string(),
        line_user_id: line_user.to_owned(),
        webhook_event_id: event.to_owned(),
        line_objects: objects.collect(),
        expire_time: Some(contracts::timestamp(SystemClock.now() + TimeDelta::seconds(seconds))),
    })
}

/// A friend of whom nothing has been heard yet, and LINE's ID of them.
async fn quiet_friend(world: &World, tenant: &Tenant) -> (PersonId, String) {
    let person = world.control.add_person(&PersonSpec::default()).await.unwrap();
    world.control.act(&tenant.card.channel_id, &person, Act::AddFriend { quiet: true }).await.unwrap();
    let user = world.control.user_id(&tenant.card.channel_id, &person).await.unwrap();
    (person, user.as_str().to_owned())
}

async fn dead_letters(house: &House, tenant: &Tenant) -> Vec<operations::DeadLetter> {
    let request = operations::ListDeadLettersRequest::default();
    house.dead_letters(tenant).list_dead_letters(request).await.unwrap().into_inner().dead_letters
}

/// Says an answer that can never be handled, and waits until it is given up: what was said of this LINE user before is handled then.
async fn until_handled(world: &World, house: &House, tenant: &Tenant, line_user: &str) {
    let before = dead_letters(house, tenant).await.len();
    world.say(tenant, answer(tenant, line_user, "", &[], 60)).await;
    eventually(SOON, || async {
        let letters = dead_letters(house, tenant).await;
        if letters.len() > before { Ok(letters) } else { Err(letters.len()) }
    })
    .await
    .map(|letters| {
        let reasons: Vec<_> = letters.iter().map(|letter| (letter.consumer.as_str(), letter.reason.as_str())).collect();
        assert!(reasons.contains(&("linking", "message objects that LINE would refuse")), "{reasons:?}");
    })
    .unwrap();
}

/// The conversation's only messages, once `count` are accepted, in their order.
async fn accepted(house: &House, tenant: &Tenant, count: usize) -> Vec<wire::Message> {
    let conversation = house.conversation_with(tenant, count).await;
    let mut messages = Vec::new();
    for message in house.messages_of(tenant, &conversation.conversation_id).await.iter().rev() {
        messages.push(house.until(tenant, &message.message_id, MessageState::Accepted).await);
    }
    messages
}

async fn books(world: &World, tenant: &Tenant) -> Vec<(Method, Vec<Value>)> {
    let query = BooksQuery { account: Some(tenant.card.channel_id.clone()), ..Default::default() };
    let sent = world.control.sent(&query).await.unwrap();
    sent.into_iter().map(|sent| (sent.method, sent.messages)).collect()
}

#[tokio::test]
async fn an_answer_goes_free_as_one_request_also_where_it_is_quicker_than_the_event_it_answers() {
    let world = World::new("answer").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let account = &tenant.card.channel_id;
    let (person, user) = quiet_friend(&world, &tenant).await;
    // The webhook goes nowhere, until it is brought here by hand.
    world.control.set_webhook_url(account, "http://127.0.0.1:9/").await.unwrap();
    let tap = Act::Postback { data: "tsunagi:inquiry".to_owned(), params: None };
    world.control.act(account, &person, tap).await.unwrap();
    let query = BooksQuery { account: Some(account.clone()), ..Default::default() };
    let webhook = world.control.webhooks(&query).await.unwrap().pop().unwrap();

    world.say(&tenant, answer(&tenant, &user, &webhook.webhook_event_id, &["one", "two", "three"], 600)).await;
    eventually(SOON, || async {
        let waiting = world.number("SELECT count(*) FROM messaging.send WHERE deferred AND due > now()").await;
        if waiting == 3 { Ok(()) } else { Err(waiting) }
    })
    .await
    .unwrap();
    tenant.receiver.publish(&webhook.event.to_string(), false, false).await;
    let messages = accepted(&house, &tenant, 3).await;
    assert_eq!(messages.iter().map(text).collect::<Vec<_>>(), ["one", "two", "three"]);
    for message in &messages {
        assert_eq!(message.send_method, wire::SendMethod::Reply as i32);
        assert_eq!(message.sender, Some(wire::Sender::default()), "nobody of the staff");
        assert_eq!(message.direction, wire::Direction::Outbound as i32);
    }
    let books = books(&world, &tenant).await;
    assert_eq!(
        books.iter().map(|(method, messages)| (*method, messages.len())).collect::<Vec<_>>(),
        [(Method::Reply, 3)]
    );
    let conversation = house.list(&tenant).await.remove(0);
    assert_eq!((conversation.unread_count, &conversation.last_message_id), (0, &messages[2].message_id));
    assert_eq!(world.number("SELECT count(*) FROM messaging.send").await, 0);
    house.close().await;
}

#[tokio::test]
async fn an_answer_without_a_token_goes_by_push_and_one_whose_account_is_not_known_waits_for_it() {
    let world = World::new("answer_push").await;
    let house = world.open().await;
    let mut tenant = world.tenant(&house).await;
    let (_, user) = quiet_friend(&world, &tenant).await;
    // Nothing was ever heard of the account, nor of the event, nor of the conversation.
    let (known, new) = (tenant.account, AccountId::from(Uuid::new_v4()));
    tenant.account = new;
    world.say(&tenant, answer(&tenant, &user, "01FZ74A0TDDPYRVKNK77XKC3Z9", &["later"], 600)).await;
    eventually(SOON, || async {
        let parked = world.number("SELECT count(*) FROM messaging.parked_message").await;
        if parked == 1 { Ok(()) } else { Err(parked) }
    })
    .await
    .unwrap();
    assert!(house.list(&tenant).await.is_empty());
    world.connect_account(&tenant, 1, AccountState::Connected).await;
    let late = accepted(&house, &tenant, 1).await.remove(0);
    assert_eq!((text(&late), late.send_method), ("later", wire::SendMethod::Push as i32));
    // Another tenant's answer finds no account of that ID, whoever has one.
    tenant.account = known;
    let stranger = world.tenant(&house).await;
    world.say(&stranger, answer(&tenant, &user, "", &["not yours"], 600)).await;
    world.say(&tenant, answer(&tenant, &user, "", &["ours"], 600)).await;
    eventually(SOON, || async {
        let sent = books(&world, &tenant).await.len();
        if sent == 2 { Ok(()) } else { Err(sent) }
    })
    .await
    .unwrap();
    assert!(house.list(&stranger).await.is_empty());
    assert!(!books(&world, &tenant).await.iter().any(|(_, messages)| messages[0]["text"] == "not yours"));
    house.close().await;
}

#[tokio::test]
async fn nothing_is_queued_that_is_too_late_or_that_nobody_could_get() {
    let world = World::new("answer_dropped").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, user) = quiet_friend(&world, &tenant).await;
    let dropped = |seconds| answer(&tenant, &user, "", &["dropped"], seconds);
    world.say(&tenant, dropped(-1)).await;
    until_handled(&world, &house, &tenant, &user).await;
    assert!(house.list(&tenant).await.is_empty(), "nor is a conversation made");

    world.say(&tenant, friendship(&tenant, &user, 1, FriendshipState::Blocked)).await;
    let blocked = "SELECT count(*) FROM messaging.friendship_replica WHERE state = 3";
    until(&world, blocked, 1).await;
    world.say(&tenant, dropped(60)).await;
    until_handled(&world, &house, &tenant, &user).await;
    world.say(&tenant, friendship(&tenant, &user, 2, FriendshipState::Friend)).await;
    until(&world, blocked, 0).await;

    let connected = "SELECT count(*) FROM messaging.account_replica WHERE state = 2";
    for (version, state) in [(2, AccountState::Paused), (3, AccountState::Connected)] {
        world.connect_account(&tenant, version, state).await;
        until(&world, connected, i64::from(state == AccountState::Connected)).await;
        if state == AccountState::Paused {
            world.say(&tenant, dropped(60)).await;
            until_handled(&world, &house, &tenant, &user).await;
        }
    }
    let suspended = "SELECT count(*) FROM messaging.tenant_replica WHERE suspended";
    for (version, now) in [(2, true), (3, false)] {
        let (tenant_id, time_zone) = (tenant.id.to_string(), "Asia/Tokyo".to_owned());
        let told = events::TenantReplica { tenant_id, version, time_zone, suspended: now, ..Default::default() };
        world.say(&tenant, Body::Tenant(told)).await;
        until(&world, suspended, i64::from(now)).await;
        if now {
            world.say(&tenant, dropped(60)).await;
            until_handled(&world, &house, &tenant, &user).await;
        }
    }
    assert!(house.list(&tenant).await.is_empty());
    let standby = json!({"type": "postback", "mode": "standby", "timestamp": SystemClock.now().timestamp_millis(),
        "source": {"type": "user", "userId": user}, "webhookEventId": "01FZ74A0TDDPYRVKNK77XKC3Z1",
        "deliveryContext": {"isRedelivery": false}, "postback": {"data": "x"}});
    tenant.receiver.publish(&standby.to_string(), false, false).await;
    until(&world, "SELECT count(*) FROM messaging.conversation WHERE standby", 1).await;
    world.say(&tenant, dropped(60)).await;
    until_handled(&world, &house, &tenant, &user).await;
    let active = Value::to_string(&json!({"type": "postback", "mode": "active",
        "timestamp": SystemClock.now().timestamp_millis(), "source": {"type": "user", "userId": user},
        "webhookEventId": "01FZ74A0TDDPYRVKNK77XKC3Z2", "deliveryContext": {"isRedelivery": false},
        "postback": {"data": "x"}}));
    tenant.receiver.publish(&active, false, false).await;
    until(&world, "SELECT count(*) FROM messaging.conversation WHERE standby", 0).await;

    world.say(&tenant, answer(&tenant, &user, "", &["at last"], 60)).await;
    assert_eq!(text(&accepted(&house, &tenant, 1).await[0]), "at last");
    house.close().await;
}

#[tokio::test]
async fn an_answer_that_waits_for_quota_does_not_leave_after_its_time() {
    let world = World::new("answer_expires").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, user) = quiet_friend(&world, &tenant).await;
    let none = AccountSettings { quota: Some(Some(0)), ..Default::default() };
    world.control.change_account(&tenant.card.channel_id, &none).await.unwrap();
    world.say(&tenant, answer(&tenant, &user, "", &["too late"], 600)).await;
    let conversation = house.conversation_with(&tenant, 1).await;
    let id = conversation.last_message_id;
    house.until(&tenant, &id, MessageState::WaitingForQuota).await;
    let plenty = AccountSettings { quota: Some(Some(100)), ..Default::default() };
    world.control.change_account(&tenant.card.channel_id, &plenty).await.unwrap();
    world.admin("UPDATE messaging.send SET expire_time = now() - interval '1 second', due = now()").await;
    let failure = house.until(&tenant, &id, MessageState::Refused).await.failure.unwrap();
    assert_eq!(failure.kind, wire::FailureKind::Expired as i32);
    assert!(books(&world, &tenant).await.is_empty());
    house.close().await;
}

#[tokio::test]
async fn what_is_put_back_for_quota_goes_free_by_a_token_that_came_while_it_was_in_hand() {
    let world = World::new("answer_token").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let account = &tenant.card.channel_id;
    let (person, user) = quiet_friend(&world, &tenant).await;
    let none = AccountSettings { quota: Some(Some(0)), ..Default::default() };
    world.control.change_account(account, &none).await.unwrap();
    world.control.add_fault(&Fault::times(Effect::Latency { ms: 1_200 }, 1).at(PUSH)).await.unwrap();
    world.say(&tenant, answer(&tenant, &user, "", &["free after all"], 600)).await;
    until(&world, "SELECT count(*) FROM messaging.send WHERE state = 1 AND send_method = 2", 1).await;
    // The token comes while LINE is asked for a push, which it refuses.
    world.control.write_text(account, &person, "hello").await.unwrap();
    let conversation = house.conversation_with(&tenant, 2).await;
    let messages = house.messages_of(&tenant, &conversation.conversation_id).await;
    let id = &messages.iter().find(|message| text(message) == "free after all").unwrap().message_id;
    let free = house.until(&tenant, id, MessageState::Accepted).await;
    assert_eq!(free.send_method, wire::SendMethod::Reply as i32);
    house.close().await;
}

#[tokio::test]
async fn a_process_killed_in_the_middle_of_answering_answers_once() {
    let world = World::new("answer_killed").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, user) = quiet_friend(&world, &tenant).await;
    house.close().await;
    let mut killed = crate::killing::program(&world, testkit::port::free(), "messaging.after_linking");
    for number in ["one", "two", "three"] {
        world.say(&tenant, answer(&tenant, &user, "", &[number], 600)).await;
    }
    let status = killed.exit(SOON).await.unwrap();
    assert_eq!(status.signal(), Some(9), "{:?}", killed.lines());
    let house = world.open().await;
    let mut said: Vec<_> = accepted(&house, &tenant, 3).await.iter().map(|message| text(message).to_owned()).collect();
    said.sort();
    assert_eq!(said, ["one", "three", "two"]);
    assert_eq!(world.line.counts().delivered_messages, 3);
    assert!(world.line.duplicates().is_empty());
    house.close().await;
}

async fn until(world: &World, sql: &'static str, number: i64) {
    eventually(SOON, || async {
        let now = world.number(sql).await;
        if now == number { Ok(()) } else { Err(now) }
    })
    .await
    .unwrap_or_else(|error| panic!("{sql}: {error}"));
}
