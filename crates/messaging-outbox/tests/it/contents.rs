//! Contents of media messages: there whole or not at all, and gone with their message whenever it is taken back.

use line_simulator::{Act, Media, PersonId, Writing};
use messaging_outbox_core::state::MessageState;
use sqlx::{Connection as _, PgConnection};
use testkit::eventually;

use crate::house::House;
use crate::world::{SOON, Tenant, World};

/// Stops whoever says that a content is there whole, until the lock 4711 is free.
const GATE: &str = "CREATE FUNCTION messaging.gate() RETURNS trigger LANGUAGE plpgsql AS
                        $$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END $$;
                    CREATE TRIGGER gate BEFORE UPDATE ON messaging.content FOR EACH ROW
                        WHEN (NEW.state = 2) EXECUTE FUNCTION messaging.gate()";

/// A picture somebody writes: LINE's ID of its message.
async fn picture(world: &World, tenant: &Tenant, person: &PersonId) -> String {
    let picture = Act::Write(Writing::Image(Media::default()));
    world.control.act(&tenant.card.channel_id, person, picture).await.unwrap().message_id.unwrap()
}

async fn unsend(world: &World, tenant: &Tenant, person: &PersonId, message: &str) {
    let unsend = Act::Unsend { message_id: message.to_owned() };
    world.control.act(&tenant.card.channel_id, person, unsend).await.unwrap();
}

/// Waits until the tenant's only message is unsent.
async fn until_unsent(house: &House, tenant: &Tenant) {
    let conversation = house.conversation_with(tenant, 1).await;
    let id = house.messages_of(tenant, &conversation.conversation_id).await[0].message_id.clone();
    house.until(tenant, &id, MessageState::Unsent).await;
}

#[tokio::test]
async fn a_picture_that_is_unsent_in_the_moment_it_is_kept_leaves_no_bytes() {
    let world = World::new("unsent_picture").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let person = world.friend(&tenant).await;
    world.admin(GATE).await;
    let mut gate = PgConnection::connect(&world.database.admin_url()).await.unwrap();
    let mut closed = gate.begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock(4711)").execute(&mut *closed).await.unwrap();
    let message = picture(&world, &tenant, &person).await;
    world.until_locked_out(1).await;
    unsend(&world, &tenant, &person, &message).await;
    world.until_locked_out(2).await;
    closed.rollback().await.unwrap();
    until_unsent(&house, &tenant).await;
    for left in ["SELECT count(*) FROM messaging.content_chunk", "SELECT count(*) FROM messaging.content_job"] {
        assert_eq!(world.number(left).await, 0, "{left}");
    }
    house.close().await;
}
