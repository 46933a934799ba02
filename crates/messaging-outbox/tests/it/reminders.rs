//! Reminders of reservations (F-107): each once, to who surely is the customer, and every other one with its reason.

mod knowledge;
mod waiting;
mod withdrawn;

use std::os::unix::process::ExitStatusExt as _;

use chrono::{FixedOffset, TimeDelta};
use contracts::events::v1::identity_event::Body;
use contracts::events::v1::scheduler_event::Body as Due;
use contracts::events::v1::{self as events, AccountState, Assurance, FriendshipState};
use contracts::messaging::v1 as wire;
use contracts::timestamp;
use kernel::{Clock as _, SystemClock, Timestamp};
use line_simulator::{AccountSettings, Act, BooksQuery, PersonSpec};
use messaging_outbox_core::state::MessageState;
use testkit::eventually;
use tonic::Code;
use uuid::Uuid;

use crate::house::House;
use crate::killing::program;
use crate::scheduler::{say, until_handled};
use crate::world::{SOON, Tenant, World, friendship, text};

pub(crate) const TEMPLATE: &str = "{customer_name}様 {date} {time} {shop}";

/// A moment so many minutes from now, to the second.
pub(crate) fn at(minutes: i64) -> Timestamp {
    let at = SystemClock.now() + TimeDelta::minutes(minutes);
    Timestamp::from_timestamp(at.timestamp(), 0).unwrap()
}

/// A customer, linked this surely to a LINE user.
pub(crate) struct Customer {
    pub(crate) id: Uuid,
    pub(crate) user: String,
}

impl Customer {
    /// Somebody of whom LINE knows nothing.
    pub(crate) fn made_up() -> Self {
        Self { id: Uuid::new_v4(), user: format!("U{}", Uuid::new_v4().simple()) }
    }

    pub(crate) async fn is_told(
        &self,
        world: &World,
        tenant: &Tenant,
        assurance: Option<Assurance>,
        friend: Option<FriendshipState>,
    ) {
        world.say(tenant, self.record("")).await;
        if let Some(assurance) = assurance {
            world.say(tenant, self.link(tenant, self.id, assurance)).await;
        }
        if let Some(state) = friend {
            world.say(tenant, friendship(tenant, &self.user, 1, state)).await;
        }
    }

    fn record(&self, merged_into: &str) -> Body {
        Body::Customer(events::CustomerReplica {
            customer_id: self.id.to_string(),
            version: if merged_into.is_empty() { 1 } else { 2 },
            family_name: "山田".to_owned(),
            given_name: "花子".to_owned(),
            merged_into: merged_into.to_owned(),
            ..Default::default()
        })
    }

    pub(crate) fn link(&self, tenant: &Tenant, customer: Uuid, assurance: Assurance) -> Body {
        Body::Link(events::LinkReplica {
            link_id: Uuid::new_v4().to_string(),
            version: 1,
            customer_id: customer.to_string(),
            provider_id: tenant.provider.to_string(),
            line_user_id: self.user.clone(),
            assurance: assurance.into(),
            create_time: Some(timestamp(at(-60))),
            end_time: None,
        })
    }

    /// A reservation as it stands.
    pub(crate) fn reserves(&self, activity: Uuid, version: i64, state: &str, start: Timestamp) -> Body {
        Body::Activity(events::ActivityReplica {
            activity_id: activity.to_string(),
            version,
            customer_id: self.id.to_string(),
            kind: "RESERVATION".to_owned(),
            state: state.to_owned(),
            start_time: Some(timestamp(start)),
            ..Default::default()
        })
    }
}

/// A friend on LINE who is the customer, as sure as that is.
async fn regular(world: &World, tenant: &Tenant, assurance: Assurance) -> Customer {
    let person = world.control.add_person(&PersonSpec::default()).await.unwrap();
    world.control.act(&tenant.card.channel_id, &person, Act::AddFriend { quiet: true }).await.unwrap();
    let user = world.control.user_id(&tenant.card.channel_id, &person).await.unwrap().as_str().to_owned();
    let customer = Customer { id: Uuid::new_v4(), user };
    customer.is_told(world, tenant, Some(assurance), Some(FriendshipState::Friend)).await;
    customer
}

