//! What the inbound consumer gave up on: listed, replayed, dropped (design: a poison message never blocks the rest).

use contracts::events::v1::LineWebhookEvent;
use contracts::operations::v1 as wire;
use serde_json::json;
use testkit::eventually;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::house::House;
use crate::world::{SOON, Tenant, World};

async fn listed(house: &House, tenant: &Tenant, state: wire::DeadLetterState) -> Vec<wire::DeadLetter> {
    let request = wire::ListDeadLettersRequest { state: state.into(), ..Default::default() };
    house.dead_letters(tenant).list_dead_letters(request).await.unwrap().into_inner().dead_letters
}

async fn given_up(house: &House, tenant: &Tenant, count: usize) -> Vec<wire::DeadLetter> {
    eventually(SOON, || async {
        let letters = listed(house, tenant, wire::DeadLetterState::Waiting).await;
        if letters.len() == count { Ok(letters) } else { Err(letters.len()) }
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_poison_event_is_listed_replayed_when_it_can_be_handled_or_dropped_and_blocks_nobody() {
    let world = World::new("letters").await;
    let house = world.open().await;
    let (tenant, stranger) = (world.tenant(&house).await, world.tenant(&house).await);
    let body = |id: u32, raw: String| LineWebhookEvent {
        account_id: tenant.account.to_string(),
        webhook_event_id: format!("01FZ74A0TDDPYRVKNK77XKC3Z{id}"),
        event_type: "message".to_owned(),
        occur_time: Some(contracts::timestamp(crate::receiver::now())),
        raw: raw.into_bytes().into(),
        ..Default::default()
    };
    let text = |id: u32| {
        json!({"type": "message", "timestamp": 1_700_000_000_000i64, "message": {"id": id.to_string(), "type": "text",
            "text": "hello"}, "source": {"type": "user", "userId": "U4af4980629aaaabbbbccccddddeeee00"}})
        .to_string()
    };
    tenant.receiver.publish_body(&body(1, "no event".to_owned())).await;
    let poison = given_up(&house, &tenant, 1).await.remove(0);
    assert_eq!((poison.consumer.as_str(), poison.reason.as_str()), ("line_webhook", "not an event"));
    assert!(poison.event_id.ends_with("Z1") && poison.create_time.is_some());
    tenant.receiver.publish_body(&body(2, text(2))).await;
    house.conversation_with(&tenant, 1).await;

    // Another tenant neither sees it nor decides about it.
    assert!(listed(&house, &stranger, wire::DeadLetterState::Unspecified).await.is_empty());
    let replay = wire::ReplayDeadLetterRequest { dead_letter_id: poison.dead_letter_id.clone() };
    let drop = wire::DropDeadLetterRequest { dead_letter_id: poison.dead_letter_id.clone() };
    let status = house.dead_letters(&stranger).replay_dead_letter(replay.clone()).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let status = house.dead_letters(&stranger).drop_dead_letter(drop.clone()).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);

    // Replayed as it is, it comes back; dropped, it is gone for good.
    house.dead_letters(&tenant).replay_dead_letter(replay.clone()).await.unwrap();
    eventually(SOON, || async {
        let again = listed(&house, &tenant, wire::DeadLetterState::Waiting).await;
        let again = again.into_iter().find(|letter| letter.attempts > poison.attempts);
        again.map(|_| ()).ok_or("not yet")
    })
    .await
    .unwrap();
    let dropped = house.dead_letters(&tenant).drop_dead_letter(drop).await.unwrap().into_inner().dead_letter.unwrap();
    assert_eq!(dropped.state, wire::DeadLetterState::Dropped as i32);
    let status = house.dead_letters(&tenant).replay_dead_letter(replay).await.unwrap_err();
    assert_eq!(status.get_details_error_info().unwrap().reason, "DEAD_LETTER_SETTLED");
    assert_eq!(world.number("SELECT count(*) FROM messaging.parked_message WHERE payload IS NOT NULL").await, 0);

    // One that failed for a reason that is mended by then is handled, once.
    world
        .admin(
            "CREATE FUNCTION messaging.refuse_it() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
             CREATE TRIGGER refuse_it BEFORE INSERT ON messaging.message FOR EACH ROW EXECUTE FUNCTION messaging.refuse_it()",
        )
        .await;
    tenant.receiver.publish_body(&body(3, text(3))).await;
    eventually(SOON, || async {
        let parked = world.number("SELECT count(*) FROM messaging.parked_message WHERE state = 'due'").await;
        if parked == 1 { Ok(()) } else { Err(parked) }
    })
    .await
    .unwrap();
    // As if all its attempts were through.
    world
        .admin(
            "UPDATE messaging.parked_message SET state = 'waiting', due_at = NULL, gave_up_at = now() WHERE state = 'due';
             DROP TRIGGER refuse_it ON messaging.message",
        )
        .await;
    let mended = given_up(&house, &tenant, 1).await.remove(0);
    let replay = wire::ReplayDeadLetterRequest { dead_letter_id: mended.dead_letter_id.clone() };
    house.dead_letters(&tenant).replay_dead_letter(replay).await.unwrap();
    house.conversation_with(&tenant, 2).await;
    let handled = listed(&house, &tenant, wire::DeadLetterState::Handled).await;
    assert_eq!(handled.iter().map(|letter| &letter.dead_letter_id).collect::<Vec<_>>(), [&mended.dead_letter_id]);
    let audited = "SELECT count(*) FROM messaging.audit WHERE action LIKE 'dead_letter.%'";
    assert_eq!(world.number(audited).await, 3);
    house.close().await;
}
