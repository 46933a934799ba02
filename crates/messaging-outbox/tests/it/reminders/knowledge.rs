//! What a reminder is decided by: the reservation as scheduler knew it, and the tenant's policy (F-107, D-7).

use bus::subject::Family;

use super::*;
use crate::scheduler::handled;

/// Scheduler may hear of a change long before messaging does: its reminder then is of what messaging has yet to hear of.
#[tokio::test]
async fn a_reminder_of_a_reservation_that_was_moved_waits_until_the_move_is_heard_of() {
    let world = World::new("reminded_moved").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let customer = regular(&world, &tenant, Assurance::NameAndMobile).await;
    let (activity, former, start) = (Uuid::new_v4(), at(19 * 60), at(20 * 60));
    world.say(&tenant, customer.reserves(activity, 1, "ACTIVE", former)).await;
    until(&world, LINKS, 1).await;
    until(&world, FRIENDSHIPS, 1).await;
    until(&world, RESERVATIONS, 1).await;
    let mut moved = due(Uuid::new_v4(), TEMPLATE, activity, start, at(120));
    if let Due::RemindersDue(said) = &mut moved {
        said.reminders[0].activity_version = 2;
    }
    say(&world, &tenant, moved).await;
    until(&world, "SELECT count(*) FROM messaging.parked_message", 1).await;
    assert!(listed(&house, &tenant, "").await.is_empty(), "nothing is decided by what is of the past");
    world.say(&tenant, customer.reserves(activity, 2, "ACTIVE", start)).await;
    let reminder = until_listed(&house, &tenant, activity, 1).await.remove(0);
    house.until(&tenant, &reminder.message_id, MessageState::Accepted).await;
    assert_eq!(reminder.start_time, Some(timestamp(start)));
    house.close().await;
}

/// After a standstill of hours a reminder may be heard of before what it was said of.
#[tokio::test]
async fn a_reminder_that_was_said_long_ago_still_waits_for_the_news_it_was_said_of() {
    let world = World::new("reminded_stood").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let customer = regular(&world, &tenant, Assurance::NameAndMobile).await;
    let (activity, unknown, start) = (Uuid::new_v4(), Uuid::new_v4(), at(20 * 60));
    world.say(&tenant, customer.reserves(activity, 1, "ACTIVE", at(19 * 60))).await;
    until(&world, LINKS, 1).await;
    until(&world, FRIENDSHIPS, 1).await;
    until(&world, RESERVATIONS, 1).await;
    for one in [activity, unknown] {
        let mut moved = due(Uuid::new_v4(), TEMPLATE, one, start, at(60));
        if let Due::RemindersDue(said) = &mut moved {
            said.reminders[0].activity_version = 2;
        }
        let event = events::SchedulerEvent { body: Some(moved) };
        world.publish_at(&tenant, Family::Scheduler, &event, at(-30)).await;
        let reminder = until_listed(&house, &tenant, one, 1).await.remove(0);
        assert_eq!(reminder.reason, wire::ReminderReason::ReservationUnknown as i32);
    }
    for one in [activity, unknown] {
        world.say(&tenant, customer.reserves(one, 2, "ACTIVE", start)).await;
        let made = eventually(SOON, || async {
            let reminder = listed(&house, &tenant, &one.to_string()).await.remove(0);
            if reminder.reason == 0 { Ok(reminder) } else { Err(format!("{reminder:?}")) }
        });
        let made = made.await.unwrap();
        assert_eq!(made.customer_id, customer.id.to_string());
        house.until(&tenant, &made.message_id, MessageState::Accepted).await;
    }
    house.close().await;
}

#[tokio::test]
async fn the_tenants_policy_says_how_sure_a_link_must_be_to_be_reminded_by_it() {
    let world = World::new("reminded_policy").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let customer = regular(&world, &tenant, Assurance::Name).await;
    let (activity, start) = (Uuid::new_v4(), at(20 * 60));
    world.say(&tenant, customer.reserves(activity, 1, "ACTIVE", start)).await;
    until(&world, LINKS, 1).await;
    until(&world, FRIENDSHIPS, 1).await;
    until(&world, RESERVATIONS, 1).await;
    let policy = |version, least: Assurance| {
        Body::LinkPolicy(events::LinkPolicyReplica { version, least_reminder_assurance: least.into() })
    };
    say(&world, &tenant, due(Uuid::new_v4(), TEMPLATE, activity, start, at(120))).await;
    let by_default = until_listed(&house, &tenant, activity, 1).await.remove(0);
    assert_eq!(by_default.reason, wire::ReminderReason::NotSureEnough as i32);
    world.say(&tenant, policy(2, Assurance::Name)).await;
    until(&world, "SELECT count(*) FROM messaging.link_policy_replica WHERE version = 2", 1).await;
    // An older word of it, heard later, changes nothing.
    let before = handled(&world, "identity").await;
    world.say(&tenant, policy(1, Assurance::Proven)).await;
    until_handled(&world, "identity", before + 1).await;
    say(&world, &tenant, due(Uuid::new_v4(), TEMPLATE, activity, start, at(120))).await;
    let reminder = until_listed(&house, &tenant, activity, 2).await.remove(0);
    house.until(&tenant, &reminder.message_id, MessageState::Accepted).await;
    world.say(&tenant, policy(3, Assurance::NameAndMobile)).await;
    until(&world, "SELECT count(*) FROM messaging.link_policy_replica WHERE version = 3", 1).await;
    say(&world, &tenant, due(Uuid::new_v4(), TEMPLATE, activity, start, at(120))).await;
    let stricter = until_listed(&house, &tenant, activity, 3).await.remove(0);
    assert_eq!(stricter.reason, wire::ReminderReason::NotSureEnough as i32);
    house.close().await;
}
