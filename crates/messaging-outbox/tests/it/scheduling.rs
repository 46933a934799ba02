//! Replies that are written for a time (F-31): written, listed, changed, cancelled, refused.

use contracts::messaging::v1 as wire;
use messaging_outbox_core::state::MessageState;
use prost_types::Duration;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::house::House;
use crate::scheduled::NOW;
use crate::scheduler::{due, from_now, told, until_handled};
use crate::world::{Tenant, World, send_request, text};

const CONSUMER: &str = "scheduled_sends";

/// A text for a moment so many seconds from now.
pub(crate) fn later(conversation: &str, text: &str, seconds: i64) -> wire::SendMessageRequest {
    let send_time = Some(from_now(seconds));
    wire::SendMessageRequest { send_time, ..send_request(conversation, text, wire::SendPolicy::PushOnly) }
}

/// Writes it as the tenant's staff member.
pub(crate) async fn written(house: &House, tenant: &Tenant, request: wire::SendMessageRequest) -> wire::Message {
    house.messages(tenant).send_message(tenant.as_staff(request)).await.unwrap().into_inner().message.unwrap()
}

fn content(text: &str) -> Option<wire::MessageContent> {
    send_request("", text, wire::SendPolicy::PushOnly).content
}

fn change(message: &wire::Message) -> wire::RescheduleMessageRequest {
    wire::RescheduleMessageRequest { message_id: message.message_id.clone(), ..Default::default() }
}

async fn listed(house: &House, tenant: &Tenant, request: wire::ListOutboundMessagesRequest) -> Vec<wire::Message> {
    let request = wire::ListOutboundMessagesRequest { state: wire::MessageState::Scheduled.into(), ..request };
    house.messages(tenant).list_outbound_messages(request).await.unwrap().into_inner().messages
}

fn field(status: &Status) -> String {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    status.get_details_bad_request().unwrap().field_violations[0].field.clone()
}

/// Why it was refused.
pub(crate) fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason
}

#[tokio::test]
async fn a_reply_goes_at_the_time_it_was_written_for_and_says_who_wrote_it() {
    let world = World::new("scheduled").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let request = wire::SendMessageRequest {
        policy: wire::SendPolicy::ReplyFirst.into(),
        late_for: Some(Duration { seconds: 600, nanos: 0 }),
        ..later(&conversation.conversation_id, "good morning", 4)
    };
    let message = written(&house, &tenant, request.clone()).await;
    let again = written(&house, &tenant, request.clone()).await;
    assert_eq!(again.message_id, message.message_id, "the request ID names it");
    assert_eq!(message.state, wire::MessageState::Scheduled as i32);
    let schedule = message.schedule.clone().unwrap();
    assert_eq!(schedule.send_time.unwrap().seconds, request.send_time.unwrap().seconds);
    assert_eq!((schedule.late_for.unwrap().seconds, message.message_time), (600, schedule.send_time));
    let sender = message.sender.clone().unwrap();
    assert_eq!((sender.staff_display_name.as_str(), sender.staff_id), ("Suzuki", tenant.staff.to_string()));
    assert_eq!(world.number("SELECT count(*) FROM messaging.send").await, 0, "nothing waits in the queue");
    assert_eq!(told(&world).await, [(message.message_id.clone(), 1, schedule.send_time)]);
    // Staff see it in the conversation, of which nothing is said yet.
    let shown = house.messages_of(&tenant, &conversation.conversation_id).await;
    assert_eq!(text(&shown[0]), "good morning");
    let before = house.list(&tenant).await.remove(0);
    assert_eq!(before.last_message_id, conversation.last_message_id);
    assert!(before.version > conversation.version, "watchers are told");
    assert_eq!(world.tables_that_say("good morning").await, ["message"]);

    // scheduler is early, and says it twice.
    for _ in 0..2 {
        due(&world, &tenant, &[(&message.message_id, 1)]).await;
    }
    let sent = house.until(&tenant, &message.message_id, MessageState::Accepted).await;
    assert!(sent.accept_time.unwrap().seconds >= schedule.send_time.unwrap().seconds, "{sent:?}");
    assert_eq!(sent.send_method, wire::SendMethod::Reply as i32, "the token is valid still");
    assert_eq!((sent.schedule, sent.sender.unwrap().staff_display_name.as_str()), (None, "Suzuki"));
    until_handled(&world, CONSUMER, 2).await;
    assert_eq!(world.line.counts().delivered_messages, 1);
    let after = house.list(&tenant).await.remove(0);
    assert_eq!(after.last_message_id, message.message_id);
    assert_eq!(world.number("SELECT count(*) FROM messaging.scheduled_send").await, 0);
    house.close().await;
}

