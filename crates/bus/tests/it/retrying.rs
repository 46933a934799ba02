//! Messages that are not handled when they come.

use std::time::Duration;

use bus::ConsumerSpec;
use testkit::eventually;

use crate::child::Child;
use crate::consuming::{drained, outbound, publish};
use crate::world::{Recorder, SOON, World, spec, tenant};

const WAITING: &str = "SELECT count(*) FROM messaging.parked_message WHERE state = 'waiting'";
/// Renewals of claims that wait for a lock.
const RENEWALS_THAT_WAIT: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND wait_event_type = 'Lock' AND query LIKE '%parked_message p SET due_at = now()%'";
const PARKED: &str = "SELECT count(*) FROM messaging.parked_message";

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_keeps_failing_holds_nobody_up_and_becomes_a_dead_letter_after_its_attempts() {
    let world = World::new("failing").await;
    let side = world.side().await;
    for (id, word) in [("1", "fail"), ("2", "behind"), ("3", "panic"), ("4", "never"), ("5", "far behind")] {
        publish(&side, &outbound(tenant(1), id, "a", word)).await;
    }
    let recorder = Recorder::default();
    side.consume(ConsumerSpec { concurrency: 1, ..spec() }, recorder.clone());
    world.until_effects(2).await;
    world.until(WAITING, 3).await;
    assert_eq!(recorder.tries("fail"), [1, 2, 3]);
    assert_eq!(recorder.tries("panic"), [1, 2, 3]);
    assert_eq!(recorder.tries("never"), [1]);
    let dead: Vec<(String, String, i32)> =
        sqlx::query_as("SELECT event_id, reason, attempts FROM messaging.parked_message ORDER BY event_id")
            .fetch_all(&mut world.admin().await)
            .await
            .unwrap();
    let told: Vec<(&str, &str, i32)> =
        dead.iter().map(|(id, why, times)| (id.as_str(), why.as_str(), *times)).collect();
    assert_eq!(told, [("1", "the word is bad", 3), ("3", "the handler panicked", 3), ("4", "nobody says that", 1)]);
    drained(&world, &side).await;
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_alone_do_not_make_a_dead_letter_before_the_age() {
    let world = World::new("age").await;
    let side = world.side().await;
    publish(&side, &outbound(tenant(1), "1", "a", "fail")).await;
    let recorder = Recorder::default();
    let patience = bus::Patience { age: Duration::from_hours(1), ..spec().patience };
    side.consume(ConsumerSpec { patience, ..spec() }, recorder.clone());
    eventually(SOON, || std::future::ready((recorder.tries("fail").len() >= 8).then_some(()))).await.unwrap();
    assert_eq!(world.number(WAITING).await, 0);
    recorder.cure("fail");
    world.until_effects(1).await;
    world.until(PARKED, 0).await;
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_something_that_is_away_is_not_counted() {
    let world = World::new("away").await;
    let side = world.side().await;
    publish(&side, &outbound(tenant(1), "1", "a", "away")).await;
    publish(&side, &outbound(tenant(1), "2", "a", "behind")).await;
    let recorder = Recorder::default();
    side.consume(ConsumerSpec { concurrency: 1, ..spec() }, recorder.clone());
    world.until_effects(1).await;
    eventually(SOON, || std::future::ready((recorder.tries("away").len() >= 7).then_some(()))).await.unwrap();
    assert_eq!(world.number(WAITING).await, 0);
    assert!(recorder.tries("away").iter().all(|attempt| *attempt == 1), "{:?}", recorder.tries("away"));
    recorder.cure("away");
    world.until_effects(2).await;
    world.until(PARKED, 0).await;
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_locks_messages_in_the_order_in_which_they_are_opened() {
    let world = World::new("renewal").await;
    let side = world.side().await;
    for number in 0..16 {
        publish(&side, &outbound(tenant(1), &number.to_string(), "a", "away")).await;
    }
    let recorder = Recorder::default();
    side.consume(ConsumerSpec { concurrency: 1, batch: 1, ..spec() }, recorder.clone());
    world.until(PARKED, 16).await;
    side.stop().await;
    let mut admin = world.admin().await;
    let all = "SELECT sequence FROM messaging.parked_message ORDER BY sequence";
    let all: Vec<i64> = sqlx::query_scalar(all).fetch_all(&mut admin).await.unwrap();
    // They lie in the table the other way round: whoever takes them as they lie takes the last one first.
    for sequence in all.iter().rev() {
        let due = sqlx::query("UPDATE messaging.parked_message SET due_at = now() WHERE sequence = $1").bind(sequence);
        due.execute(&mut admin).await.unwrap();
    }
    // The first is opened and cannot be handled, the others wait for it, and so does the renewal of them all.
    sqlx::raw_sql("BEGIN; LOCK TABLE messaging.effect IN EXCLUSIVE MODE").execute(&mut admin).await.unwrap();
    recorder.cure("away");
    let side = world.side().await;
    side.consume(ConsumerSpec { concurrency: 1, batch: 1, ..spec() }, recorder);
    world.until(RENEWALS_THAT_WAIT, 1).await;
    let free = "SELECT sequence FROM messaging.parked_message ORDER BY sequence FOR UPDATE SKIP LOCKED";
    let free: Vec<i64> = sqlx::query_scalar(free).fetch_all(&mut world.admin().await).await.unwrap();
    assert_eq!(free, all[1..], "it has locked none of those behind the one it waits for");
    sqlx::raw_sql("COMMIT").execute(&mut admin).await.unwrap();
    world.until_effects(16).await;
    world.until(PARKED, 0).await;
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_kills_the_process_is_counted_and_given_up() {
    let world = World::new("killer").await;
    let side = world.side().await;
    publish(&side, &outbound(tenant(1), "1", "a", "word")).await;
    // Three deliveries of the stream, three attempts of the table.
    for _ in 0..6 {
        Child::start(&world, "consumer", "bus.consumer.before_commit=kill").died_by_itself().await;
        // The dead process's claim would last ten seconds.
        let ends = "UPDATE messaging.parked_message SET due_at = now()";
        sqlx::query(ends).execute(&mut world.admin().await).await.unwrap();
    }
    let attempts = world.number("SELECT attempts::bigint FROM messaging.parked_message").await;
    assert_eq!(attempts, 3, "each attempt was counted before it began");
    assert_eq!(world.effects().await.len(), 0);
    let recorder = Recorder::default();
    side.consume(spec(), recorder.clone());
    world.until_effects(1).await;
    assert_eq!(recorder.tries("word"), [4]);
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_stops_finishes_what_is_in_hand_and_gives_the_rest_to_the_others_at_once() {
    let world = World::new("drain").await;
    let (first, second) = (world.side().await, world.side().await);
    publish(&first, &outbound(tenant(1), "held", "held", "held")).await;
    let recorder = Recorder::default();
    first.consume(ConsumerSpec { concurrency: 1, ..spec() }, recorder.clone());
    eventually(SOON, || std::future::ready((!recorder.tries("held").is_empty()).then_some(()))).await.unwrap();
    for number in 0..50 {
        publish(&second, &outbound(tenant(1), &format!("event-{number}"), "b", "word")).await;
    }
    let client = async_nats::connect(&world.nats).await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    eventually(SOON, || async {
        let stream = jetstream.get_stream(format!("{}_IDENTITY", world.prefix)).await.ok()?;
        let info = stream.consumer_info(format!("{}_messaging_words", world.prefix)).await.ok()?;
        (info.num_ack_pending == 51).then_some(())
    })
    .await
    .unwrap();

    first.host.stop();
    second.consume(spec(), Recorder::default());
    // Sooner than the server would hand out what nobody answers for.
    tokio::time::timeout(Duration::from_secs(4), world.until_effects(50))
        .await
        .expect("given back, not left to expire");
    recorder.cure("held");
    world.until_effects(51).await;
    first.host.wait().await.unwrap();
    drained(&world, &second).await;
    assert_eq!(recorder.tries("held").len(), 1, "what was in hand was finished");
    second.stop().await;
}
