//! Handling: once, whatever comes twice.

use bus::publish::{Again, Outbound, Publisher};
use bus::subject::{Family, Subject};
use bus::{ConsumerSpec, Incoming};
use contracts::events::v1::IdentityEvent;
use kernel::{EventHeader, TenantId, Timestamp};
use prost::Message;
use uuid::Uuid;

use crate::child::Child;
use crate::world::{Recorder, Side, World, event, said, spec, tenant};

const ACKNOWLEDGED: &str = "SELECT count(*) FROM messaging.inbox";

pub(crate) fn outbound(owner: TenantId, id: &str, about: &str, word: &str) -> Outbound {
    Outbound {
        subject: Subject::event(Family::Identity, Some(owner), "customer").unwrap(),
        header: EventHeader {
            id: id.to_owned(),
            kind: Family::Identity.kind().to_owned(),
            source: Family::Identity.source().to_owned(),
            time: Timestamp::UNIX_EPOCH,
            tenant: Some(owner),
            trace: None,
        },
        payload: event(about, word).encode_to_vec().into(),
    }
}

pub(crate) async fn publish(side: &Side, event: &Outbound) {
    side.host.readiness().ready().await;
    Publisher::new(&side.bus, 8).publish(event).await.unwrap().await.unwrap();
}

/// Publishes past the server's own de-duplication.
pub(crate) async fn publish_again(world: &World, event: &Outbound) {
    let client = async_nats::connect(&world.nats).await.unwrap();
    let mut headers = bus::header::write(&event.header).unwrap();
    headers.insert("Nats-Msg-Id", uuid::Uuid::new_v4().to_string());
    let jetstream = async_nats::jetstream::new(client);
    let subject = format!("{}.{}", world.prefix, event.subject);
    let ack = jetstream.publish_with_headers(subject, headers, event.payload.clone()).await.unwrap().await.unwrap();
    assert!(!ack.duplicate);
}

