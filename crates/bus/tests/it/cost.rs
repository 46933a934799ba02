//! What an event costs in bytes of Postgres's log, which no other load on the machine changes.

use bus::ConsumerSpec;

use crate::consuming::drained;
use crate::world::{Recorder, Side, World, spec, tenant};

/// Twice as many are fewer than what counts as piling up.
const EVENTS: u32 = 240;
const PENDING: &str = "SELECT count(*) FROM identity.outbox_pending";

/// Bytes of log written so far.
async fn log(world: &World) -> i64 {
    world.number("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint").await
}

async fn say_all(side: &Side, from: u32) {
    for number in from..from + EVENTS {
        side.say(tenant(u128::from(number % 4)), "a", &["hello"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_costs_few_bytes_of_log_on_each_step_of_its_way() {
    // Nothing else writes, and no page is logged whole because a checkpoint came.
    let quiet = [("autovacuum", "off"), ("checkpoint_timeout", "1h"), ("max_wal_size", "4GB")];
    let postgres = testkit::postgres::Private::start_with(&quiet).await.unwrap();
    let database = postgres.cluster().unwrap().fresh_database("cost").await.unwrap();
    let world = World::made_on(database, testkit::nats::url()).await;
    let side = world.side().await;
    side.host.readiness().ready().await;
    say_all(&side, 0).await;

    let begun = log(&world).await;
    say_all(&side, EVENTS).await;
    let appended = log(&world).await;
    side.relay();
    world.until(PENDING, 0).await;
    let relayed = log(&world).await;
    let batches =
        ConsumerSpec { concurrency: 1, batch: 32, order_by: |event| bus::consumer::key(&event.header.id), ..spec() };
    side.consume(batches, Recorder::default());
    world.until_effects(i64::from(2 * EVENTS)).await;
    drained(&world, &side).await;
    let consumed = log(&world).await;

    let each = |bytes: i64, events: u32| bytes / i64::from(events);
    let append = each(appended - begun, EVENTS);
    let relay = each(relayed - appended, 2 * EVENTS);
    let consume = each(consumed - relayed, 2 * EVENTS);
    println!("bytes of log for one event: append {append}, relay {relay}, consume {consume}");
    assert!(append <= 560, "append: {append}");
    assert!(relay <= 110, "relay: {relay}");
    // The handler's own row of about 300 bytes is among them.
    assert!(consume <= 650, "consume: {consume}");
    side.stop().await;
}
