//! What came while Postgres was away keeps its place before what came later.

use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{AckKind, Message};
use futures::StreamExt as _;
use testkit::{eventually, nats, postgres};

use super::place::{eventually_took, from, heard, manager, numbers, quiet, start, target};
use super::receiver::Receiver;
use crate::stage::{SOON, Stage};

/// Takes the only pack out of the hands of whoever would move it, for half a minute.
async fn pack(stage: &Stage) -> Message {
    let stream = format!("{}_INGEST_SPILL", stage.prefix);
    let consumer: PullConsumer = stage
        .jetstream()
        .await
        .get_consumer_from_stream(format!("{}_ingest_spill", stage.prefix), stream)
        .await
        .unwrap();
    eventually(SOON, || async {
        let packs = consumer.fetch().max_messages(1).expires(Duration::from_secs(2)).messages().await;
        packs.map_err(|error| error.to_string())?.next().await.ok_or("no pack")?.map_err(|error| error.to_string())
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn what_came_later_waits_for_what_is_in_the_spill() {
    let mut server = postgres::Private::start().await.unwrap();
    let stage = Stage::on(&server.cluster().unwrap(), nats::url(), "forward_behind").await;
    let receiver = Receiver::taking().await;
    let replica = start(&stage, &[&receiver]).await;
    let mut client = manager(&stage, &replica).await;
    target(&mut client, &stage.account, &receiver).await;
    heard(&stage, &replica, &stage.account).await;
    quiet(&stage).await;
    server.kill9().await.unwrap();
    assert_eq!(replica.post(&stage.account, from(&[1], 0)).await, 200);
    replica.stop().await;
    let pack = pack(&stage).await;

    server.start_again().await.unwrap();
    let replica = start(&stage, &[&receiver]).await;
    for (user, n) in [(1, 1), (2, 2), (1, 3)] {
        replica.deliver(&stage.account, from(&[user], n)).await;
    }
    replica.eventually_shows("tsunagi_ingest_forwarding_waits_for_spill 1").await;
    assert_eq!(numbers(&receiver), [0; 0]);
    pack.ack_with(AckKind::Nak(None)).await.unwrap();
    eventually_took(&receiver, 0..4).await;
    let of_one: Vec<usize> = numbers(&receiver).into_iter().filter(|n| *n != 2).collect();
    assert_eq!(of_one, [0, 1, 3]);
    replica.eventually_shows("tsunagi_ingest_forwarding_waits_for_spill 0").await;
    replica.stop().await;
}
