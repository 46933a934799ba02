//! The spill stream.

use std::sync::{Arc, Mutex};

use bus::Trouble;
use bus::publish::Publisher;
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
