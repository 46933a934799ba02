//! Postgres and NATS stopped and started again in the middle of sending: nothing is lost, nothing is sent twice.

use contracts::messaging::v1 as wire;
use line_simulator::{Effect, Fault};
use messaging_outbox_core::state::MessageState;
use testkit::eventually;
use testkit::{nats, postgres};

use crate::house::House;
use crate::world::{SOON, Tenant, World, send_request, text};

const COUNT: usize = 60;

/// Queues messages one after another, each again with its request ID until it is answered; returns their IDs.
async fn queue(house: &House, tenant: &Tenant, conversation: &str) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..COUNT {
        let request = send_request(conversation, &format!("message {number}"), wire::SendPolicy::PushOnly);
        let queued = eventually(SOON, || {
            let request = tenant.as_staff(request.clone());
            let mut client = house.messages(tenant);
            async move { client.send_message(request).await.map_err(|status| status.code()) }
        });
        ids.push(queued.await.unwrap().into_inner().message.unwrap().message_id);
    }
    ids
}

async fn until_delivered(world: &World, least: u64) {
    eventually(SOON, || {
        let delivered = world.line.counts().delivered_messages;
        std::future::ready(if delivered >= least { Ok(()) } else { Err(delivered) })
    })
    .await
    .unwrap();
}

/// Every message was accepted, and the simulator's books know each once.
async fn all_went_once(world: &World, house: &House, tenant: &Tenant, ids: &[String]) {
    for id in ids {
        let accepted = eventually(SOON, || {
            let request = wire::GetMessageRequest { message_id: id.clone() };
            let mut client = house.messages(tenant);
            async move {
                let message = client.get_message(request).await.map_err(|status| status.to_string())?;
                let message = message.into_inner().message.unwrap();
                let accepted = message.state == i32::from(MessageState::Accepted.code());
                if accepted { Ok(message) } else { Err(format!("{} {:?}", text(&message), message.state)) }
            }
        });
        accepted.await.unwrap();
    }
    assert!(world.line.duplicates().is_empty());
    assert_eq!(world.line.counts().delivered_messages, COUNT as u64);
    assert_eq!(world.number("SELECT count(*) FROM messaging.send").await, 0);
}

#[tokio::test]
async fn postgres_stopped_or_killed_in_the_middle_of_sending_loses_nothing_and_repeats_nothing() {
    for kill in [false, true] {
        let mut server = postgres::Private::start().await.unwrap();
        let world = World::on(&server.cluster().unwrap(), nats::url(), "restart").await;
        let house = world.open().await;
        let tenant = world.tenant(&house).await;
        let (_, conversation) = house.conversing(&world, &tenant).await;
        world.control.add_fault(&Fault::always(Effect::Latency { ms: 30 })).await.unwrap();
        let restart = async {
            for share in [5, 20] {
                until_delivered(&world, share).await;
                if kill {
                    server.kill9().await.unwrap();
                } else {
                    server.stop().await.unwrap();
                }
                server.start_again().await.unwrap();
            }
        };
        let (ids, ()) = tokio::join!(queue(&house, &tenant, &conversation.conversation_id), restart);
        all_went_once(&world, &house, &tenant, &ids).await;
        house.close().await;
    }
}

#[tokio::test]
async fn nats_stopped_or_killed_in_the_middle_of_sending_loses_nothing_and_repeats_nothing() {
    let mut server = nats::Private::start().await.unwrap();
    let world = World::on(&postgres::Cluster::shared(), server.url(), "nats_restart").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (person, conversation) = house.conversing(&world, &tenant).await;
    world.control.add_fault(&Fault::always(Effect::Latency { ms: 30 })).await.unwrap();
    let restart = async {
        for (share, kill) in [(5, false), (20, true)] {
            until_delivered(&world, share).await;
            if kill {
                server.kill9().await.unwrap();
            } else {
                server.stop().await.unwrap();
            }
            // Sending needs no NATS.
            until_delivered(&world, share + 10).await;
            server.start_again().await.unwrap();
        }
    };
    let (ids, ()) = tokio::join!(queue(&house, &tenant, &conversation.conversation_id), restart);
    all_went_once(&world, &house, &tenant, &ids).await;
    // What was to be said on the bus meanwhile is said, and friends are heard again.
    eventually(SOON, || async {
        let unsaid = world.number("SELECT count(*) FROM messaging.outbox_pending").await;
        if unsaid == 0 { Ok(()) } else { Err(unsaid) }
    })
    .await
    .unwrap();
    world.control.write_text(&tenant.card.channel_id, &person, "still there?").await.unwrap();
    house.conversation_with(&tenant, COUNT + 2).await;
    house.close().await;
}
