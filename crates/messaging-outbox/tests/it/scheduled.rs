//! Replies whose time has come (F-31): each once, none too early, none too late, whoever comes between.

use std::os::unix::process::ExitStatusExt as _;

use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{AccountState, FriendshipState, TenantReplica};
use contracts::messaging::v1 as wire;
use line_simulator::{BooksQuery, Effect, Fault};
use messaging_outbox_core::state::MessageState;
use sqlx::{Connection as _, PgConnection};
use testkit::eventually;

use crate::killing::program_killed;
use crate::scheduler::{due, from_now, told, until_handled};
use crate::scheduling::{later, reason, written};
use crate::world::{SOON, Tenant, World, friendship, text};

const PUSH: &str = "POST /v2/bot/message/push";

const CONSUMER: &str = "scheduled_sends";
/// The moments of all that waits lie a little in the past.
pub(crate) const NOW: &str = "UPDATE messaging.scheduled_send SET send_time = now() - interval '1 second'";
/// Postgres looks for deadlocks after a minute only.
const NO_WAY_OUT: &str = "DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''1min''', current_database());
END $$";
/// They lie further in the past than a message may be late.
const LONG_AGO: &str = "UPDATE messaging.scheduled_send SET send_time = now() - interval '61 minutes'";

/// The texts LINE was given, in their order.
async fn sent(world: &World, tenant: &Tenant) -> Vec<String> {
    let query = BooksQuery { account: Some(tenant.card.channel_id.clone()), ..Default::default() };
    let sent = world.control.sent(&query).await.unwrap();
    sent.iter().flat_map(|sent| &sent.messages).map(|message| message["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn due_events_repeated_and_shuffled_send_each_message_once_and_none_of_another_version() {
    let world = World::new("due_shuffled").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let mut ids = Vec::new();
    for number in 0..6 {
        let request = later(&conversation.conversation_id, &format!("line {number}"), 600);
        ids.push(written(&house, &tenant, request).await.message_id);
    }
    // The last one is changed twice, and goes by its third version alone.
    for seconds in [700, 800] {
        let message_id = ids[5].clone();
        let send_time = Some(from_now(seconds));
        let request = wire::RescheduleMessageRequest { message_id, send_time, ..Default::default() };
        house.messages(&tenant).reschedule_message(request).await.unwrap();
    }
    world.admin(NOW).await;
    let all: Vec<(&str, i64)> = ids.iter().map(|id| (id.as_str(), 1)).collect();
    due(&world, &tenant, &[(&ids[5], 2), (&ids[3], 1)]).await;
    due(&world, &tenant, &all).await;
    for one in all.iter().rev() {
        due(&world, &tenant, &[*one]).await;
    }
    until_handled(&world, CONSUMER, 8).await;
    for id in &ids[..5] {
        house.until(&tenant, id, MessageState::Accepted).await;
    }
    assert_eq!(house.message(&tenant, &ids[5]).await.state, wire::MessageState::Scheduled as i32);
    due(&world, &tenant, &[(&ids[5], 3), (&ids[5], 1)]).await;
    due(&world, &tenant, &[(&ids[5], 3)]).await;
    house.until(&tenant, &ids[5], MessageState::Accepted).await;
    until_handled(&world, CONSUMER, 10).await;
    let mut texts = sent(&world, &tenant).await;
    texts.sort();
    assert_eq!(texts, (0..6).map(|number| format!("line {number}")).collect::<Vec<_>>());
    house.close().await;
}

/// Both wait for the conversation, and whoever came first has it first: who wins is certain, and nobody fails for another's locks.
#[tokio::test]
async fn of_a_change_or_a_cancelling_and_the_moment_itself_exactly_one_wins() {
    let world = World::new("due_races").await;
    // Two that wait for each other hang here: Postgres would end one of them after a second, and the other would win.
    world.admin(NO_WAY_OUT).await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let rounds = [(true, false), (true, true), (true, false), (false, true), (false, false), (false, true)];
    for (number, (moment_first, cancels)) in rounds.into_iter().enumerate() {
        let request = later(&conversation.conversation_id, "at its time", 600);
        let id = written(&house, &tenant, request).await.message_id;
        // What was queued may be cancelled still; what came too late for it may not.
        world.admin(if moment_first && cancels { LONG_AGO } else { NOW }).await;
        let mut gate = PgConnection::connect(&world.database.admin_url()).await.unwrap();
        let mut closed = gate.begin().await.unwrap();
        sqlx::query("SELECT FROM messaging.conversation FOR UPDATE").execute(&mut *closed).await.unwrap();
        let mut client = house.messages(&tenant);
        let message_id = id.clone();
        let call = async move {
            if cancels {
                client.cancel_message(wire::CancelMessageRequest { message_id }).await.map(drop)
            } else {
                let send_time = Some(from_now(900));
                let request = wire::RescheduleMessageRequest { message_id, send_time, ..Default::default() };
                client.reschedule_message(request).await.map(drop)
            }
        };
        let call = if moment_first {
            due(&world, &tenant, &[(&id, 1)]).await;
            world.until_locked_out(1).await;
            tokio::spawn(call)
        } else {
            let call = tokio::spawn(call);
            world.until_locked_out(1).await;
            due(&world, &tenant, &[(&id, 1)]).await;
            call
        };
        world.until_locked_out(2).await;
        closed.commit().await.unwrap();
        let lost = call.await.unwrap().err().map(|status| reason(&status));
        until_handled(&world, CONSUMER, i64::try_from(number).unwrap() + 1).await;
        let (why, state) = match (moment_first, cancels) {
            (true, false) => (Some("MESSAGE_NOT_SCHEDULED"), MessageState::Accepted),
            (true, true) => (Some("MESSAGE_SETTLED"), MessageState::Refused),
            (false, false) => (None, MessageState::Scheduled),
            (false, true) => (None, MessageState::Cancelled),
        };
        assert_eq!(lost.as_deref(), why, "{number}");
        house.until(&tenant, &id, state).await;
        world.admin("DELETE FROM messaging.scheduled_send").await;
    }
    assert_eq!(sent(&world, &tenant).await.len(), 2);
    house.close().await;
}

#[tokio::test]
async fn replies_whose_times_passed_together_leave_in_the_order_of_their_times() {
    let world = World::new("due_order").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let mut ids = Vec::new();
    for text in ["fifth", "second", "fourth", "first", "third", "much later"] {
        ids.push(written(&house, &tenant, later(&conversation.conversation_id, text, 600)).await.message_id);
    }
    house.close().await;
    let mut admin = PgConnection::connect(&world.database.admin_url()).await.unwrap();
    for (id, minutes) in ids.iter().zip([-10, -40, -20, -50, -30, 60]) {
        sqlx::query(
            "UPDATE messaging.scheduled_send SET send_time = now() + make_interval(mins => $2) WHERE message_id = $1",
        )
        .bind(uuid::Uuid::parse_str(id).unwrap())
        .bind(minutes)
        .execute(&mut admin)
        .await
        .unwrap();
    }
    // Each is said by itself, the last one first.
    for id in &ids[..5] {
        due(&world, &tenant, &[(id, 1)]).await;
    }
    let house = world.open().await;
    for id in &ids[..5] {
        house.until(&tenant, id, MessageState::Accepted).await;
    }
    assert_eq!(sent(&world, &tenant).await, ["first", "second", "third", "fourth", "fifth"]);
    let shown = house.messages_of(&tenant, &conversation.conversation_id).await;
    let shown: Vec<&str> = shown.iter().map(text).take(6).collect();
    assert_eq!(shown, ["much later", "fifth", "fourth", "third", "second", "first"], "the latest first, as they went");
    until_handled(&world, CONSUMER, 5).await;
    assert_eq!(house.message(&tenant, &ids[5]).await.state, wire::MessageState::Scheduled as i32);
    let of_it = told(&world).await.into_iter().filter(|(id, ..)| *id == ids[5]).count();
    assert_eq!(of_it, 1, "what is yet to come is not asked for anew");
    house.close().await;
}

#[tokio::test]
async fn what_is_written_while_overdue_replies_leave_overtakes_none_of_them() {
    let world = World::new("due_overtaken").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let mut ids = Vec::new();
    for (text, minutes) in [("third", -10), ("first", -40), ("second", -30)] {
        let id = written(&house, &tenant, later(&conversation.conversation_id, text, 600)).await.message_id;
        let passed = format!(
            "UPDATE messaging.scheduled_send SET send_time = now() + make_interval(mins => {minutes}) WHERE message_id = '{id}'"
        );
        world.try_admin_of(&passed).await.unwrap();
        ids.push(id);
    }
    // LINE does not take the first one yet, so that the others still wait when something is written.
    world.control.add_fault(&Fault::times(Effect::ServerError, 4).at(PUSH)).await.unwrap();
    due(&world, &tenant, &[(&ids[0], 1)]).await;
    house.until(&tenant, &ids[0], MessageState::Queued).await;
    for text in ["fourth", "fifth"] {
        ids.push(house.send(&tenant, &conversation.conversation_id, text, wire::SendPolicy::PushOnly).await);
    }
    for id in &ids {
        house.until(&tenant, id, MessageState::Accepted).await;
    }
    assert_eq!(sent(&world, &tenant).await, ["first", "second", "third", "fourth", "fifth"]);
    house.close().await;
}

#[tokio::test]
async fn a_reply_that_may_not_be_sent_when_its_time_comes_is_refused_and_says_why() {
    let world = World::new("due_refused").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (person, conversation) = house.conversing(&world, &tenant).await;
    let user = world.control.user_id(&tenant.card.channel_id, &person).await.unwrap().as_str().to_owned();
    let suspend = |version, suspended| {
        let (tenant_id, time_zone) = (tenant.id.to_string(), "Asia/Tokyo".to_owned());
        Body::Tenant(TenantReplica { tenant_id, version, time_zone, suspended, ..Default::default() })
    };
    let until_reason = async |reason: &str| {
        eventually(SOON, || async {
            let now = house.list(&tenant).await.remove(0).cannot_send_reason;
            if now == reason { Ok(()) } else { Err(now) }
        })
        .await
        .unwrap();
    };
    let id = &conversation.conversation_id;
    let mut handled = 0;
    for (version, reason) in
        (2i64..).step_by(2).zip(["FRIEND_BLOCKED", "ACCOUNT_NOT_CONNECTED", "TENANT_SUSPENDED", "EXPIRED"])
    {
        let message = written(&house, &tenant, later(id, reason, 600)).await.message_id;
        match reason {
            "FRIEND_BLOCKED" => world.say(&tenant, friendship(&tenant, &user, version, FriendshipState::Blocked)).await,
            "ACCOUNT_NOT_CONNECTED" => world.connect_account(&tenant, version, AccountState::Paused).await,
            "TENANT_SUSPENDED" => world.say(&tenant, suspend(version, true)).await,
            _ => world.admin(LONG_AGO).await,
        }
        if reason != "EXPIRED" {
            until_reason(reason).await;
            world.admin(NOW).await;
        }
        due(&world, &tenant, &[(&message, 1)]).await;
        handled += 1;
        until_handled(&world, CONSUMER, handled).await;
        let refused = house.message(&tenant, &message).await;
        assert_eq!(refused.state, wire::MessageState::Refused as i32, "{reason}");
        let failure = refused.failure.unwrap();
        let (kind, details): (_, &[&str]) = match reason {
            "EXPIRED" => (wire::FailureKind::Expired, &[]),
            _ => (wire::FailureKind::Refused, &[reason]),
        };
        assert_eq!(
            (failure.kind, failure.line_details.as_slice()),
            (kind as i32, &*details.iter().map(|d| (*d).to_owned()).collect::<Vec<_>>())
        );
        // What stopped it is over, and it stays refused.
        world.say(&tenant, friendship(&tenant, &user, version + 1, FriendshipState::Friend)).await;
        world.connect_account(&tenant, version + 1, AccountState::Connected).await;
        world.say(&tenant, suspend(version + 1, false)).await;
        until_reason("").await;
    }
    let list = wire::ListOutboundMessagesRequest { state: wire::MessageState::Refused.into(), ..Default::default() };
    let refused = house.messages(&tenant).list_outbound_messages(list).await.unwrap().into_inner().messages;
    assert_eq!(refused.len(), 4, "somebody must look at them");
    assert_eq!(world.line.counts().delivered_messages, 0);
    house.close().await;
}

#[tokio::test]
async fn a_process_killed_between_the_moment_and_the_call_sends_once() {
    let world = World::new("due_killed").await;
    let places =
        ["messaging.after_due", "bus.consumer.before_commit", "bus.consumer.after_commit", "messaging.after_claim"];
    for place in places {
        let house = world.open().await;
        let tenant = world.tenant(&house).await;
        let (_, conversation) = house.conversing(&world, &tenant).await;
        let mut ids = Vec::new();
        for number in 0..3 {
            let request = later(&conversation.conversation_id, &format!("{place} {number}"), 600);
            ids.push(written(&house, &tenant, request).await.message_id);
        }
        house.close().await;
        world.admin(NOW).await;
        // At the first pass: all that is said may come together, and be handled in one transaction.
        let mut killed = program_killed(&world, testkit::port::free(), &format!("{place}=kill"));
        for id in &ids {
            due(&world, &tenant, &[(id, 1)]).await;
        }
        let status = killed.exit(SOON).await.unwrap();
        assert_eq!(status.signal(), Some(9), "{place}: {:?}", killed.lines());
        let house = world.open().await;
        for id in &ids {
            house.until(&tenant, id, MessageState::Accepted).await;
        }
        let mut texts = sent(&world, &tenant).await;
        texts.sort();
        assert_eq!(texts, (0..3).map(|number| format!("{place} {number}")).collect::<Vec<_>>());
        assert!(world.line.duplicates().is_empty());
        house.close().await;
    }
}

#[tokio::test]
async fn after_a_standstill_what_is_late_goes_what_is_too_late_does_not_and_what_is_early_waits() {
    let world = World::new("due_restart").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let mut ids = Vec::new();
    for text in ["too late", "late", "early", "far too early"] {
        ids.push(written(&house, &tenant, later(&conversation.conversation_id, text, 600)).await.message_id);
    }
    house.close().await;
    let mut admin = PgConnection::connect(&world.database.admin_url()).await.unwrap();
    for (id, seconds) in ids.iter().zip([-4_000, -3_000, 5, 600]) {
        sqlx::query(
            "UPDATE messaging.scheduled_send SET send_time = now() + make_interval(secs => $2) WHERE message_id = $1",
        )
        .bind(uuid::Uuid::parse_str(id).unwrap())
        .bind(f64::from(seconds))
        .execute(&mut admin)
        .await
        .unwrap();
    }
    // All is said while nobody listens.
    for id in &ids {
        due(&world, &tenant, &[(id, 1)]).await;
    }
    let early = "SELECT count(*) FROM messaging.scheduled_send WHERE send_time > now() AND send_time < now() + interval '1 minute'";
    let house = world.open().await;
    let refused = house.until(&tenant, &ids[0], MessageState::Refused).await;
    assert_eq!(refused.failure.unwrap().kind, wire::FailureKind::Expired as i32);
    house.until(&tenant, &ids[1], MessageState::Accepted).await;
    let waits = house.message(&tenant, &ids[2]).await;
    if world.number(early).await > 0 {
        assert_eq!(waits.state, wire::MessageState::Scheduled as i32);
    }
    let moment = waits.schedule.and_then(|schedule| schedule.send_time);
    let went = house.until(&tenant, &ids[2], MessageState::Accepted).await;
    assert!(moment.is_none_or(|moment| went.accept_time.unwrap().seconds >= moment.seconds));
    // Of the last one scheduler is told anew, and told the same moment.
    until_handled(&world, CONSUMER, 4).await;
    let last = house.message(&tenant, &ids[3]).await;
    assert_eq!(last.state, wire::MessageState::Scheduled as i32);
    let said = told(&world).await.pop().unwrap();
    assert_eq!(said, (ids[3].clone(), 2, last.schedule.unwrap().send_time));
    assert_eq!(sent(&world, &tenant).await, ["late", "early"]);
    house.close().await;
}
