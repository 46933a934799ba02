//! Tenants share consumers fairly, and never each other's data.

use bus::ConsumerSpec;
use bus::publish::Publisher;
use futures::StreamExt;

use crate::consuming::{drained, outbound, publish};
use crate::world::{EFFECT_COUNT, Recorder, World, spec, tenant};

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_whose_events_pile_up_is_put_aside_and_another_is_heard_at_once() {
    const BACKLOG: u32 = 12_000;
    let world = World::new("fair").await;
    let side = world.side().await;
    side.host.readiness().ready().await;
    let publisher = Publisher::new(&side.bus, 256);
    futures::stream::iter(0..BACKLOG)
        .for_each_concurrent(256, async |number| {
            let event = outbound(tenant(1), &format!("event-{number}"), &number.to_string(), "word");
            publisher.publish(&event).await.unwrap().await.unwrap();
        })
        .await;
    publish(&side, &outbound(tenant(2), "other", "a", "hello")).await;
    side.consume(ConsumerSpec { concurrency: 2, batch: 16, ..spec() }, Recorder::default());
    world
        .until("SELECT count(*) FROM messaging.effect WHERE tenant_id <> '00000000-0000-0000-0000-000000000001'", 1)
        .await;
    let before = world.number(EFFECT_COUNT).await;
    assert!(before < i64::from(BACKLOG) / 2, "{before} of the backlog were handled before the other tenant's event");
    world.until_effects(i64::from(BACKLOG) + 1).await;
    world.until("SELECT count(*) FROM messaging.parked_message", 0).await;
    drained(&world, &side).await;
    assert_eq!(world.number(EFFECT_COUNT).await, i64::from(BACKLOG) + 1);
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_backlog_is_worked_off_without_reading_it_over_and_over() {
    const BACKLOG: i64 = 60_000;
    const READ: &str = "SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables
        WHERE schemaname = 'messaging' AND relname = 'parked_message'";
    let world = World::new("large").await;
    let side = world.side().await;
    for owner in [1, 2] {
        publish(&side, &outbound(tenant(owner), &format!("first-{owner}"), "a", "away")).await;
    }
    let recorder = Recorder::default();
    side.consume(spec(), recorder.clone());
    world.until("SELECT count(*) FROM messaging.parked_message", 2).await;
    side.stop().await;

    let mut admin = world.admin().await;
    let many = "INSERT INTO messaging.parked_message (tenant_id, message_id, consumer, state, due_at, order_key, event_key,
            event_id, subject, headers, payload)
        SELECT tenant_id, gen_random_uuid(), consumer, state, now(), n, gen_random_uuid(), event_id, subject, headers, payload
        FROM messaging.parked_message CROSS JOIN generate_series(1, $1) n
        WHERE tenant_id = '00000000-0000-0000-0000-000000000001'";
    sqlx::query(many).bind(BACKLOG).execute(&mut admin).await.unwrap();
    sqlx::query("ANALYZE messaging.parked_message").execute(&mut admin).await.unwrap();
    let before = world.number(READ).await;
    recorder.cure("away");
    let side = world.side().await;
    side.consume(ConsumerSpec { batch: 32, ..spec() }, recorder);
    let others = "SELECT count(*) FROM messaging.effect WHERE tenant_id <> '00000000-0000-0000-0000-000000000001'";
    world.until(others, 1).await;
    let early = world.number(EFFECT_COUNT).await;
    assert!(early < BACKLOG / 10, "{early} of the backlog were handled before the other tenant's");
    let enough = "SELECT (count(*) >= 5000)::int::bigint FROM messaging.effect";
    world.until(enough, 1).await;
    // What a connection has read is told when it ends.
    side.stop().await;
    let handled = world.number(EFFECT_COUNT).await;
    world
        .until(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename LIKE 'messaging%'",
            0,
        )
        .await;
    let read = world.number(READ).await - before;
    // The figures count the whole backlog, once in ten seconds.
    assert!(read < 2 * BACKLOG + 20 * handled, "{read} rows were read for {handled} that were handled");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_effect_lies_with_the_tenant_whose_event_it_was() {
    let world = World::new("tenants").await;
    let side = world.side().await;
    side.relay();
    side.consume(ConsumerSpec { batch: 16, concurrency: 4, ..spec() }, Recorder::default());
    for round in 0..30u128 {
        let owner = tenant(round % 7 + 1);
        side.say(owner, &owner.to_string(), &["one", "two"]).await;
    }
    world.until_effects(60).await;
    assert_eq!(world.number("SELECT count(*) FROM messaging.effect WHERE about <> tenant_id::text").await, 0);
    assert_eq!(
        world
            .number(
                "SELECT count(*) FROM identity.outbox o JOIN messaging.effect e ON e.event_id = o.event_id::text
                 WHERE o.tenant_id = e.tenant_id"
            )
            .await,
        60
    );
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_the_platform_travel_without_a_tenant() {
    let world = World::new("platform").await;
    let side = world.side().await;
    side.relay();
    side.consume(spec(), Recorder::default());
    let mut tx = side.identity.platform().await.unwrap();
    crate::world::append(&mut tx, "a", "platform").await;
    tx.commit().await.unwrap();
    world.until_effects(1).await;
    let lying = crate::world::lying_in(&world, "IDENTITY").await;
    assert_eq!(lying[0].0, format!("{}.identity.v1.platform.customer", world.prefix));
    assert_eq!(
        world
            .number("SELECT count(*) FROM messaging.effect WHERE tenant_id = '00000000-0000-0000-0000-000000000000'")
            .await,
        1
    );
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_role_cannot_read_what_events_and_messages_say() {
    let world = World::new("worker").await;
    let side = world.side().await;
    side.say(tenant(1), "a", &["secret"]).await;
    for statement in [
        "SELECT payload FROM identity.outbox",
        "SELECT payload FROM identity.parked_message",
        "SELECT subject FROM identity.parked_message",
    ] {
        let refused = sqlx::query(statement).fetch_all(side.identity.worker()).await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().as_deref(), Some("42501"), "{statement}");
    }
    let mut other = side.identity.tenant(tenant(2)).await.unwrap();
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM identity.outbox").fetch_one(&mut *other).await.unwrap();
    assert_eq!(seen, 0);
    other.rollback().await.unwrap();
    side.stop().await;
}
