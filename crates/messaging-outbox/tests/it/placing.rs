//! Whose conversations are is kept right whatever comes first, together, or in between a kill.

use std::os::unix::process::ExitStatusExt as _;

use contracts::messaging::v1 as wire;
use testkit::eventually;
use uuid::Uuid;

use crate::branches::{customer_of, link_of, written_by};
use crate::killing::program;
use crate::world::{SOON, World};

/// Conversations kept as somebody else's than their customers'.
const ASTRAY: &str = "SELECT count(*) FROM messaging.conversation c
    LEFT JOIN messaging.link_replica l ON l.tenant_id = c.tenant_id AND l.line_user_id = c.chat_key AND l.end_time IS NULL
    LEFT JOIN messaging.customer_replica n ON n.tenant_id = l.tenant_id AND n.customer_id = l.customer_id
    WHERE c.organization_id <> coalesce(n.organization_id, '00000000-0000-0000-0000-000000000000')
        OR c.linked <> (l.link_id IS NOT NULL)";
const LEFT: &str = "SELECT count(*) FROM messaging.placing";

#[tokio::test]
async fn conversations_links_and_customers_that_come_at_once_leave_none_astray() {
    let world = World::new("at_once").await;
    let replicas = [world.open().await, world.open().await, world.open().await];
    let tenant = world.tenant(&replicas[0]).await;
    let branches = [Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()];
    let users = 60;
    let said = (0..users).map(async |number| {
        let (user, event) = written_by(number);
        let (customer, link) = (Uuid::new_v4(), Uuid::new_v4());
        let of = |turn: u32| Some(branches[(number + turn) as usize % 3]);
        let write = tenant.receiver.publish(&event, false, false);
        let link_it = async {
            world.say(&tenant, link_of(&tenant, link, 1, customer, &user, false)).await;
            if number % 5 == 0 {
                world.say(&tenant, link_of(&tenant, link, 2, customer, &user, true)).await;
            }
        };
        let move_it = async {
            for turn in 0..4 {
                world.say(&tenant, customer_of(customer, i64::from(turn) + 1, of(turn))).await;
            }
        };
        futures::join!(write, link_it, move_it);
    });
    futures::future::join_all(said).await;
    let replicated = "SELECT count(*) FROM messaging.customer_replica WHERE version = 4";
    eventually(SOON, || async {
        let there = world.number("SELECT count(*) FROM messaging.conversation").await;
        let state = (there, world.number(replicated).await, world.number(LEFT).await, world.number(ASTRAY).await);
        if state == (i64::from(users), i64::from(users), 0, 0) { Ok(()) } else { Err(state) }
    })
    .await
    .unwrap();
    let unlinked = "SELECT count(*) FROM messaging.conversation WHERE NOT linked";
    assert_eq!(world.number(unlinked).await, 12, "whose links have ended");
    for house in replicas {
        house.close().await;
    }
}

#[tokio::test]
async fn an_account_with_many_conversations_changes_hands_in_steps_that_survive_a_kill() {
    let world = World::new("many").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (shibuya, ueno) = (world.branch(&tenant, "渋谷店").await, world.branch(&tenant, "上野店").await);
    let member = world.member(&house, &tenant, &[ueno]).await;
    world.account_of(&tenant, 2, None, Some(shibuya)).await;
    house.conversing(&world, &tenant).await;
    world
        .admin(
            "INSERT INTO messaging.conversation (tenant_id, conversation_id, account_id, kind, chat_key, activity_time)
             SELECT tenant_id, gen_random_uuid(), account_id, 1, 'U' || number, now()
             FROM messaging.conversation, generate_series(1, 999) AS n (number)",
        )
        .await;
    house.close().await;

    world.account_of(&tenant, 3, None, Some(ueno)).await;
    let mut killed = program(&world, testkit::port::free(), "messaging.before_placing");
    assert_eq!(killed.exit(SOON).await.unwrap().signal(), Some(9), "{:?}", killed.lines());
    let not_theirs = "SELECT count(*) FROM messaging.conversation WHERE version = 1";
    assert!(world.number(not_theirs).await > 200, "it was killed on the way");
    let house = world.open().await;
    eventually(SOON, || async {
        let left = (world.number(not_theirs).await, world.number(LEFT).await);
        if left == (0, 0) { Ok(()) } else { Err(left) }
    })
    .await
    .unwrap();
    let twice = "SELECT count(*) FROM messaging.conversation WHERE version > 2 AND chat_key NOT LIKE 'U________________________________'";
    assert_eq!(world.number(twice).await, 0, "each was changed once");
    let small = wire::ListConversationsRequest { page_size: 200, ..Default::default() };
    assert_eq!(house.seen_by(&tenant, member, &small).await.len(), 1_000);
    house.close().await;
}