#[tokio::test]
async fn what_cannot_be_scheduled_is_refused_and_the_field_is_named() {
    let world = World::new("unscheduled").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let id = &conversation.conversation_id;
    let late = |seconds| Some(Duration { seconds, nanos: 0 });
    let moment = |seconds, nanos| Some(prost_types::Timestamp { seconds, nanos });
    for (request, named) in [
        (later(id, "x", -1), "send_time"),
        (later(id, "x", 367 * 86_400), "send_time"),
        (wire::SendMessageRequest { send_time: moment(i64::MAX, 0), ..later(id, "x", 60) }, "send_time"),
        (wire::SendMessageRequest { send_time: moment(0, -5), ..later(id, "x", 60) }, "send_time"),
        (wire::SendMessageRequest { late_for: late(59), ..later(id, "x", 60) }, "late_for"),
        (wire::SendMessageRequest { late_for: late(-60), ..later(id, "x", 60) }, "late_for"),
        (wire::SendMessageRequest { late_for: late(86_401), ..later(id, "x", 60) }, "late_for"),
        (wire::SendMessageRequest { late_for: late(600), send_time: None, ..later(id, "x", 60) }, "late_for"),
        (later(id, &"x".repeat(5_001), 60), "content.text"),
    ] {
        let status = house.messages(&tenant).send_message(request).await.unwrap_err();
        assert_eq!(field(&status), named);
    }
    let message = written(&house, &tenant, later(id, "kept", 600)).await;
    for (request, named) in [
        (change(&message), "send_time"),
        (wire::RescheduleMessageRequest { message_id: "x".to_owned(), ..change(&message) }, "message_id"),
        (wire::RescheduleMessageRequest { send_time: Some(from_now(-1)), ..change(&message) }, "send_time"),
        (wire::RescheduleMessageRequest { send_time: Some(from_now(367 * 86_400)), ..change(&message) }, "send_time"),
        (wire::RescheduleMessageRequest { late_for: late(59), ..change(&message) }, "late_for"),
        (wire::RescheduleMessageRequest { content: content(&"x".repeat(5_001)), ..change(&message) }, "content.text"),
    ] {
        let status = house.messages(&tenant).reschedule_message(request).await.unwrap_err();
        assert_eq!(field(&status), named);
    }
    assert_eq!(house.message(&tenant, &message.message_id).await, message, "nothing has changed");
    assert_eq!(told(&world).await.len(), 1);
    house.close().await;
}

#[tokio::test]
async fn a_reply_that_waits_is_changed_by_whoever_saw_it_last_and_goes_as_it_was_changed() {
    let world = World::new("rescheduled").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let message = written(&house, &tenant, later(&conversation.conversation_id, "first", 600)).await;
    let mut client = house.messages(&tenant);
    let etag = message.schedule.clone().unwrap().etag;

    // Another time: it is still Suzuki's.
    let moved =
        wire::RescheduleMessageRequest { send_time: Some(from_now(900)), etag: etag.clone(), ..change(&message) };
    let moved = client.reschedule_message(moved).await.unwrap().into_inner().message.unwrap();
    assert_eq!(moved.sender.as_ref().unwrap().staff_display_name, "Suzuki");
    assert_eq!((text(&moved), moved.message_time), ("first", moved.schedule.as_ref().unwrap().send_time));
    // Who saw the first version changes nothing.
    let stale = wire::RescheduleMessageRequest { content: content("stale"), etag, ..change(&message) };
    let status = client.reschedule_message(stale).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Aborted, "ETAG_MISMATCH"));
    // A program writes other words: they are its own (F-33).
    let words = wire::RescheduleMessageRequest {
        content: content("second"),
        send_time: Some(from_now(2)),
        late_for: Some(Duration { seconds: 120, nanos: 0 }),
        ..change(&message)
    };
    let changed = client.reschedule_message(words).await.unwrap().into_inner().message.unwrap();
    let sender = changed.sender.clone().unwrap();
    assert_eq!((sender.staff_id.as_str(), sender.principal_id), ("", tenant.token.principal.to_string()));
    assert_eq!(changed.schedule.as_ref().unwrap().late_for.unwrap().seconds, 120);
    let said: Vec<_> = told(&world).await.into_iter().map(|(_, generation, time)| (generation, time)).collect();
    let times = [&message, &moved, &changed].map(|message| message.schedule.as_ref().unwrap().send_time);
    assert_eq!(said, [(1, times[0]), (2, times[1]), (3, times[2])]);

    // Of versions that are no more nothing comes, though its time has.
    world.admin(NOW).await;
    due(&world, &tenant, &[(&message.message_id, 1)]).await;
    due(&world, &tenant, &[(&message.message_id, 2)]).await;
    due(&world, &tenant, &[(&message.message_id, 4)]).await;
    until_handled(&world, CONSUMER, 3).await;
    assert_eq!(house.message(&tenant, &message.message_id).await.state, wire::MessageState::Scheduled as i32);
    due(&world, &tenant, &[(&message.message_id, 3)]).await;
    let sent = house.until(&tenant, &message.message_id, MessageState::Accepted).await;
    assert_eq!(text(&sent), "second");
    // It is too late for any other change now.
    let late = wire::RescheduleMessageRequest { content: content("third"), ..change(&message) };
    let status = client.reschedule_message(late).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "MESSAGE_NOT_SCHEDULED"));
    let status =
        client.cancel_message(wire::CancelMessageRequest { message_id: message.message_id.clone() }).await.unwrap_err();
    assert_eq!(reason(&status), "MESSAGE_SETTLED");
    let audited = "SELECT count(*) FROM messaging.audit WHERE action IN ('message.send', 'message.reschedule')";
    assert_eq!(world.number(audited).await, 3);
    house.close().await;
}

