//! Messages that go at a chosen time (F-31), as messaging tells of them.

use contracts::events::v1::ScheduledMessageReplica;
use contracts::events::v1::scheduler_event::Body as Said;
use contracts::timestamp;
use kernel::Timestamp;
use testkit::eventually;
use uuid::Uuid;

use crate::house::in_millis;
use crate::world::{SOON, Tenant, World};

fn schedule(message: Uuid, generation: i64, send_time: Option<Timestamp>) -> ScheduledMessageReplica {
    ScheduledMessageReplica { message_id: message.to_string(), generation, send_time: send_time.map(timestamp) }
}

/// The messages that were said to be due, with their generations.
async fn due(world: &World, tenant: &Tenant) -> Vec<(String, i64)> {
    let messages = world.said(tenant).await.into_iter().flat_map(|said| match said {
        Said::MessagesDue(due) => due.messages,
        _ => Vec::new(),
    });
    messages.map(|message| (message.message_id, message.generation)).collect()
}

#[tokio::test]
async fn a_message_is_due_at_its_last_chosen_time_and_not_once_it_is_cancelled() {
    let world = World::new("messages").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let [moved, cancelled, past] = [1, 2, 3].map(|_| Uuid::new_v4());
    let far = in_millis(90_000_000);
    for told in [
        schedule(moved, 1, Some(far)),
        schedule(moved, 2, Some(in_millis(300))),
        schedule(cancelled, 1, Some(in_millis(60_000))),
        schedule(cancelled, 2, None),
        schedule(past, 7, Some(in_millis(-90_000_000))),
    ] {
        world.schedule(&tenant, told).await;
    }
    let heard = eventually(SOON, || async {
        let mut due = due(&world, &tenant).await;
        due.sort();
        if due.len() == 2 { Ok(due) } else { Err(due.len()) }
    });
    let mut expected = vec![(moved.to_string(), 2), (past.to_string(), 7)];
    expected.sort();
    assert_eq!(heard.await.unwrap(), expected);
    world.until("SELECT count(*) FROM scheduler.message_schedule", 3).await;
    world.until("SELECT count(*) FROM scheduler.timer", 0).await;
    house.close().await;
}

/// any order and any repetition ends as the highest generation has it.
#[tokio::test]
async fn schedules_told_in_any_order_and_twice_end_as_the_last_one_has_it() {
    let world = World::new("shuffles").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let far = |generation: i64| in_millis(90_000_000 + generation * 1_000);
    let mut wanted = Vec::new();
    let mut all = Vec::new();
    for number in 0..40 {
        let message = Uuid::new_v4();
        let last = 2 + number % 4;
        // Every second message is cancelled at last, and some in between.
        let of = |generation: i64| {
            let goes = if generation == last { number % 2 == 0 } else { (generation + number) % 3 > 0 };
            schedule(message, generation, goes.then(|| far(generation)))
        };
        let told: Vec<ScheduledMessageReplica> = (1..=last).map(of).collect();
        if told.last().is_some_and(|last| last.send_time.is_some()) {
            wanted.push((message.to_string(), last));
        }
        all.extend(told.iter().cloned());
        all.extend(told);
    }
    // A shuffle that is the same every time: by the hash of each place.
    let mut places: Vec<usize> = (0..all.len()).collect();
    places.sort_by_key(|place| Uuid::new_v5(&Uuid::NAMESPACE_OID, &place.to_be_bytes()));
    for place in places {
        world.schedule(&tenant, all[place].clone()).await;
    }
    wanted.sort();
    world.until(HANDLED, i64::try_from(all.len()).unwrap()).await;
    assert_eq!(standing(&world).await, wanted);
    // It stays so when all are told once more.
    for told in &all {
        world.schedule(&tenant, told.clone()).await;
    }
    let marker = Uuid::new_v4();
    world.schedule(&tenant, schedule(marker, 1, Some(in_millis(0)))).await;
    world.until(HANDLED, i64::try_from(2 * all.len()).unwrap() + 1).await;
    eventually(SOON, || async {
        let due = due(&world, &tenant).await;
        if due == [(marker.to_string(), 1)] { Ok(()) } else { Err(due.len()) }
    })
    .await
    .unwrap();
    assert_eq!(standing(&world).await, wanted);
    house.close().await;
}

/// The events that the busiest consumer has handled: the one of schedules.
const HANDLED: &str = "SELECT coalesce(max(events), 0)::int8
    FROM (SELECT count(*) AS events FROM scheduler.inbox GROUP BY consumer) consumers";

/// The messages' timers and their generations.
async fn standing(world: &World) -> Vec<(String, i64)> {
    let timers = sqlx::query_as("SELECT key, generation FROM scheduler.timer WHERE owner = 'message' ORDER BY key");
    timers.fetch_all(&mut world.admin().await).await.unwrap()
}

#[tokio::test]
async fn a_schedule_that_names_no_message_becomes_a_dead_letter_and_blocks_nobody() {
    let world = World::new("nonsense").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    world.schedule(&tenant, ScheduledMessageReplica { message_id: "x".to_owned(), ..Default::default() }).await;
    let message = Uuid::new_v4();
    world.schedule(&tenant, schedule(message, 1, Some(in_millis(0)))).await;
    eventually(SOON, || async {
        let due = due(&world, &tenant).await;
        if due == [(message.to_string(), 1)] { Ok(()) } else { Err(due.len()) }
    })
    .await
    .unwrap();
    let given_up = "SELECT count(*) FROM scheduler.parked_message WHERE reason = 'no message ID'";
    world.until(given_up, 1).await;
    house.close().await;
}
