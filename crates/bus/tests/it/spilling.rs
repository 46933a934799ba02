//! The spill stream.

use std::sync::{Arc, Mutex};

use async_nats::jetstream::{self, consumer::PullConsumer};
use bus::Trouble;
use bus::publish::Publisher;
use futures::StreamExt as _;
use testkit::eventually;

use crate::world::{SOON, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_is_handed_out_until_it_is_stored() {
    let world = World::new("spill").await;
    let side = world.side().await;
    side.host.readiness().ready().await;
    let publisher = Publisher::new(&side.bus, 4);
    for pack in ["one", "two"] {
        publisher.spill(pack, bytes::Bytes::from_static(pack.as_bytes())).await.unwrap().await.unwrap();
    }
    let stored = Arc::new(Mutex::new(Vec::new()));
    let tried = Arc::new(Mutex::new(0));
    bus::spill::spawn(&side.host, &side.bus, {
        let (stored, tried) = (Arc::clone(&stored), Arc::clone(&tried));
        move |pack: bytes::Bytes| {
            let mut tried = tried.lock().unwrap();
            *tried += 1;
            let away = *tried <= 2;
            let stored = Arc::clone(&stored);
            async move {
                if away {
                    return Err(Trouble::unavailable(std::time::Duration::from_millis(10), "Postgres is away"));
                }
                stored.lock().unwrap().push(pack);
                Ok(())
            }
        }
    });
    eventually(SOON, || std::future::ready((stored.lock().unwrap().len() == 2).then_some(()))).await.unwrap();
    assert_eq!(*tried.lock().unwrap(), 4);
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_pack_is_cut_out_of_the_stream_though_whoever_stored_it_died() {
    let world = World::new("spill_cut").await;
    let first = world.side().await;
    first.host.readiness().ready().await;
    let publisher = Publisher::new(&first.bus, 4);
    publisher.spill("one", bytes::Bytes::from_static(b"one")).await.unwrap().await.unwrap();
    bus::spill::spawn(&first.host, &first.bus, |_| async { Ok(()) });
    let spill = async || {
        let client = async_nats::connect(&world.nats).await.unwrap();
        jetstream::new(client).get_stream(format!("{}_INGEST_SPILL", world.prefix)).await.unwrap()
    };
    let packs = || async {
        match spill().await.cached_info().state.messages {
            0 => Ok(()),
            left => Err(left),
        }
    };
    eventually(SOON, packs).await.unwrap();
    first.stop().await;

    // One that is acknowledged, and still there.
    let second = world.side().await;
    second.host.readiness().ready().await;
    let publisher = Publisher::new(&second.bus, 4);
    for pack in ["two", "three"] {
        publisher.spill(pack, bytes::Bytes::from_static(pack.as_bytes())).await.unwrap().await.unwrap();
    }
    let stream = spill().await;
    let name = stream.consumer_names().next().await.unwrap().unwrap();
    let reader: PullConsumer = stream.get_consumer(&name).await.unwrap();
    let two = reader.fetch().max_messages(1).messages().await.unwrap().next().await.unwrap().unwrap();
    two.double_ack().await.unwrap();
    let stored = Arc::new(Mutex::new(Vec::new()));
    bus::spill::spawn(&second.host, &second.bus, {
        let stored = Arc::clone(&stored);
        move |pack: bytes::Bytes| {
            stored.lock().unwrap().push(pack);
            async { Ok(()) }
        }
    });
    eventually(SOON, packs).await.unwrap();
    assert_eq!(*stored.lock().unwrap(), ["three"]);
    second.stop().await;
}
