//! scheduler's part, played: what it hears of messages that wait for their time, and what it says when that has come.

use bus::subject::Family;
use chrono::TimeDelta;
use contracts::events::v1 as events;
use contracts::events::v1::messaging_event;
use contracts::events::v1::scheduler_event::Body;
use kernel::{Clock as _, SystemClock};
use prost::Message as _;
use sqlx::{Connection as _, PgConnection};
use testkit::eventually;

use crate::world::{SOON, Tenant, World};

/// A moment so many seconds from now; negative: in the past.
pub(crate) fn from_now(seconds: i64) -> prost_types::Timestamp {
    contracts::timestamp(SystemClock.now() + TimeDelta::seconds(seconds))
}

/// Says that the moment of these versions of messages has come.
pub(crate) async fn due(world: &World, tenant: &Tenant, messages: &[(&str, i64)]) {
    let due = |(message, generation): &(&str, i64)| events::DueMessage {
        message_id: (*message).to_owned(),
        generation: *generation,
        due_time: Some(from_now(0)),
    };
    say(world, tenant, Body::MessagesDue(events::MessagesDue { messages: messages.iter().map(due).collect() })).await;
}

/// Says something as scheduler would.
pub(crate) async fn say(world: &World, tenant: &Tenant, body: Body) {
    world.publish(tenant, Family::Scheduler, &events::SchedulerEvent { body: Some(body) }).await;
}

/// What scheduler was told of messages that wait, in the order it was told: message, generation, and whether it waits still.
pub(crate) async fn told(world: &World) -> Vec<(String, i64, Option<prost_types::Timestamp>)> {
    let mut admin = PgConnection::connect(&world.database.admin_url()).await.unwrap();
    let payloads: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT payload FROM messaging.outbox WHERE happened = 'scheduled_message' ORDER BY sequence",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    let read = |payload: Vec<u8>| match events::MessagingEvent::decode(payload.as_slice()).unwrap().body {
        Some(messaging_event::Body::ScheduledMessage(told)) => (told.message_id, told.generation, told.send_time),
        other => panic!("{other:?}"),
    };
    payloads.into_iter().map(read).collect()
}

/// How many events `consumer` has handled.
pub(crate) async fn handled(world: &World, consumer: &str) -> i64 {
    // As the inbox numbers consumers.
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let number = consumer.bytes().fold(0x811c_9dc5, step).cast_signed();
    let mut admin = PgConnection::connect(&world.database.admin_url()).await.unwrap();
    let handled = sqlx::query_scalar("SELECT count(*) FROM messaging.inbox WHERE consumer = $1").bind(number);
    handled.fetch_one(&mut admin).await.unwrap()
}

/// Waits until `consumer` has handled so many events.
pub(crate) async fn until_handled(world: &World, consumer: &str, count: i64) {
    eventually(SOON, || async {
        let handled = handled(world, consumer).await;
        if handled >= count { Ok(()) } else { Err(handled) }
    })
    .await
    .unwrap();
}
