//! Messages of one conversation leave in their order also while one of them is being put back.

use contracts::messaging::v1 as wire;
use line_simulator::AccountSettings;
use messaging_outbox_core::state::MessageState;
use sqlx::{Connection as _, PgConnection};
use testkit::eventually;

use crate::house::House;
use crate::world::{SOON, Tenant, World};

const REPLY: &str = "POST /v2/bot/message/reply";
const CONSUMPTION: &str = "GET /v2/bot/message/quota/consumption";

/// Stops whoever writes that the gate was accepted, until the lock 4711 is free. The tenant's other outcomes wait behind it.
const GATE: &str = "CREATE FUNCTION messaging.gate() RETURNS trigger LANGUAGE plpgsql AS
                        $$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END $$;
                    CREATE TRIGGER gate BEFORE UPDATE ON messaging.message FOR EACH ROW
                        WHEN (NEW.state = 5 AND NEW.object::text LIKE '%the gate%') EXECUTE FUNCTION messaging.gate()";

/// One more conversation, with another friend.
async fn another_conversation(world: &World, house: &House, tenant: &Tenant, than: &str) -> String {
    let person = world.friend(tenant).await;
    world.control.write_text(&tenant.card.channel_id, &person, "hello").await.unwrap();
    eventually(SOON, || async {
        let all = house.list(tenant).await;
        all.into_iter().map(|one| one.conversation_id).find(|id| id != than).ok_or("not there")
    })
    .await
    .unwrap()
}

/// Something else is claimed, sent and settled.
async fn meanwhile(house: &House, other: &Tenant, conversation: &str) {
    let sent = house.send(other, conversation, "meanwhile", wire::SendPolicy::PushOnly).await;
    house.until(other, &sent, MessageState::Accepted).await;
}

#[tokio::test]
async fn an_answer_does_not_pass_one_that_was_put_back_and_is_not_written_yet() {
    let world = World::new("put_back").await;
    let house = world.open().await;
    let (tenant, other) = (world.tenant(&house).await, world.tenant(&house).await);
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let conversation = conversation.conversation_id;
    let (_, of_other) = house.conversing(&world, &other).await;
    let second = another_conversation(&world, &house, &tenant, &conversation).await;
    world.admin(GATE).await;
    let mut gate = PgConnection::connect(&world.database.admin_url()).await.unwrap();
    let mut closed = gate.begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock(4711)").execute(&mut *closed).await.unwrap();
    house.send(&tenant, &second, "the gate", wire::SendPolicy::PushOnly).await;
    world.until_locked_out(1).await;
    let none = AccountSettings { quota: Some(Some(0)), ..Default::default() };
    world.control.change_account(&tenant.card.channel_id, &none).await.unwrap();
    let first = house.send(&tenant, &conversation, "first", wire::SendPolicy::PushOnly).await;
    eventually(SOON, || async {
        let asked = world.asked(CONSUMPTION).await;
        if asked > 0 { Ok(()) } else { Err(asked) }
    })
    .await
    .unwrap();
    meanwhile(&house, &other, &of_other.conversation_id).await;
    // By reply: no quota holds it back.
    let then = house.send(&tenant, &conversation, "then", wire::SendPolicy::ReplyFirst).await;
    meanwhile(&house, &other, &of_other.conversation_id).await;
    assert_eq!(world.asked(REPLY).await, 0, "it passed the first");
    closed.rollback().await.unwrap();
    house.until(&tenant, &first, MessageState::WaitingForQuota).await;
    meanwhile(&house, &other, &of_other.conversation_id).await;
    assert_eq!(house.message(&tenant, &then).await.state, i32::from(MessageState::Queued.code()));
    assert_eq!(world.asked(REPLY).await, 0, "it passed the first");
    house.close().await;
}