fn batched(size: usize) -> ConsumerSpec<IdentityEvent> {
    // Keys of their own, so that a batch holds several events whatever they are about.
    ConsumerSpec { batch: size, order_by: |event: &Incoming<_>| bus::consumer::key(&event.header.id), ..spec() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_lies_in_the_stream_many_times_is_handled_once_by_several_replicas() {
    let world = World::new("once").await;
    let (first, second) = (world.side().await, world.side().await);
    for number in 0..20 {
        let event = outbound(tenant(1), &format!("event-{number}"), "a", &number.to_string());
        publish(&first, &event).await;
        publish_again(&world, &event).await;
        publish_again(&world, &event).await;
    }
    let marker = outbound(tenant(2), "marker", "z", "marker");
    first.consume(batched(8), Recorder::default());
    second.consume(batched(8), Recorder::default());
    publish(&first, &marker).await;
    world.until_effects(21).await;
    drained(&world, &first).await;
    assert_eq!(world.effects().await.len(), 21);
    assert_eq!(world.number(ACKNOWLEDGED).await, 21);
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_published_again_is_handled_by_who_did_not_and_in_a_rebuild_once_by_everybody() {
    let world = World::new("again").await;
    let side = world.side().await;
    let (known, lost) = (outbound(tenant(1), "known", "a", "known"), outbound(tenant(1), "lost", "a", "lost"));
    side.consume(batched(8), Recorder::default());
    publish(&side, &known).await;
    world.until_effects(1).await;
    let publisher = Publisher::new(&side.bus, 8);
    let publish =
        async |event: &Outbound, again| publisher.publish_again(event, again).await.unwrap().await.unwrap().duplicate;
    let round = |number| Uuid::from_u128(number);
    assert!(!publish(&known, Again::Redrive(round(1))).await, "the stream takes it although it has it");
    assert!(publish(&known, Again::Redrive(round(1))).await, "once for each round");
    publish(&lost, Again::Redrive(round(1))).await;
    world.until_effects(2).await;
    drained(&world, &side).await;
    assert_eq!(world.number(ACKNOWLEDGED).await, 2, "who handled it knows it");
    for rebuild in [2, 3] {
        for event in [&known, &lost, &known] {
            publish(event, Again::Rebuild(round(rebuild))).await;
        }
    }
    world.until_effects(6).await;
    drained(&world, &side).await;
    assert_eq!(world.number(ACKNOWLEDGED).await, 6, "each rebuild, and each event once in it");
    let mut tx = side.messaging.tenant(tenant(1)).await.unwrap();
    for (rebuild, taken) in [(None, 2), (Some(round(2)), 2), (Some(round(4)), 0)] {
        let found = bus::inbox::taken_in(&mut tx, "words", &["never", "known", "lost"], rebuild).await.unwrap();
        assert_eq!((found.len(), found.contains("never")), (taken, false), "{rebuild:?}");
    }
    tx.rollback().await.unwrap();
    side.stop().await;
}

/// Waits until the server holds nothing back for the consumer.
pub(crate) async fn drained(world: &World, side: &Side) {
    let client = async_nats::connect(&world.nats).await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    let (stream, durable) = (format!("{}_IDENTITY", world.prefix), format!("{}_messaging_words", world.prefix));
    testkit::eventually(crate::world::SOON, || async {
        let stream = jetstream.get_stream(&stream).await.map_err(|error| error.to_string())?;
        let info = stream.consumer_info(&durable).await.map_err(|error| error.to_string())?;
        let left = (info.num_pending, info.num_ack_pending);
        if left == (0, 0) { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await
    .unwrap();
    assert!(side.bus.is_connected());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_becomes_a_dead_letter_at_once_with_its_bytes_and_holds_nobody_up() {
    let world = World::new("poison").await;
    let side = world.side().await;
    let mut broken = outbound(tenant(1), "broken", "a", "");
    broken.payload = bytes::Bytes::from_static(b"\xff\xff");
    publish(&side, &broken).await;
    let mut foreign = outbound(tenant(1), "foreign", "a", "leak");
    foreign.header.tenant = Some(tenant(2));
    publish(&side, &foreign).await;
    publish(&side, &outbound(tenant(1), "sound", "a", "sound")).await;
    side.consume(batched(8), Recorder::default());
    world.until_effects(1).await;
    world.until("SELECT count(*) FROM messaging.parked_message WHERE state = 'waiting'", 2).await;
    let dead: Vec<(uuid::Uuid, String, String, Vec<u8>)> =
        sqlx::query_as("SELECT tenant_id, event_id, reason, payload FROM messaging.parked_message ORDER BY event_id")
            .fetch_all(&mut world.admin().await)
            .await
            .unwrap();
    assert_eq!(dead[0].0, tenant(1).uuid());
    assert_eq!((dead[0].1.as_str(), dead[0].3.as_slice()), ("broken", b"\xff\xff".as_slice()));
    assert!(dead[0].2.contains("decoded"), "{}", dead[0].2);
    assert!(dead[1].0.is_nil(), "what names two tenants is shown to neither");
    assert_eq!(world.effects().await, [("a".to_owned(), "sound".to_owned())]);
    drained(&world, &side).await;
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_with_a_header_postgres_cannot_keep_is_given_up_and_stops_nobody() {
    let world = World::new("nul_header").await;
    let side = world.side().await;
    let event = outbound(tenant(1), "nul", "a", "never handled");
    let jetstream = async_nats::jetstream::new(async_nats::connect(&world.nats).await.unwrap());
    side.host.readiness().ready().await;
    for name in ["ce-id", "ce-time", "x-anything"] {
        let mut headers = bus::header::write(&event.header).unwrap();
        headers.insert("Nats-Msg-Id", uuid::Uuid::new_v4().to_string());
        headers.insert(name, "a\0b");
        let subject = format!("{}.{}", world.prefix, event.subject);
        jetstream.publish_with_headers(subject, headers, event.payload.clone()).await.unwrap().await.unwrap();
    }
    publish(&side, &outbound(tenant(1), "sound", "a", "sound")).await;
    side.consume(batched(8), Recorder::default());
    world.until("SELECT count(*) FROM messaging.effect WHERE word = 'sound'", 1).await;
    drained(&world, &side).await;
    world.until("SELECT count(*) FROM messaging.parked_message WHERE state = 'waiting'", 2).await;
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_event_of_a_batch_takes_none_of_the_others_with_it() {
    let world = World::new("batch").await;
    let side = world.side().await;
    for number in 0..30 {
        let said = if number == 13 { "never".to_owned() } else { number.to_string() };
        publish(&side, &outbound(tenant(1), &format!("event-{number}"), "a", &said)).await;
    }
    side.consume(ConsumerSpec { concurrency: 1, ..batched(32) }, Recorder::default());
    world.until_effects(29).await;
    world
        .until(
            "SELECT count(*) FROM messaging.parked_message WHERE state = 'waiting' AND reason = 'nobody says that'",
            1,
        )
        .await;
    drained(&world, &side).await;
    assert_eq!(world.effects().await.len(), 29);
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_batch_share_a_transaction() {
    let world = World::new("shared_tx").await;
    let side = world.side().await;
    for number in 0..64 {
        publish(&side, &outbound(tenant(1), &format!("event-{number}"), "a", &number.to_string())).await;
    }
    side.consume(ConsumerSpec { concurrency: 1, ..batched(32) }, Recorder::default());
    world.until_effects(64).await;
    let transactions = world.number("SELECT count(DISTINCT xmin::text) FROM messaging.effect").await;
    assert!(transactions <= 32, "64 events took {transactions} transactions");
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_with_one_key_are_handled_one_after_the_other_in_their_order() {
    let world = World::new("keys").await;
    let side = world.side().await;
    for number in 0..40 {
        for about in ["a", "b"] {
            publish(&side, &outbound(tenant(1), &format!("{about}-{number}"), about, &format!("{number:02}"))).await;
        }
    }
    side.consume(ConsumerSpec { concurrency: 8, batch: 3, ..spec() }, Recorder::default());
    world.until_effects(80).await;
    for about in ["a", "b"] {
        let effects = world.effects().await;
        let words: Vec<&String> = effects.iter().filter(|(of, _)| of == about).map(|(_, word)| word).collect();
        assert!(words.is_sorted(), "{about}: {words:?}");
    }
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_killed_before_or_after_its_commit_leaves_one_effect() {
    for place in ["bus.consumer.before_commit", "bus.consumer.after_commit"] {
        let world = World::new("killed_consumer").await;
        let side = world.side().await;
        publish(&side, &outbound(tenant(1), "event", "a", "word")).await;
        let mut child = Child::start(&world, "consumer", &format!("{place}=kill"));
        child.died_by_itself().await;
        let done = i64::from(place.ends_with("after_commit"));
        assert_eq!(world.number(crate::world::EFFECT_COUNT).await, done, "{place}");
        side.consume(spec(), Recorder::default());
        world.until_effects(1).await;
        drained(&world, &side).await;
        assert_eq!(world.effects().await.len(), 1, "{place}");
        side.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_passes_over_an_error_of_the_database_loses_nothing() {
    let world = World::new("swallow").await;
    let side = world.side().await;
    publish(&side, &outbound(tenant(1), "event", "a", "swallow")).await;
    let recorder = Recorder::default();
    side.consume(spec(), recorder.clone());
    world.until("SELECT count(*) FROM messaging.parked_message", 1).await;
    assert_eq!(world.effects().await.len(), 0);
    recorder.cure("swallow");
    // Given up meanwhile or not: it is there, and a try makes it whole.
    sqlx::query("UPDATE messaging.parked_message SET state = 'due', due_at = now()")
        .execute(&mut world.admin().await)
        .await
        .unwrap();
    world.until_effects(1).await;
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_of_an_event_runs_from_the_row_to_the_handler() {
    use std::sync::{Arc, Mutex};
    struct Trace(Arc<Mutex<Vec<String>>>);
    impl bus::Handler for Trace {
        type Body = IdentityEvent;
        async fn handle(
            &self,
            _: &mut chassis::postgres::TenantTx,
            event: &Incoming<IdentityEvent>,
        ) -> Result<bus::Handled, bus::Trouble> {
            let trace = event.header.trace.as_ref().map(ToString::to_string).unwrap_or_default();
            self.0.lock().unwrap().push(format!("{} {trace}", said(event).1));
            Ok(bus::Handled::Done)
        }
    }
    let world = World::new("trace").await;
    let side = world.side().await;
    side.say(tenant(1), "a", &["row"]).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    sqlx::query("UPDATE identity.outbox SET trace = decode($1, 'hex')")
        .bind(trace[3..].replace('-', ""))
        .execute(&mut world.admin().await)
        .await
        .unwrap();
    side.relay();
    let heard = Arc::new(Mutex::new(Vec::new()));
    bus::consumer::spawn(&side.host, &side.bus, &side.messaging, spec(), Trace(Arc::clone(&heard)));
    testkit::eventually(crate::world::SOON, || std::future::ready((!heard.lock().unwrap().is_empty()).then_some(())))
        .await
        .unwrap();
    assert_eq!(*heard.lock().unwrap(), [format!("row {trace}")]);
    side.stop().await;
}
