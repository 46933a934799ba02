//! Reminders said before the customer was linked: they go as soon as that is known, and until it is too late for them.

use contracts::events::v1::{Assurance, FriendshipState};
use contracts::messaging::v1 as wire;
use line_simulator::{Act, PersonSpec};
use messaging_outbox_core::state::MessageState;
use uuid::Uuid;

use super::{Customer, RESERVATIONS, TEMPLATE, at, due, sent, until, until_listed};
use crate::scheduler::say;
use crate::world::{World, friendship};

/// Every reminder that waits is looked at now.
const LOOK: &str = "UPDATE messaging.reminder_wait SET due = now()";
const WAITING: &str = "SELECT count(*) FROM messaging.reminder_wait";
/// Of how many the row says more than is listed.
const SAID: &str = "SELECT count(*) FROM messaging.reminder WHERE template IS NOT NULL";

#[tokio::test]
async fn who_links_after_the_reminder_was_said_is_reminded_once_and_before_it_is_too_late() {
    let world = World::new("reminded_later").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let person = world.control.add_person(&PersonSpec::default()).await.unwrap();
    world.control.act(&tenant.card.channel_id, &person, Act::AddFriend { quiet: true }).await.unwrap();
    let user = world.control.user_id(&tenant.card.channel_id, &person).await.unwrap().as_str().to_owned();
    let customer = Customer { id: Uuid::new_v4(), user };
    customer.is_told(&world, &tenant, None, None).await;
    let (activity, start) = (Uuid::new_v4(), at(20 * 60));
    world.say(&tenant, customer.reserves(activity, 1, "ACTIVE", start)).await;
    until(&world, RESERVATIONS, 1).await;
    let rule = Uuid::new_v4();
    say(&world, &tenant, due(rule, TEMPLATE, activity, start, at(60))).await;
    let reason = async |why: wire::ReminderReason| {
        testkit::eventually(crate::world::SOON, || async {
            let reminder = until_listed(&house, &tenant, activity, 1).await.remove(0);
            if reminder.reason == why as i32 { Ok(()) } else { Err(format!("{reminder:?}")) }
        })
        .await
        .unwrap();
    };
    reason(wire::ReminderReason::NotLinked).await;
    until(&world, WAITING, 1).await;
    // Linked, which is seen at once, and not yet known as a friend.
    world.say(&tenant, customer.link(&tenant, customer.id, Assurance::NameAndMobile)).await;
    reason(wire::ReminderReason::NotAFriend).await;
    world.say(&tenant, friendship(&tenant, &customer.user, 1, FriendshipState::Friend)).await;
    until(&world, "SELECT count(*) FROM messaging.friendship_replica", 1).await;
    world.admin(LOOK).await;
    until(&world, WAITING, 0).await;
    let reminder = until_listed(&house, &tenant, activity, 1).await.remove(0);
    assert_eq!((reminder.state, reminder.reason), (wire::ReminderState::Made as i32, 0));
    house.until(&tenant, &reminder.message_id, MessageState::Accepted).await;
    // It is said again, and nobody is reminded again.
    say(&world, &tenant, due(rule, TEMPLATE, activity, start, at(60))).await;
    crate::scheduler::until_handled(&world, "reminders", 2).await;
    assert_eq!((sent(&world, &tenant).await, world.number(WAITING).await, world.number(SAID).await), (1, 0, 0));
    house.close().await;
}

#[tokio::test]
async fn a_reminder_waits_for_a_link_no_longer_than_it_may_be_late_and_for_no_cancelled_reservation() {
    use wire::ReminderReason as Why;
    let world = World::new("reminded_never").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let customer = Customer::made_up();
    customer.is_told(&world, &tenant, None, None).await;
    let (late, cancelled, start) = (Uuid::new_v4(), Uuid::new_v4(), at(20 * 60));
    for activity in [late, cancelled] {
        world.say(&tenant, customer.reserves(activity, 1, "ACTIVE", start)).await;
    }
    until(&world, RESERVATIONS, 2).await;
    for activity in [late, cancelled] {
        say(&world, &tenant, due(Uuid::new_v4(), TEMPLATE, activity, start, at(60))).await;
        until_listed(&house, &tenant, activity, 1).await;
    }
    until(&world, WAITING, 2).await;
    world.say(&tenant, customer.reserves(cancelled, 2, "CANCELLED", start)).await;
    until(&world, "SELECT count(*) FROM messaging.activity_replica WHERE state = 'CANCELLED'", 1).await;
    let over =
        format!("UPDATE messaging.reminder SET expire_time = now() - interval '1 second' WHERE activity_id = '{late}'");
    world.try_admin_of(&over).await.unwrap();
    world.admin(LOOK).await;
    until(&world, WAITING, 0).await;
    for (activity, why) in [(late, Why::NotLinked), (cancelled, Why::ReservationEnded)] {
        let reminder = until_listed(&house, &tenant, activity, 1).await.remove(0);
        assert_eq!((reminder.state, reminder.reason), (wire::ReminderState::NotSent as i32, why as i32));
    }
    assert_eq!((world.number("SELECT count(*) FROM messaging.message").await, world.number(SAID).await), (0, 0));
    house.close().await;
}
