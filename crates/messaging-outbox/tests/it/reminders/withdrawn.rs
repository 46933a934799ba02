//! A reminder that waits in the queue, and what becomes of its reservation meanwhile.

use std::collections::BTreeSet;

use contracts::events::v1::identity_event::Body;
use contracts::events::v1::messaging_event::Body as Told;
use contracts::events::v1::{Assurance, MessagingEvent};
use line_simulator::AccountSettings;
use messaging_outbox_core::state::MessageState;
use prost::Message as _;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::{FRIENDSHIPS, LINKS, RESERVATIONS, TEMPLATE, at, due, regular, sent, until, until_listed};
use crate::scheduler::say;
use crate::world::World;

/// Messages of which it was told that they were cancelled.
async fn told_cancelled(world: &World) -> BTreeSet<String> {
    let mut admin = PgConnection::connect(&world.database.admin_url()).await.unwrap();
    let of = "SELECT payload FROM messaging.outbox WHERE happened = 'message_states_changed'";
    let payloads: Vec<Vec<u8>> = sqlx::query_scalar(of).fetch_all(&mut admin).await.unwrap();
    let changes = payloads.iter().flat_map(|payload| match MessagingEvent::decode(payload.as_slice()).unwrap().body {
        Some(Told::MessageStatesChanged(told)) => told.changes,
        other => panic!("{other:?}"),
    });
    changes.filter(|one| one.state == MessageState::Cancelled.name()).map(|one| one.message_id).collect()
}

/// Transactions that watchers heard of.
const NOTED: &str = "SELECT count(DISTINCT changed) FROM messaging.conversation_change";

#[tokio::test]
async fn whatever_a_reservation_becomes_its_reminder_that_waits_is_taken_back_and_everybody_hears_of_it() {
    let world = World::new("reminders_outdated").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let quota = AccountSettings { quota: Some(Some(0)), ..Default::default() };
    world.control.change_account(&tenant.card.channel_id, &quota).await.unwrap();
    let customer = regular(&world, &tenant, Assurance::NameAndMobile).await;
    let start = at(20 * 60);
    let became = [("COMPLETED", Some(start)), ("ACTIVE", Some(at(19 * 60))), ("ACTIVE", None)];
    let activities = became.map(|_| Uuid::new_v4());
    for activity in activities {
        world.say(&tenant, customer.reserves(activity, 1, "ACTIVE", start)).await;
    }
    until(&world, LINKS, 1).await;
    until(&world, FRIENDSHIPS, 1).await;
    until(&world, RESERVATIONS, 3).await;
    let mut waiting = Vec::new();
    for activity in activities {
        say(&world, &tenant, due(Uuid::new_v4(), TEMPLATE, activity, start, at(60))).await;
        let message = until_listed(&house, &tenant, activity, 1).await.remove(0).message_id;
        let state = if waiting.is_empty() { MessageState::WaitingForQuota } else { MessageState::Queued };
        house.until(&tenant, &message, state).await;
        waiting.push(message);
    }
    for ((activity, message), (state, begins)) in activities.into_iter().zip(&waiting).zip(became) {
        let noted = world.number(NOTED).await;
        assert!(!told_cancelled(&world).await.contains(message), "{state} {begins:?}");
        let mut reservation = customer.reserves(activity, 2, state, start);
        if let Body::Activity(told) = &mut reservation {
            told.start_time = begins.map(contracts::timestamp);
        }
        world.say(&tenant, reservation).await;
        house.until(&tenant, message, MessageState::Cancelled).await;
        assert_eq!(world.number(NOTED).await, noted + 1, "watchers hear of it: {state} {begins:?}");
        assert!(told_cancelled(&world).await.contains(message), "other services hear of it: {state} {begins:?}");
    }
    assert_eq!(sent(&world, &tenant).await, 0);
    house.close().await;
}

/// Whoever heard that the reservation was cancelled found the reminder in hand, and LINE's quota sent it back to the queue.
#[tokio::test]
async fn a_reminder_that_comes_back_to_the_queue_is_not_sent_once_its_reservation_does_not_stand() {
    let world = World::new("reminder_back").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let account = &tenant.card.channel_id;
    let none = AccountSettings { quota: Some(Some(0)), ..Default::default() };
    world.control.change_account(account, &none).await.unwrap();
    let customer = regular(&world, &tenant, Assurance::NameAndMobile).await;
    let start = at(20 * 60);
    let (cancelled, stands) = (Uuid::new_v4(), Uuid::new_v4());
    for activity in [cancelled, stands] {
        world.say(&tenant, customer.reserves(activity, 1, "ACTIVE", start)).await;
    }
    until(&world, LINKS, 1).await;
    until(&world, FRIENDSHIPS, 1).await;
    until(&world, RESERVATIONS, 2).await;
    let mut messages = Vec::new();
    for activity in [cancelled, stands] {
        say(&world, &tenant, due(Uuid::new_v4(), TEMPLATE, activity, start, at(60))).await;
        messages.push(until_listed(&house, &tenant, activity, 1).await.remove(0).message_id);
    }
    house.until(&tenant, &messages[0], MessageState::WaitingForQuota).await;
    house.close().await;
    let of = format!("UPDATE messaging.activity_replica SET state = 'CANCELLED' WHERE activity_id = '{cancelled}'");
    world.try_admin_of(&of).await.unwrap();
    world.admin("UPDATE messaging.send SET due = now()").await;
    let room = AccountSettings { quota: Some(Some(9)), ..Default::default() };
    world.control.change_account(account, &room).await.unwrap();
    let house = world.open().await;
    house.until(&tenant, &messages[1], MessageState::Accepted).await;
    house.until(&tenant, &messages[0], MessageState::Cancelled).await;
    assert_eq!(sent(&world, &tenant).await, 1);
    house.close().await;
}
