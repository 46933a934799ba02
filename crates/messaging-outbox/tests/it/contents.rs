//! Contents of media messages: there whole or not at all, and gone with their message whenever it is taken back.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use contracts::messaging::v1 as wire;
use futures::{StreamExt as _, stream};
use line_simulator::{Act, Media, PersonId, Writing};
use messaging_outbox_core::state::MessageState;
use sqlx::{Connection as _, PgConnection};
use testkit::eventually;
use tokio::sync::Semaphore;
use tonic::Code;
use url::Url;

use crate::house::House;
use crate::world::{SOON, Tenant, World};

/// Stops whoever comes to a gate, until the lock 4711 is free.
const STOP: &str = "CREATE FUNCTION messaging.gate() RETURNS trigger LANGUAGE plpgsql AS
                        $$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END $$";
/// Behind a piece of a content, and before a content is there whole.
const GATES: [&str; 2] = [
    "CREATE TRIGGER gate AFTER INSERT ON messaging.content_chunk FOR EACH ROW EXECUTE FUNCTION messaging.gate()",
    "CREATE TRIGGER gate BEFORE UPDATE ON messaging.content FOR EACH ROW WHEN (NEW.state = 2)
         EXECUTE FUNCTION messaging.gate()",
];

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
    for at in GATES {
        let world = World::new("unsent_picture").await;
        let house = world.open().await;
        let tenant = world.tenant(&house).await;
        let person = world.friend(&tenant).await;
        world.admin(STOP).await;
        world.admin(at).await;
        let mut gate = PgConnection::connect(&world.database.admin_url()).await.unwrap();
        let mut closed = gate.begin().await.unwrap();
        sqlx::query("SELECT pg_advisory_xact_lock(4711)").execute(&mut *closed).await.unwrap();
        let message = picture(&world, &tenant, &person).await;
        world.until_locked_out(1).await;
        unsend(&world, &tenant, &person, &message).await;
        // The unsend waits for it, too, or is through already.
        until_told(&world).await;
        closed.rollback().await.unwrap();
        until_unsent(&house, &tenant).await;
        until_nothing_is_open(&world).await;
        for left in ["SELECT count(*) FROM messaging.content_chunk", "SELECT count(*) FROM messaging.content_job"] {
            assert_eq!(world.number(left).await, 0, "{left}: {at}");
        }
        house.close().await;
    }
}

/// Waits until an unsend waits for a lock, or has been handled.
async fn until_told(world: &World) {
    eventually(SOON, || async {
        let buried = world.number("SELECT count(*) FROM messaging.tombstone").await;
        let waiting = world.locked_out().await;
        if buried == 1 || waiting.len() == 2 { Ok(()) } else { Err((buried, waiting)) }
    })
    .await
    .unwrap();
}

/// How LINE's data host gives contents: the start at once, the rest when it is let go.
#[derive(Clone)]
struct SlowHost {
    rest: Arc<Semaphore>,
    asked: Arc<AtomicUsize>,
    /// The first content breaks off instead, and the next is a short one.
    breaks: bool,
}

/// Two pieces of what is kept, and a part of the third.
const START: u32 = 600 * 1024;
/// A part of one piece.
const SHORT: u32 = 100 * 1024;

impl SlowHost {
    async fn listen(self) -> Url {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let router = Router::new().fallback(give).with_state(self);
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }
}

async fn give(State(host): State<SlowHost>) -> Body {
    let piece = |size: u32| Ok::<_, std::io::Error>(Bytes::from(vec![7; size as usize]));
    let is_first = host.asked.fetch_add(1, Ordering::SeqCst) == 0;
    if host.breaks && !is_first {
        return Body::from_stream(stream::iter([piece(SHORT)]));
    }
    let rest = stream::once(async move {
        host.rest.acquire().await.unwrap().forget();
        if host.breaks { Err(std::io::ErrorKind::ConnectionReset.into()) } else { piece(SHORT) }
    });
    Body::from_stream(stream::iter([piece(START)]).chain(rest))
}

async fn until_kept(world: &World, count: i64) {
    eventually(SOON, || async {
        let kept = world.number("SELECT count(*) FROM messaging.content_chunk").await;
        if kept == count { Ok(()) } else { Err(kept) }
    })
    .await
    .unwrap();
}

/// Waits until no transaction of the service is open: a watcher's horizon is not held.
async fn until_nothing_is_open(world: &World) {
    eventually(SOON, || async {
        let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                    AND usename IN ('messaging', 'messaging_worker') AND xact_start < now() - interval '200 milliseconds'";
        let open = world.number(open).await;
        if open == 0 { Ok(()) } else { Err(open) }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_content_that_comes_slowly_holds_no_transaction_and_goes_whole_when_it_is_unsent_meanwhile() {
    let world = World::new("slow_content").await;
    let rest = Arc::new(Semaphore::new(0));
    let host = SlowHost { rest: Arc::clone(&rest), asked: Arc::default(), breaks: false };
    let url = host.listen().await;
    let house = world.open_with(|config| config.line_data_url = url).await;
    let tenant = world.tenant(&house).await;
    let person = world.friend(&tenant).await;
    let message = picture(&world, &tenant, &person).await;
    until_kept(&world, 2).await;
    until_nothing_is_open(&world).await;
    let conversation = house.conversation_with(&tenant, 1).await;
    let id = house.messages_of(&tenant, &conversation.conversation_id).await[0].message_id.clone();
    let request = wire::FetchContentRequest { message_id: id.clone() };
    let status = house.messages(&tenant).fetch_content(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "it is there whole or not at all");
    unsend(&world, &tenant, &person, &message).await;
    house.until(&tenant, &id, MessageState::Unsent).await;
    until_kept(&world, 0).await;
    // Its rest comes, and so does a whole one, of three pieces.
    rest.add_permits(2);
    picture(&world, &tenant, &person).await;
    until_kept(&world, 3).await;
    eventually(SOON, || async {
        let jobs = world.number("SELECT count(*) FROM messaging.content_job").await;
        if jobs == 0 { Ok(()) } else { Err(jobs) }
    })
    .await
    .unwrap();
    assert_eq!(world.number("SELECT count(*) FROM messaging.content_chunk").await, 3, "the second one's alone");
    house.close().await;
}

#[tokio::test]
async fn what_an_attempt_that_broke_off_left_is_replaced_by_the_next() {
    let world = World::new("broken_content").await;
    let rest = Arc::new(Semaphore::new(0));
    let host = SlowHost { rest: Arc::clone(&rest), asked: Arc::default(), breaks: true };
    let url = host.listen().await;
    let house = world.open_with(|config| config.line_data_url = url).await;
    let tenant = world.tenant(&house).await;
    let person = world.friend(&tenant).await;
    picture(&world, &tenant, &person).await;
    until_kept(&world, 2).await;
    rest.add_permits(1);
    eventually(SOON, || async {
        let stored = world.number("SELECT coalesce(sum(size), 0)::bigint FROM messaging.content WHERE state = 2").await;
        if stored > 0 { Ok(stored) } else { Err(stored) }
    })
    .await
    .map(|stored| assert_eq!(stored, i64::from(SHORT)))
    .unwrap();
    let kept = "SELECT sum(length(bytes))::bigint FROM messaging.content_chunk";
    assert_eq!(world.number(kept).await, i64::from(SHORT));
    house.close().await;
}
