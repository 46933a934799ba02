//! What LINE and processes do wrong: nothing is sent twice, nothing is lost unseen.

use contracts::messaging::v1 as wire;
use line_simulator::{AccountSettings, BooksQuery, Effect, Fault};
use messaging_outbox_core::state::MessageState;
use testkit::eventually;

use crate::world::{SOON, World};

const PUSH: &str = "POST /v2/bot/message/push";
const REPLY: &str = "POST /v2/bot/message/reply";

/// Longer than any call waits.
const SILENCE: u64 = 30_000;

/// Everything LINE does wrong (R-4): the four meanings of 429, 500, connections cut before and after acceptance, silence. A 409
/// is what follows an acceptance whose answer was lost.
fn troubles() -> Vec<Effect> {
    vec![
        Effect::RateLimited,
        Effect::UserFlood,
        Effect::MonthlyLimit,
        Effect::Refuse { status: 429, message: "Words nobody knows yet".to_owned() },
        Effect::ServerError,
        Effect::CutBefore,
        Effect::Hang { ms: SILENCE },
        Effect::AcceptedAnswerLost,
        Effect::AcceptedThenHang { ms: SILENCE },
        Effect::AcceptedThenServerError,
    ]
}

/// Whether LINE took the message, and its answer never came.
fn is_accepted(trouble: &Effect) -> bool {
    matches!(trouble, Effect::AcceptedAnswerLost | Effect::AcceptedThenHang { .. } | Effect::AcceptedThenServerError)
}

#[tokio::test]
async fn every_kind_of_trouble_with_a_push_ends_in_one_message() {
    let world = World::new("push_faults").await;
    let soon = std::time::Duration::from_secs(1);
    let waits = messaging_outbox_core::quota::QuotaWaits { used_up: soon, reserved: soon };
    let house = world.open_with(|config| config.sender.quota_waits = waits).await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    for (number, trouble) in troubles().into_iter().enumerate() {
        world.control.add_fault(&Fault::times(trouble.clone(), 1).at(PUSH)).await.unwrap();
        let text = format!("message {number}");
        let sent = house.send(&tenant, &conversation.conversation_id, &text, wire::SendPolicy::PushOnly).await;
        let accepted = house.until(&tenant, &sent, MessageState::Accepted).await;
        assert!(!accepted.line_message_id.is_empty(), "{trouble:?}: LINE's ID comes with 409, too");
    }
    let requests = world.control.requests(&BooksQuery::default()).await.unwrap();
    let conflicts = requests.iter().filter(|request| request.endpoint == PUSH && request.status == Some(409)).count();
    assert_eq!(conflicts, 3, "what had been accepted was asked for with its key and not sent again");
    assert!(world.line.duplicates().is_empty());
    assert_eq!(world.line.counts().delivered_messages, troubles().len() as u64);
    house.close().await;
}

#[tokio::test]
async fn every_kind_of_trouble_with_a_reply_ends_in_one_message_or_is_listed_as_uncertain() {
    let world = World::new("every_reply_fault").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let mut doubtful = std::collections::BTreeSet::new();
    let mut conversations: std::collections::BTreeSet<String> = std::collections::BTreeSet::new();
    for (number, trouble) in troubles().into_iter().enumerate() {
        // Each with a friend and so a token of its own.
        let person = world.friend(&tenant).await;
        world.control.write_text(&tenant.card.channel_id, &person, "hello").await.unwrap();
        let conversation = eventually(SOON, || async {
            let all = house.list(&tenant).await;
            let new = |one: &wire::Conversation| !conversations.contains(&one.conversation_id) && one.unread_count > 0;
            all.into_iter().find(new).ok_or("not there")
        });
        let conversation = conversation.await.unwrap().conversation_id;
        conversations.insert(conversation.clone());
        world.control.add_fault(&Fault::times(trouble.clone(), 1).at(REPLY)).await.unwrap();
        let text = format!("message {number}");
        let sent = house.send(&tenant, &conversation, &text, wire::SendPolicy::ReplyFirst).await;
        if is_accepted(&trouble) {
            let uncertain = house.until(&tenant, &sent, MessageState::Uncertain).await;
            assert_eq!(uncertain.failure.unwrap().kind, wire::FailureKind::UnknownOutcome as i32, "{trouble:?}");
            doubtful.insert(sent);
        } else {
            house.until(&tenant, &sent, MessageState::Accepted).await;
        }
    }
    let request =
        wire::ListOutboundMessagesRequest { state: wire::MessageState::Uncertain.into(), ..Default::default() };
    let listed = house.messages(&tenant).list_outbound_messages(request).await.unwrap().into_inner().messages;
    assert_eq!(
        listed.into_iter().map(|message| message.message_id).collect::<std::collections::BTreeSet<_>>(),
        doubtful
    );
    assert!(world.line.duplicates().is_empty());
    assert_eq!(world.line.counts().delivered_messages, troubles().len() as u64);
    house.close().await;
}