pub(crate) fn due(rule: Uuid, template: &str, activity: Uuid, start: Timestamp, expire: Timestamp) -> Due {
    Due::RemindersDue(events::RemindersDue {
        rule_id: rule.to_string(),
        template: template.to_owned(),
        reminders: vec![events::DueReminder {
            activity_id: activity.to_string(),
            start_time: Some(timestamp(start)),
            due_time: Some(timestamp(at(0))),
            expire_time: Some(timestamp(expire)),
            activity_version: 0,
        }],
    })
}

async fn listed(house: &House, tenant: &Tenant, activity: &str) -> Vec<wire::Reminder> {
    let request = wire::ListRemindersRequest { activity_id: activity.to_owned(), ..Default::default() };
    house.reminders(tenant).list_reminders(request).await.unwrap().into_inner().reminders
}

/// The reservation's reminders, once there are `count`.
pub(crate) async fn until_listed(house: &House, tenant: &Tenant, activity: Uuid, count: usize) -> Vec<wire::Reminder> {
    eventually(SOON, || async {
        let found = listed(house, tenant, &activity.to_string()).await;
        if found.len() == count { Ok(found) } else { Err(format!("{found:?}")) }
    })
    .await
    .unwrap()
}

/// Waits until the replica has so many rows like that.
pub(crate) async fn until(world: &World, sql: &'static str, count: i64) {
    eventually(SOON, || async {
        let now = world.number(sql).await;
        if now == count { Ok(()) } else { Err(now) }
    })
    .await
    .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

const LINKS: &str = "SELECT count(*) FROM messaging.link_replica";
const FRIENDSHIPS: &str = "SELECT count(*) FROM messaging.friendship_replica";
pub(crate) const RESERVATIONS: &str = "SELECT count(*) FROM messaging.activity_replica";

async fn sent(world: &World, tenant: &Tenant) -> usize {
    let query = BooksQuery { account: Some(tenant.card.channel_id.clone()), ..Default::default() };
    world.control.sent(&query).await.unwrap().iter().map(|sent| sent.messages.len()).sum()
}

#[tokio::test]
async fn a_customer_is_reminded_once_by_each_rule_also_where_the_reservation_is_heard_of_last() {
    let world = World::new("reminded").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let customer = regular(&world, &tenant, Assurance::NameAndMobile).await;
    until(&world, LINKS, 1).await;
    until(&world, FRIENDSHIPS, 1).await;
    let (activity, first, second) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    let (start, expire) = (at(20 * 60), at(120));
    say(&world, &tenant, due(first, TEMPLATE, activity, start, expire)).await;
    until(&world, "SELECT count(*) FROM messaging.parked_message", 1).await;
    assert!(listed(&house, &tenant, "").await.is_empty(), "it waits for the reservation");
    world.say(&tenant, customer.reserves(activity, 1, "ACTIVE", start)).await;
    let reminder = until_listed(&house, &tenant, activity, 1).await.remove(0);
    let message = house.until(&tenant, &reminder.message_id, MessageState::Accepted).await;
    let tokyo = start.with_timezone(&FixedOffset::east_opt(9 * 3600).unwrap());
    let (date, time) = (tokyo.format("%-m月%-d日").to_string(), tokyo.format("%-H:%M").to_string());
    let said = text(&message);
    assert!(said.starts_with(&format!("山田 花子様 {date}(")), "{said}");
    assert!(said.ends_with(&format!(") {time} さくら美容室")), "{said}");
    assert_eq!(message.send_method, wire::SendMethod::Push as i32);
    assert_eq!(message.sender, Some(wire::Sender::default()), "nobody of the staff");
    let listed_now = listed(&house, &tenant, "").await.remove(0);
    assert_eq!(listed_now.message_state, wire::MessageState::Accepted as i32);
    assert_eq!(listed_now.state, wire::ReminderState::Made as i32);
    assert_eq!((&listed_now.customer_id, &listed_now.rule_id), (&customer.id.to_string(), &first.to_string()));
    assert_eq!((listed_now.start_time, listed_now.reason), (Some(timestamp(start)), 0));

    // Said again, of the same and of another rule, whatever its text is by now.
    for rule in [first, second, first, second] {
        say(&world, &tenant, due(rule, "また {time}", activity, start, expire)).await;
    }
    until_handled(&world, "reminders", 5).await;
    let both = until_listed(&house, &tenant, activity, 2).await;
    house.until(&tenant, &both[0].message_id, MessageState::Accepted).await;
    assert_eq!((&both[0].rule_id, &both[1]), (&second.to_string(), &listed_now), "the latest first");
    assert_eq!(sent(&world, &tenant).await, 2);
    let conversation = house.list(&tenant).await.remove(0);
    assert_eq!((conversation.unread_count, conversation.customer_id), (0, customer.id.to_string()));
    house.close().await;
}

#[tokio::test]
async fn every_reminder_that_is_not_sent_is_kept_with_its_reason() {
    use wire::ReminderReason as Why;
    let world = World::new("not_reminded").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let sure = Some(Assurance::NameAndMobile);
    let (friend, blocked) = (Some(FriendshipState::Friend), Some(FriendshipState::Blocked));
    let later = at(20 * 60);
    let hour = at(60);
    let cases = [
        (None, None, "ACTIVE", later, later, hour, TEMPLATE, Why::NotLinked),
        (Some(Assurance::Name), friend, "ACTIVE", later, later, hour, TEMPLATE, Why::NotSureEnough),
        (sure, None, "ACTIVE", later, later, hour, TEMPLATE, Why::NotAFriend),
        (sure, blocked, "ACTIVE", later, later, hour, TEMPLATE, Why::FriendBlocked),
        (sure, friend, "CANCELLED", later, later, hour, TEMPLATE, Why::ReservationEnded),
        (sure, friend, "COMPLETED", later, later, hour, TEMPLATE, Why::ReservationEnded),
        (sure, friend, "ACTIVE", at(21 * 60), later, hour, TEMPLATE, Why::ReservationMoved),
        (sure, friend, "ACTIVE", at(-1), at(-1), hour, TEMPLATE, Why::ReservationBegun),
        (sure, friend, "ACTIVE", later, later, at(-1), TEMPLATE, Why::Expired),
        (sure, friend, "ACTIVE", later, later, hour, "{nobody}", Why::TextRefused),
        (sure, friend, "ACTIVE", later, later, hour, "\u{3000}", Why::Unspecified),
    ];
    let mut told = Vec::new();
    for (assurance, state, ..) in &cases {
        let customer = Customer::made_up();
        customer.is_told(&world, &tenant, *assurance, *state).await;
        told.push(customer);
    }
    until(&world, LINKS, 10).await;
    until(&world, FRIENDSHIPS, 9).await;
    let mut activities = Vec::new();
    for (customer, (.., state, start, _, _, _, _)) in told.iter().zip(&cases) {
        activities.push(Uuid::new_v4());
        world.say(&tenant, customer.reserves(activities[activities.len() - 1], 1, state, *start)).await;
    }
    until(&world, RESERVATIONS, 11).await;
    for (activity, (.., planned, expire, template, why)) in activities.iter().zip(&cases) {
        if *why == Why::Unspecified {
            continue;
        }
        say(&world, &tenant, due(Uuid::new_v4(), template, *activity, *planned, *expire)).await;
        let reminder = until_listed(&house, &tenant, *activity, 1).await.remove(0);
        assert_eq!(reminder.reason, *why as i32, "{why:?}");
        assert_eq!((reminder.state, reminder.message_id.as_str()), (wire::ReminderState::NotSent as i32, ""));
    }
    // What stands in the way of everybody: the account is paused, the tenant suspended.
    let (activity, rule) = (activities[10], Uuid::new_v4());
    world.connect_account(&tenant, 2, AccountState::Paused).await;
    until(&world, "SELECT count(*) FROM messaging.account_replica WHERE state = 2", 0).await;
    say(&world, &tenant, due(rule, TEMPLATE, activity, later, hour)).await;
    let reminder = until_listed(&house, &tenant, activity, 1).await.remove(0);
    assert_eq!(reminder.reason, Why::AccountNotConnected as i32);
    world.connect_account(&tenant, 3, AccountState::Connected).await;
    let (tenant_id, time_zone) = (tenant.id.to_string(), "Asia/Tokyo".to_owned());
    let suspended = events::TenantReplica { tenant_id, version: 2, time_zone, suspended: true, ..Default::default() };
    world.say(&tenant, Body::Tenant(suspended)).await;
    until(&world, "SELECT count(*) FROM messaging.tenant_replica WHERE suspended", 1).await;
    say(&world, &tenant, due(Uuid::new_v4(), TEMPLATE, activity, later, hour)).await;
    let reminder = until_listed(&house, &tenant, activity, 2).await.remove(0);
    assert_eq!(reminder.reason, Why::TenantSuspended as i32);
    // Nothing of it is tried again, and nothing was sent.
    say(&world, &tenant, due(rule, TEMPLATE, activity, later, hour)).await;
    until_handled(&world, "reminders", 13).await;
    assert_eq!(listed(&house, &tenant, "").await.len(), 12);
    assert_eq!(world.number("SELECT count(*) FROM messaging.message").await, 0);

    let not_sent =
        wire::ListRemindersRequest { state: wire::ReminderState::NotSent.into(), page_size: 7, ..Default::default() };
    let mut client = house.reminders(&tenant);
    let page = client.list_reminders(not_sent.clone()).await.unwrap().into_inner();
    let rest = wire::ListRemindersRequest { page_token: page.next_page_token, ..not_sent };
    let rest = client.list_reminders(rest).await.unwrap().into_inner();
    assert_eq!((page.reminders.len(), rest.reminders.len(), rest.next_page_token.as_str()), (7, 5, ""));
    let made = wire::ListRemindersRequest { state: wire::ReminderState::Made.into(), ..Default::default() };
    assert!(client.list_reminders(made).await.unwrap().into_inner().reminders.is_empty());
    for wrong in [
        wire::ListRemindersRequest { activity_id: "x".to_owned(), ..Default::default() },
        wire::ListRemindersRequest { state: 9, ..Default::default() },
        wire::ListRemindersRequest { page_size: -1, ..Default::default() },
        wire::ListRemindersRequest { page_token: "x".to_owned(), ..Default::default() },
    ] {
        assert_eq!(client.list_reminders(wrong).await.unwrap_err().code(), Code::InvalidArgument);
    }
    house.close().await;
}

#[tokio::test]
async fn a_reservation_of_a_customer_that_was_absorbed_is_reminded_of_and_none_of_another_tenants() {
    let world = World::new("reminded_merged").await;
    let house = world.open().await;
    let (tenant, theirs) = (world.tenant(&house).await, world.tenant(&house).await);
    let survivor = regular(&world, &tenant, Assurance::NameAndMobile).await;
    let absorbed = Customer::made_up();
    world.say(&tenant, absorbed.record(&survivor.id.to_string())).await;
    let (activity, start) = (Uuid::new_v4(), at(20 * 60));
    world.say(&tenant, absorbed.reserves(activity, 1, "ACTIVE", start)).await;
    until(&world, LINKS, 1).await;
    until(&world, FRIENDSHIPS, 1).await;
    until(&world, RESERVATIONS, 1).await;
    until(&world, "SELECT count(*) FROM messaging.customer_replica WHERE merged_into IS NOT NULL", 1).await;
    say(&world, &theirs, due(Uuid::new_v4(), TEMPLATE, activity, start, at(60))).await;
    say(&world, &tenant, due(Uuid::new_v4(), TEMPLATE, activity, start, at(60))).await;
    let reminder = until_listed(&house, &tenant, activity, 1).await.remove(0);
    house.until(&tenant, &reminder.message_id, MessageState::Accepted).await;
    assert!(
        listed(&house, &theirs, "").await.is_empty() && listed(&house, &theirs, &activity.to_string()).await.is_empty()
    );
    assert_eq!((sent(&world, &tenant).await, sent(&world, &theirs).await), (1, 0));
    house.close().await;
}

#[tokio::test]
async fn a_process_killed_while_it_reminds_reminds_once() {
    let world = World::new("reminded_killed").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let customer = regular(&world, &tenant, Assurance::NameAndMobile).await;
    let start = at(20 * 60);
    let activities: Vec<Uuid> = (0..4).map(|_| Uuid::new_v4()).collect();
    for activity in &activities {
        world.say(&tenant, customer.reserves(*activity, 1, "ACTIVE", start)).await;
    }
    until(&world, LINKS, 1).await;
    until(&world, FRIENDSHIPS, 1).await;
    until(&world, RESERVATIONS, 4).await;
    house.close().await;
    let mut killed = program(&world, testkit::port::free(), "messaging.after_reminders");
    for (number, activity) in activities.iter().enumerate() {
        let template = format!("{TEMPLATE} {number}");
        say(&world, &tenant, due(Uuid::new_v4(), &template, *activity, start, at(60))).await;
    }
    let status = killed.exit(SOON).await.unwrap();
    assert_eq!(status.signal(), Some(9), "{:?}", killed.lines());
    let house = world.open().await;
    for activity in &activities {
        let reminder = until_listed(&house, &tenant, *activity, 1).await.remove(0);
        house.until(&tenant, &reminder.message_id, MessageState::Accepted).await;
    }
    assert_eq!(sent(&world, &tenant).await, 4);
    assert!(world.line.duplicates().is_empty());
    house.close().await;
}

#[tokio::test]
async fn a_reminder_that_waits_is_taken_back_when_its_reservation_is_cancelled_or_moved() {
    let world = World::new("reminders_withdrawn").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let quota = |messages| AccountSettings { quota: Some(Some(messages)), ..Default::default() };
    world.control.change_account(&tenant.card.channel_id, &quota(0)).await.unwrap();
    let customer = regular(&world, &tenant, Assurance::NameAndMobile).await;
    let start = at(20 * 60);
    let [cancelled, moved, stands] = [(); 3].map(|()| Uuid::new_v4());
    for activity in [cancelled, moved, stands] {
        world.say(&tenant, customer.reserves(activity, 1, "ACTIVE", start)).await;
    }
    until(&world, LINKS, 1).await;
    until(&world, FRIENDSHIPS, 1).await;
    until(&world, RESERVATIONS, 3).await;
    let mut waiting = Vec::new();
    for activity in [cancelled, moved, stands] {
        say(&world, &tenant, due(Uuid::new_v4(), TEMPLATE, activity, start, at(60))).await;
        let message = until_listed(&house, &tenant, activity, 1).await.remove(0).message_id;
        // Those behind the first wait for it.
        let state = if waiting.is_empty() { MessageState::WaitingForQuota } else { MessageState::Queued };
        house.until(&tenant, &message, state).await;
        waiting.push(message);
    }
    world.say(&tenant, customer.reserves(cancelled, 2, "CANCELLED", start)).await;
    world.say(&tenant, customer.reserves(moved, 2, "ACTIVE", at(21 * 60))).await;
    world.say(&tenant, customer.reserves(stands, 2, "ACTIVE", start)).await;
    house.until(&tenant, &waiting[0], MessageState::Cancelled).await;
    house.until(&tenant, &waiting[1], MessageState::Cancelled).await;
    until(&world, "SELECT count(*) FROM messaging.activity_replica WHERE version = 2", 3).await;
    house.close().await;

    world.control.change_account(&tenant.card.channel_id, &quota(9)).await.unwrap();
    world.admin("UPDATE messaging.send SET due = now()").await;
    let house = world.open().await;
    house.until(&tenant, &waiting[2], MessageState::Accepted).await;
    assert_eq!(sent(&world, &tenant).await, 1, "the one that stands");
    let shown = listed(&house, &tenant, &cancelled.to_string()).await.remove(0);
    assert_eq!(shown.message_state, wire::MessageState::Cancelled as i32);
    house.close().await;
}
