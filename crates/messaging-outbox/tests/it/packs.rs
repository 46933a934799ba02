//! Messages that go as one request: what is repeated is the same request, whole.

use std::num::NonZeroUsize;

use contracts::messaging::v1 as wire;
use line_simulator::{BooksQuery, Effect, Fault};
use messaging_outbox_core::state::MessageState;
use testkit::eventually;

use crate::world::{SOON, World};

const PUSH: &str = "POST /v2/bot/message/push";

/// Makes what waits one request of another holder that is gone: nobody knows whether LINE has it.
const IN_DOUBT: &str = "UPDATE messaging.send
                        SET state = 1, epoch = 0, send_method = 2, pack_id = '00000000-0000-4000-8000-000000000001',
                            attempts = 1, first_time = now(), deferred = false, due = NULL";

#[tokio::test]
async fn a_request_in_doubt_of_which_a_claim_got_a_part_goes_again_whole_and_once() {
    let world = World::new("gathered").await;
    // Two messages a claim, and the next claim while the first call is on its way.
    let house = world.open_with(|config| config.sender.calls_of_lane = NonZeroUsize::MIN).await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let refuse = world.control.add_fault(&Fault::always(Effect::RateLimited)).await.unwrap();
    let mut ids = Vec::new();
    for number in 0..5 {
        let text = format!("part {number}");
        ids.push(house.send(&tenant, &conversation.conversation_id, &text, wire::SendPolicy::PushOnly).await);
    }
    house.close().await;
    world.admin(IN_DOUBT).await;
    world.forget_holder().await;
    world.control.end_fault(&refuse).await.unwrap();
    let late = Fault::always(Effect::Latency { ms: 700 }).at(PUSH);
    world.control.add_fault(&late).await.unwrap();

    let house = world.open_with(|config| config.sender.calls_of_lane = NonZeroUsize::MIN).await;
    for id in &ids {
        house.until(&tenant, id, MessageState::Accepted).await;
    }
    eventually(SOON, || async {
        let left = world.number("SELECT count(*) FROM messaging.lane WHERE holder IS NOT NULL").await;
        if left == 0 { Ok(()) } else { Err("the lane is still at work") }
    })
    .await
    .unwrap();
    let requests = world.control.requests(&BooksQuery::default()).await.unwrap();
    let repeated =
        requests.iter().filter(|request| request.retry_key.as_deref() == Some("00000000-0000-4000-8000-000000000001"));
    assert_eq!(repeated.count(), 1, "its key goes out with no other body");
    let query = BooksQuery { account: Some(tenant.card.channel_id.clone()), ..Default::default() };
    let sent = world.control.sent(&query).await.unwrap();
    assert_eq!(sent.iter().map(|sent| sent.messages.len()).collect::<Vec<_>>(), [5]);
    house.close().await;
}