#[tokio::test]
async fn a_reply_that_is_cancelled_never_goes_and_scheduler_is_told() {
    let world = World::new("withdrawn").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let message = written(&house, &tenant, later(&conversation.conversation_id, "never", 2)).await;
    let mut client = house.messages(&tenant);
    let cancel = wire::CancelMessageRequest { message_id: message.message_id.clone() };
    for _ in 0..2 {
        let cancelled = client.cancel_message(cancel.clone()).await.unwrap().into_inner().message.unwrap();
        assert_eq!((cancelled.state, cancelled.schedule), (wire::MessageState::Cancelled as i32, None));
    }
    let said: Vec<_> = told(&world).await.into_iter().map(|(_, number, time)| (number, time.is_some())).collect();
    assert_eq!(said, [(1, true), (2, false)]);
    for generation in [1, 2] {
        due(&world, &tenant, &[(&message.message_id, generation)]).await;
    }
    until_handled(&world, CONSUMER, 2).await;
    assert_eq!(house.message(&tenant, &message.message_id).await.state, wire::MessageState::Cancelled as i32);
    let status =
        client.reschedule_message(wire::RescheduleMessageRequest { content: content("x"), ..change(&message) }).await;
    assert_eq!(reason(&status.unwrap_err()), "MESSAGE_NOT_SCHEDULED");
    assert_eq!(world.line.counts().delivered_messages, 0);
    house.close().await;
}

#[tokio::test]
async fn what_waits_is_listed_by_its_time_and_by_conversation_and_account() {
    let world = World::new("scheduled_list").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let id = conversation.conversation_id.clone();
    for seconds in [3_000, 1_000, 4_000, 2_000] {
        written(&house, &tenant, later(&id, &seconds.to_string(), seconds)).await;
    }
    let texts = |messages: Vec<wire::Message>| messages.iter().map(|one| text(one).to_owned()).collect::<Vec<_>>();
    let of = |conversation: &str, account: String| wire::ListOutboundMessagesRequest {
        conversation_id: conversation.to_owned(),
        account_id: account,
        ..Default::default()
    };
    for request in [of("", String::new()), of(&id, String::new()), of(&id, tenant.account.to_string())] {
        assert_eq!(texts(listed(&house, &tenant, request).await), ["1000", "2000", "3000", "4000"]);
    }
    let (mut pages, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = wire::ListOutboundMessagesRequest {
            page_size: 3,
            page_token,
            state: wire::MessageState::Scheduled.into(),
            ..Default::default()
        };
        let page = house.messages(&tenant).list_outbound_messages(request).await.unwrap().into_inner();
        pages.push(texts(page.messages));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(pages, [vec!["1000", "2000", "3000"], vec!["4000"]]);
    // A conversation's outbound messages of any state, and of a certain one.
    let now = house.send(&tenant, &id, "now", wire::SendPolicy::PushOnly).await;
    house.until(&tenant, &now, MessageState::Accepted).await;
    let all = house.messages(&tenant).list_outbound_messages(of(&id, String::new())).await.unwrap().into_inner();
    assert_eq!(texts(all.messages), ["now", "2000", "4000", "1000", "3000"]);
    let accepted =
        wire::ListOutboundMessagesRequest { state: wire::MessageState::Accepted.into(), ..of(&id, String::new()) };
    let accepted = house.messages(&tenant).list_outbound_messages(accepted).await.unwrap().into_inner();
    assert_eq!(texts(accepted.messages), ["now"]);
    house.close().await;
}
