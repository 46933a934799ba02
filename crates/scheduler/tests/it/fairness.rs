//! A tenant with a backlog keeps nobody waiting.

use uuid::Uuid;

use crate::house::{in_millis, timer};
use crate::world::{Tenant, World};

const BACKLOG: i64 = 60_000;

async fn backlog(world: &World, tenant: &Tenant) {
    world
        .execute(&format!(
            "INSERT INTO scheduler.timer
             SELECT '{id}'::uuid, 'booking', 'k' || n, 1, now() - interval '1 minute', 1, 0, NULL, {part}, true
             FROM generate_series(1, {BACKLOG}) n",
            id = tenant.id,
            part = scheduler_core::turn::part(tenant.id),
        ))
        .await;
}

/// Counted in timers and not in seconds: those of the busy tenant that were said between another's timer being made and being said.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_a_backlog_delays_another_of_the_same_part_by_a_share() {
    let world = World::new("fair").await;
    let house = world.open().await;
    // The low bits are the part; the busy one comes first among the tenants of it.
    let busy = world.tenant_called(&house, Uuid::from_u128(0x1_0000_0000_0000_0001).into()).await;
    let other = world.tenant_called(&house, Uuid::from_u128(0xffff_0000_0000_0000_0000_0000_0000_0001).into()).await;
    backlog(&world, &busy).await;
    let said = "SELECT coalesce(max(sequence), 0) FROM scheduler.outbox";
    world.until(&format!("SELECT least(({said}), 1)"), 1).await;
    let before = world.number(said).await;
    house.create(&other, vec![timer("mine", in_millis(0))]).await.unwrap();
    world.until_due(&other, 1).await;
    let mine = world.number(&format!("SELECT sequence FROM scheduler.outbox WHERE tenant_id = '{}'", other.id)).await;
    // 500 timers an event, and so four events a transaction of a lone tenant's: a few of those pass while the call is made.
    let between = (mine - before) * 500;
    assert!(between < BACKLOG / 2, "{between} timers of the busy tenant came first");
    world.until("SELECT count(*) FROM scheduler.timer", 0).await;
    assert_eq!(world.until_due(&busy, 60_000).await.len(), 60_000);
    let at_once =
        "SELECT max(events) FROM (SELECT count(*) AS events FROM scheduler.outbox GROUP BY tenant_id, time) t";
    assert!(world.number(at_once).await <= 4, "a transaction took more than 2,000 timers of a tenant");
    house.close().await;
}
