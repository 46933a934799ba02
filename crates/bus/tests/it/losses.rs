//! Losing NATS, what it keeps, and Postgres.

use std::time::Duration;

use testkit::eventually;
use testkit::nats::Private;

use crate::consuming::{drained, outbound, publish, publish_again};
use crate::world::{EFFECT_COUNT, Recorder, SOON, Side, World, lying_in, spec, tenant};

const PENDING: &str = "SELECT count(*) FROM identity.outbox_pending";

#[tokio::test(flavor = "multi_thread")]
async fn services_start_without_nats_and_say_what_they_had_to_say_when_it_comes() {
    let mut nats = Private::start().await.unwrap();
    nats.kill9().await.unwrap();
    let world = World::on("without_nats", nats.url()).await;
    let side = world.side().await;
    side.relay();
    side.consume(spec(), Recorder::default());
    side.say(tenant(1), "a", &["patience"]).await;
    assert!(side.host.readiness().closed().contains(&"nats".to_owned()));
    nats.start_again().await.unwrap();
    side.host.readiness().ready().await;
    world.until_effects(1).await;
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_killed_under_load_and_started_again_loses_and_doubles_nothing() {
    let mut nats = Private::start().await.unwrap();
    let world = World::on("nats_killed", nats.url()).await;
    let side = world.side().await;
    side.relay();
    side.consume(spec(), Recorder::default());
    let mut expected = 0;
    for _ in 0..3 {
        for number in 0..100 {
            side.say(tenant(number % 5), "a", &["one", "two"]).await;
            expected += 2;
            if number == 50 {
                nats.kill9().await.unwrap();
            }
        }
        nats.start_again().await.unwrap();
    }
    world.until(PENDING, 0).await;
    world.until_effects(expected).await;
    drained(&world, &side).await;
    assert_eq!(world.number(EFFECT_COUNT).await, expected);
    side.stop().await;
}

async fn say_some(side: &Side) {
    for number in 0..20 {
        side.say(tenant(number % 3), "a", &["one", "two", "three"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stream_deleted_while_consumers_are_stopped_loses_nothing() {
    let world = World::new("deleted_stopped").await;
    let relaying = world.side().await;
    relaying.relay();
    let consuming = world.side().await;
    consuming.consume(spec(), Recorder::default());
    say_some(&relaying).await;
    world.until_effects(60).await;
    consuming.stop().await;
    say_some(&relaying).await;
    world.until(PENDING, 0).await;

    world.delete_every_stream().await;
    let consuming = world.side().await;
    consuming.consume(spec(), Recorder::default());
    world.until_effects(120).await;
    all_lie_in_the_stream_again(&world, 120).await;
    drained(&world, &consuming).await;
    assert_eq!(world.number(EFFECT_COUNT).await, 120, "the first sixty were not handled again");
    consuming.stop().await;
    relaying.stop().await;
}

async fn all_lie_in_the_stream_again(world: &World, count: usize) {
    eventually(SOON, || async {
        let ids: std::collections::BTreeSet<String> =
            lying_in(world, "IDENTITY").await.into_iter().map(|(_, id)| id).collect();
        if ids.len() == count { Ok(()) } else { Err(ids.len()) }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stream_deleted_while_everything_runs_comes_back_filled() {
    let world = World::new("deleted_running").await;
    let side = world.side().await;
    side.relay();
    side.consume(spec(), Recorder::default());
    say_some(&side).await;
    world.until_effects(60).await;
    for round in 2..4 {
        world.delete_every_stream().await;
        say_some(&side).await;
        world.until_effects(60 * round).await;
        all_lie_in_the_stream_again(&world, usize::try_from(60 * round).unwrap()).await;
    }
    drained(&world, &side).await;
    assert_eq!(world.number(EFFECT_COUNT).await, 180);
    assert_eq!(world.number("SELECT count(*) FROM identity.outbox_published WHERE epoch < 3").await, 0);
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_shorter_than_remembered_is_filled_again() {
    let world = World::new("shorter").await;
    let side = world.side().await;
    side.relay();
    say_some(&side).await;
    world.until(PENDING, 0).await;
    sqlx::query("UPDATE identity.stream_state SET last_sequence = last_sequence + 1000")
        .execute(&mut world.admin().await)
        .await
        .unwrap();
    world.until("SELECT epoch FROM identity.stream_state", 2).await;
    world.until("SELECT count(*) FROM identity.outbox_published WHERE epoch < 2", 0).await;
    world.until(PENDING, 0).await;
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_acknowledged_and_forgot_when_it_died_is_published_again() {
    let mut nats = Private::start().await.unwrap();
    let world = World::on("forgotten", nats.url()).await;
    let side = world.side().await;
    side.relay();
    say_some(&side).await;
    world.until(PENDING, 0).await;
    nats.stop().await.unwrap();
    nats.keep_store().unwrap();
    nats.start_again().await.unwrap();
    say_some(&side).await;
    world.until(PENDING, 0).await;
    nats.kill9().await.unwrap();
    nats.forget_since_kept().unwrap();
    // Its last number betrays nothing when others have published since; and it may have been away for hours.
    for long_ago in [
        "UPDATE identity.stream_state SET last_sequence = 1, seen_at = now() - interval '3 hours'",
        "UPDATE identity.outbox_published SET published_at = now() - interval '3 hours',
             last_published_at = now() - interval '3 hours'",
    ] {
        sqlx::query(long_ago).execute(&mut world.admin().await).await.unwrap();
    }
    nats.start_again().await.unwrap();
    side.consume(spec(), Recorder::default());
    world.until_effects(120).await;
    drained(&world, &side).await;
    assert_eq!(world.number(EFFECT_COUNT).await, 120, "what it had not forgotten was not handled again");
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_starts_anew_takes_the_server_for_the_one_it_was() {
    let world = World::new("same_server").await;
    for round in 1..=3 {
        let side = world.side().await;
        side.relay();
        say_some(&side).await;
        world.until(PENDING, 0).await;
        assert_eq!(world.number("SELECT epoch FROM identity.stream_state").await, 1, "in round {round}");
        side.stop().await;
    }
    assert_eq!(lying_in(&world, "IDENTITY").await.len(), 180, "nothing was published twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_further_than_the_stream_its_server_remembers_misses_nothing_new() {
    let mut nats = Private::start().await.unwrap();
    let world = World::on("further", nats.url()).await;
    let side = world.side().await;
    side.relay();
    side.consume(spec(), Recorder::default());
    say_some(&side).await;
    world.until_effects(60).await;
    nats.stop().await.unwrap();
    nats.keep_store().unwrap();
    nats.start_again().await.unwrap();
    say_some(&side).await;
    world.until_effects(120).await;
    drained(&world, &side).await;
    nats.kill9().await.unwrap();
    nats.forget_since_kept().unwrap();
    nats.start_again().await.unwrap();
    say_some(&side).await;
    world.until_effects(180).await;
    drained(&world, &side).await;
    assert_eq!(world.number(EFFECT_COUNT).await, 180);
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_cut_out_of_its_stream_in_every_copy_and_no_other() {
    let world = World::new("erase").await;
    let side = world.side().await;
    let (ours, other) = (outbound(tenant(1), "secret", "a", "b"), outbound(tenant(1), "other", "a", "b"));
    publish(&side, &ours).await;
    publish(&side, &other).await;
    publish_again(&world, &ours).await;
    publish(&side, &outbound(tenant(2), "theirs", "a", "b")).await;
    let since = kernel::Timestamp::UNIX_EPOCH;
    for id in ["secret", "theirs"] {
        // A server that is slow to answer is asked again.
        eventually(SOON, || async {
            let erased = side
                .bus
                .erase(&ours.subject, &[id.to_owned()].into(), since, None)
                .await
                .map_err(|error| error.to_string())?;
            if erased == 0 { Ok(()) } else { Err(format!("{erased} copies")) }
        })
        .await
        .unwrap();
    }
    let left: Vec<String> = lying_in(&world, "IDENTITY").await.into_iter().map(|(_, id)| id).collect();
    assert_eq!(left, ["other", "theirs"]);
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_killed_and_started_again_is_waited_for_by_relay_and_consumers() {
    let mut postgres = testkit::postgres::Private::start().await.unwrap();
    let database = postgres.cluster().unwrap().fresh_database("postgres_killed").await.unwrap();
    let world = World::made_on(database, testkit::nats::url()).await;
    let side = world.side().await;
    side.relay();
    side.consume(spec(), Recorder::default());
    say_some(&side).await;
    world.until_effects(60).await;
    say_some(&side).await;
    postgres.kill9().await.unwrap();
    postgres.start_again().await.unwrap();
    world.until(PENDING, 0).await;
    world.until_effects(120).await;
    tokio::time::timeout(Duration::from_secs(10), drained(&world, &side)).await.unwrap();
    assert_eq!(world.number("SELECT count(*) FROM messaging.parked_message WHERE state = 'waiting'").await, 0);
    side.stop().await;
    drop(world);
}
