//! The outbox and its relay.

use std::time::{Duration, Instant};

use bus::outbox::{self, OutboxError, Outgoing};
use kernel::{EventId, Timestamp};
use testkit::eventually;
use uuid::Uuid;

use crate::child::Child;
use crate::world::{Recorder, SOON, World, append, event, lying_in, spec, tenant};

const PENDING: &str = "SELECT count(*) FROM identity.outbox_pending";

#[tokio::test(flavor = "multi_thread")]
async fn an_event_arrives_within_moments_of_its_commit_and_never_without_one() {
    let world = World::new("moments").await;
    let side = world.side().await;
    side.relay();
    side.consume(spec(), Recorder::default());
    side.say(tenant(1), "a", &["first"]).await;
    world.until_effects(1).await;

    let mut tx = side.identity.tenant(tenant(1)).await.unwrap();
    append(&mut tx, "a", "taken back").await;
    tx.rollback().await.unwrap();

    // A relay that only looks every second would take half a minute for these.
    let begun = Instant::now();
    for count in 0..30 {
        side.say(tenant(1), "a", &["quick"]).await;
        world.until_effects(2 + count).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(12), "30 events took {:?}", begun.elapsed());
    assert!(!world.effects().await.iter().any(|(_, word)| word == "taken back"));
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_an_aggregate_arrive_in_the_order_they_were_appended() {
    let world = World::new("order").await;
    let (first, second) = (world.side().await, world.side().await);
    first.relay();
    second.relay();
    let words: Vec<String> = (0..60).map(|number| number.to_string()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let aggregates = ["a", "b", "c", "d"];
    let saying = aggregates.map(|about| {
        let (side, words) = (if about < "c" { &first } else { &second }, &words);
        async move {
            for word in words {
                side.say(tenant(1), about, &[word]).await;
            }
        }
    });
    futures::future::join_all(saying).await;
    world.until(PENDING, 0).await;

    let sequence: Vec<(uuid::Uuid, i64)> =
        sqlx::query_as("SELECT event_id, order_key FROM identity.outbox ORDER BY sequence")
            .fetch_all(&mut world.admin().await)
            .await
            .unwrap();
    let lying = lying_in(&world, "IDENTITY").await;
    for order_key in sequence.iter().map(|(_, order_key)| order_key).collect::<std::collections::BTreeSet<_>>() {
        let appended: Vec<String> =
            sequence.iter().filter(|(_, of)| of == order_key).map(|(id, _)| id.to_string()).collect();
        let mut published: Vec<&String> = Vec::new();
        for (_, id) in &lying {
            if appended.contains(id) && !published.contains(&id) {
                published.push(id);
            }
        }
        assert_eq!(published, appended.iter().collect::<Vec<_>>());
    }
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_becomes_visible_after_later_ones_were_published_is_published() {
    let world = World::new("late").await;
    let side = world.side().await;
    side.relay();
    side.consume(spec(), Recorder::default());
    let mut slow = side.identity.tenant(tenant(1)).await.unwrap();
    append(&mut slow, "slow", "early number").await;
    side.say(tenant(1), "quick", &["late number"]).await;
    world.until_effects(1).await;
    slow.commit().await.unwrap();
    world.until_effects(2).await;
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_replica_relays_within_two_seconds_of_a_holders_death() {
    let world = World::new("lease").await;
    let mut holder = Child::start(&world, "relay", "");
    holder.ready().await;
    let side = world.side().await;
    side.say(tenant(1), "a", &["from the holder"]).await;
    world.until(PENDING, 0).await;
    side.relay();

    holder.kill().await;
    let begun = Instant::now();
    side.say(tenant(1), "a", &["from the other"]).await;
    world.until(PENDING, 0).await;
    assert!(begun.elapsed() < Duration::from_millis(2500), "{:?}", begun.elapsed());
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_killed_between_publishing_and_noting_it_publishes_again_and_the_event_is_handled_once() {
    let world = World::new("killed_relay").await;
    let side = world.side().await;
    side.say(tenant(1), "a", &["one", "two", "three"]).await;
    side.consume(spec(), Recorder::default());
    let mut relay = Child::start(&world, "relay", "bus.relay.after_publish=kill@2");
    relay.died_by_itself().await;
    assert_eq!(world.number(PENDING).await, 3, "nothing was noted");

    side.relay();
    world.until(PENDING, 0).await;
    world.until_effects(3).await;
    side.stop().await;
    assert_eq!(world.effects().await.len(), 3);
}

/// The last of all tenants.
const LATECOMER: &str =
    "SELECT count(*) FROM identity.outbox_pending WHERE tenant_id = 'ffffffff-ffff-ffff-ffff-ffffffffffff'";

#[tokio::test(flavor = "multi_thread")]
async fn tenants_with_backlogs_delay_another_by_a_few_batches_and_not_by_their_backlogs() {
    // One has very much, and there are more of them than one batch serves.
    const LARGE: i64 = 15_000;
    const SMALL: i64 = 200;
    const BACKLOG: i64 = LARGE + 69 * SMALL;
    let world = World::new("fair_relay").await;
    let side = world.side().await;
    let mut admin = world.admin().await;
    for number in 1..=70 {
        sqlx::query(
            "WITH added AS (
                INSERT INTO identity.outbox (tenant_id, event_id, order_key, time, happened, payload)
                SELECT $1, gen_random_uuid(), n, now(), 'customer', '' FROM generate_series(1, $2) n
                RETURNING tenant_id, sequence)
             INSERT INTO identity.outbox_pending SELECT tenant_id, sequence FROM added",
        )
        .bind(tenant(number).uuid())
        .bind(if number == 1 { LARGE } else { SMALL })
        .execute(&mut admin)
        .await
        .unwrap();
    }
    side.relay();
    eventually(SOON, || async { (world.number(PENDING).await < BACKLOG).then_some(()) }).await.unwrap();

    let left = world.number(PENDING).await;
    side.say(tenant(u128::MAX), "a", &["hello"]).await;
    world.until(LATECOMER, 0).await;
    let left_then = world.number(PENDING).await;
    assert!(left > BACKLOG / 3, "the machine was too quick for this test: {left}");
    assert!(left - left_then < 6_000, "the latecomer waited for {} rows", left - left_then);
    world.until(PENDING, 0).await;
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_go_seven_days_after_their_publication_and_not_before() {
    let world = World::new("retention").await;
    let side = world.side().await;
    side.relay();
    side.say(tenant(1), "a", &["old"]).await;
    world.until(PENDING, 0).await;
    sqlx::query("UPDATE identity.outbox_published SET published_at = now() - interval '7 days 1 minute'")
        .execute(&mut world.admin().await)
        .await
        .unwrap();
    side.say(tenant(1), "a", &["new"]).await;
    world.until("SELECT count(*) FROM identity.outbox", 1).await;
    assert_eq!(world.number("SELECT count(*) FROM identity.outbox_published").await, 1);
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outbox_of_a_service_takes_its_own_events_of_a_bounded_size_only() {
    let world = World::new("own_events").await;
    let side = world.side().await;
    let mut tx = side.messaging.tenant(tenant(1)).await.unwrap();
    let (id, body) = (kernel::EventId::from(uuid::Uuid::new_v4()), crate::world::event("a", "b"));
    let outgoing =
        bus::outbox::Outgoing { id, aggregate: "a", time: kernel::Timestamp::UNIX_EPOCH, body: &body, trace: None };
    let refused = bus::outbox::append(&mut tx, outgoing).await.unwrap_err();
    assert!(matches!(refused, bus::outbox::OutboxError::NotOurs { schema: "messaging", .. }), "{refused}");
    let mut tx = side.identity.tenant(tenant(1)).await.unwrap();
    let body = crate::world::event("a", &"x".repeat(600 * 1024));
    let outgoing =
        bus::outbox::Outgoing { id, aggregate: "a", time: kernel::Timestamp::UNIX_EPOCH, body: &body, trace: None };
    let refused = bus::outbox::append(&mut tx, outgoing).await.unwrap_err();
    assert!(matches!(refused, bus::outbox::OutboxError::TooLarge(_)), "{refused}");
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_says_something_to_several_tenants_in_one_transaction() {
    let world = World::new("tenants").await;
    let side = world.side().await;
    side.relay();
    side.consume(spec(), Recorder::default());
    let bodies = [1, 2, 3].map(|number| (tenant(number), event("timers", &format!("to {number}"))));
    let outgoing = || {
        bodies.iter().map(|(tenant, body)| {
            let (id, time) = (EventId::from(Uuid::new_v4()), Timestamp::UNIX_EPOCH);
            (*tenant, Outgoing { id, aggregate: "timers", time, body, trace: None })
        })
    };
    for commits in [false, true] {
        let mut tx = side.identity.worker().begin().await.unwrap();
        outbox::append_over_tenants(&mut tx, "identity", outgoing()).await.unwrap();
        let ended = if commits { tx.commit().await } else { tx.rollback().await };
        ended.unwrap();
        outbox::wake_relay("identity");
    }
    world.until_effects(3).await;
    world.until(PENDING, 0).await;
    let mut words: Vec<String> = world.effects().await.into_iter().map(|(_, word)| word).collect();
    words.sort();
    assert_eq!(words, ["to 1", "to 2", "to 3"]);
    let mut tx = side.identity.worker().begin().await.unwrap();
    let refused = outbox::append_over_tenants(&mut tx, "messaging", outgoing()).await;
    assert!(matches!(refused, Err(OutboxError::NotOurs { .. })));
    side.stop().await;
}