#[tokio::test]
async fn a_reply_in_doubt_never_becomes_a_push() {
    let world = World::new("reply_faults").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    world.control.add_fault(&Fault::times(Effect::AcceptedAnswerLost, 1).at(REPLY)).await.unwrap();
    let sent = house.send(&tenant, &conversation.conversation_id, "perhaps", wire::SendPolicy::ReplyFirst).await;
    let uncertain = house.until(&tenant, &sent, MessageState::Uncertain).await;
    assert_eq!(uncertain.failure.unwrap().kind, wire::FailureKind::UnknownOutcome as i32);
    let request =
        wire::ListOutboundMessagesRequest { state: wire::MessageState::Uncertain.into(), ..Default::default() };
    let listed = house.messages(&tenant).list_outbound_messages(request).await.unwrap().into_inner().messages;
    assert_eq!(listed.iter().map(|message| &message.message_id).collect::<Vec<_>>(), [&sent]);
    let note = "Ms Suzuki saw it".to_owned();
    let request = wire::SettleMessageRequest { message_id: sent.clone(), arrived: true, note: note.clone() };
    let settled = house.messages(&tenant).settle_message(request).await.unwrap().into_inner().message.unwrap();
    assert_eq!(settled.state, wire::MessageState::SettledArrived as i32);
    assert_eq!(house.message(&tenant, &sent).await.settle_note, note);
    assert_eq!(world.tables_that_say(&note).await, ["message"], "where it can be erased");
    let noted =
        "SELECT count(*) FROM messaging.audit WHERE action = 'message.settle' AND detail @> '{\"noted\": true}'";
    assert_eq!(world.number(noted).await, 1);
    let erase = "UPDATE messaging.message SET object = NULL";
    assert!(world.try_admin(erase).await.is_err(), "nobody erases the one without the other");
    assert!(world.line.duplicates().is_empty());
    assert_eq!(world.line.counts().delivered_messages, 1);
    house.close().await;
}

#[tokio::test]
async fn a_reply_that_was_surely_refused_goes_by_push() {
    let world = World::new("reply_refused").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let refuse = Effect::Refuse { status: 400, message: "Invalid reply token".to_owned() };
    world.control.add_fault(&Fault::times(refuse, 1).at(REPLY)).await.unwrap();
    let sent = house.send(&tenant, &conversation.conversation_id, "anyway", wire::SendPolicy::ReplyFirst).await;
    let sent = house.until(&tenant, &sent, MessageState::Accepted).await;
    assert_eq!(sent.send_method, wire::SendMethod::Push as i32);
    house.close().await;
}

#[tokio::test]
async fn a_used_up_quota_makes_pushes_wait_and_a_reply_is_still_free() {
    let world = World::new("quota").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (person, conversation) = house.conversing(&world, &tenant).await;
    let none = AccountSettings { quota: Some(Some(0)), ..Default::default() };
    world.control.change_account(&tenant.card.channel_id, &none).await.unwrap();
    let sent = house.send(&tenant, &conversation.conversation_id, "waits", wire::SendPolicy::PushOnly).await;
    house.until(&tenant, &sent, MessageState::WaitingForQuota).await;
    let request = wire::CancelMessageRequest { message_id: sent };
    let taken = house.messages(&tenant).cancel_message(request).await.unwrap().into_inner().message.unwrap();
    assert_eq!(taken.state, wire::MessageState::Cancelled as i32);
    world.control.write_text(&tenant.card.channel_id, &person, "again").await.unwrap();
    house.conversation_with(&tenant, 3).await;
    let free = house.send(&tenant, &conversation.conversation_id, "free", wire::SendPolicy::ReplyFirst).await;
    let free = house.until(&tenant, &free, MessageState::Accepted).await;
    assert_eq!(free.send_method, wire::SendMethod::Reply as i32);
    house.close().await;
}

#[tokio::test]
async fn what_waits_for_quota_goes_free_as_soon_as_the_friend_writes_again() {
    let world = World::new("quota_free").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (person, conversation) = house.conversing(&world, &tenant).await;
    let none = AccountSettings { quota: Some(Some(0)), ..Default::default() };
    world.control.change_account(&tenant.card.channel_id, &none).await.unwrap();
    // The first ones take the tokens there are, of the follow event and of the message; then one waits for quota and the others
    // behind it.
    let mut sent = Vec::new();
    for number in 0..8 {
        let text = format!("number {number}");
        sent.push(house.send(&tenant, &conversation.conversation_id, &text, wire::SendPolicy::ReplyFirst).await);
    }
    eventually(SOON, || async {
        let waiting = world.number("SELECT count(*) FROM messaging.send WHERE deferred AND due > now()").await;
        if waiting > 0 { Ok(()) } else { Err(waiting) }
    })
    .await
    .unwrap();
    // How many a reply takes along depends on who is quicker; the friend writes until all are gone.
    eventually(SOON, || async {
        world.control.write_text(&tenant.card.channel_id, &person, "again").await.unwrap();
        let left = world.number("SELECT count(*) FROM messaging.send").await;
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await
    .unwrap();
    for id in &sent {
        let free = house.until(&tenant, id, MessageState::Accepted).await;
        assert_eq!(free.send_method, wire::SendMethod::Reply as i32);
    }
    house.close().await;
}

#[tokio::test]
async fn what_a_dead_replica_had_in_hand_is_sent_once_by_the_next() {
    let world = World::new("restart").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    // Every call hangs after LINE took it, so that rows are in hand when their holder goes.
    let hang = world.control.add_fault(&Fault::always(Effect::AcceptedThenHang { ms: 60_000 }).at(PUSH)).await.unwrap();
    let mut ids = Vec::new();
    for number in 0..7 {
        let text = format!("message {number}");
        ids.push(house.send(&tenant, &conversation.conversation_id, &text, wire::SendPolicy::PushOnly).await);
    }
    eventually(SOON, || async {
        let in_hand = world.number("SELECT count(*) FROM messaging.send WHERE state = 1").await;
        if in_hand > 0 { Ok(()) } else { Err(in_hand) }
    })
    .await
    .unwrap();
    // Gone without a word: as if the holder of the lane had been killed.
    world.forget_holder().await;
    world.control.end_fault(&hang).await.unwrap();
    let next = world.open().await;
    for id in &ids {
        next.until(&tenant, id, MessageState::Accepted).await;
    }
    assert!(world.line.duplicates().is_empty());
    assert_eq!(world.line.counts().delivered_messages, 7);
    assert_eq!(world.number("SELECT count(*) FROM messaging.send").await, 0);
    next.close().await;
    house.close().await;
}

#[tokio::test]
async fn two_replicas_send_everything_once() {
    let world = World::new("replicas").await;
    let (house, other) = (world.open().await, world.open().await);
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let mut ids = Vec::new();
    for number in 0..20 {
        let text = format!("message {number}");
        let at = if number % 2 == 0 { &house } else { &other };
        eventually(SOON, || async {
            let request = crate::world::send_request(&conversation.conversation_id, &text, wire::SendPolicy::PushOnly);
            let sent = at.messages(&tenant).send_message(request).await.map_err(|status| status.code())?;
            Ok::<_, tonic::Code>(sent.into_inner().message.unwrap().message_id)
        })
        .await
        .map(|id| ids.push(id))
        .unwrap();
    }
    for id in &ids {
        other.until(&tenant, id, MessageState::Accepted).await;
    }
    assert!(world.line.duplicates().is_empty());
    assert_eq!(world.line.counts().delivered_messages, 20);
    house.close().await;
    other.close().await;
}

/// Lets no message that says so be accepted or put back.
const UNWRITABLE: &str = "CREATE FUNCTION messaging.refuse_it() RETURNS trigger LANGUAGE plpgsql AS
                              $$ BEGIN RAISE EXCEPTION 'never'; END $$;
                          CREATE TRIGGER refuse_it BEFORE UPDATE ON messaging.message FOR EACH ROW
                              WHEN (NEW.state = 5 AND NEW.object::text LIKE '%unwritable%')
                              EXECUTE FUNCTION messaging.refuse_it()";

#[tokio::test]
async fn an_outcome_that_cannot_be_written_is_uncertain_and_holds_up_no_other() {
    let world = World::new("unwritable").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    world.admin(UNWRITABLE).await;
    let conversation = &conversation.conversation_id;
    let unwritable = house.send(&tenant, conversation, "unwritable", wire::SendPolicy::PushOnly).await;
    let fine = house.send(&tenant, conversation, "fine", wire::SendPolicy::PushOnly).await;
    house.until(&tenant, &fine, MessageState::Accepted).await;
    let uncertain = house.until(&tenant, &unwritable, MessageState::Uncertain).await;
    assert_eq!(uncertain.failure.unwrap().kind, wire::FailureKind::UnknownOutcome as i32);
    assert_eq!(world.number("SELECT count(*) FROM messaging.send").await, 0);
    house.close().await;
}

#[tokio::test]
async fn what_no_text_can_hold_is_left_out_of_what_line_says() {
    const ANSWER: &str = r#"{"sentMessages":[{"id":"461230966842064897","quoteToken":"yDHzAu7\u0000fBK"}]}"#;
    let listener = tokio::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = url::Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let answer = || async { ([("content-type", "application/json")], ANSWER) };
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    let world = World::new("null_character").await;
    let house = world.open_with(|config| config.line_api_url = url).await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let sent = house.send(&tenant, &conversation.conversation_id, "hello", wire::SendPolicy::PushOnly).await;
    let sent = house.until(&tenant, &sent, MessageState::Accepted).await;
    assert_eq!(sent.line_message_id, "461230966842064897");
    assert_eq!(world.number("SELECT count(*) FROM messaging.message WHERE quote_token = 'yDHzAu7fBK'").await, 1);
    house.close().await;
}
