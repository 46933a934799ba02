//! Exactly one digest for each staff member and slot, whoever hears of the slot, how often, and whoever dies in between.

use std::os::unix::process::ExitStatusExt as _;

use testkit::eventually;

use super::slot::{say, slot};
use crate::killing::program;
use crate::notices::place::Office;
use crate::world::{SOON, Tenant, World};

/// Administrators beside the tenant's first one; more than are told in one step.
const STAFF: i64 = 120;
const DIGESTS: &str = "SELECT count(*) FROM messaging.digest";
const TOLD: &str = "SELECT count(*) FROM messaging.digest WHERE outcome = 1";
const NOTICES: &str = "SELECT count(*) FROM messaging.notice WHERE kind = 1";
/// Slots whose staff have not all been told.
const OPEN: &str = "SELECT count(*) FROM messaging.digest_slot WHERE due < 'infinity'";

/// Many administrators who are on LINE, as their replicas say.
async fn crowd(world: &World, tenant: &Tenant, office: &Office) {
    let (tenant, account) = (tenant.id, office.account);
    world
        .try_admin_of(&format!(
            "INSERT INTO messaging.staff_replica
                 (tenant_id, staff_id, version, display_name, organization_ids, rights, administrator, active)
             SELECT '{tenant}', gen_random_uuid(), 1, 'x', '{{}}', '{{13}}', true, true FROM generate_series(1, {STAFF});
             INSERT INTO messaging.staff_contact (tenant_id, staff_id, version, email_address, account_id, line_user_id)
             SELECT tenant_id, staff_id, 1, '', '{account}', 'U' || md5(staff_id::text) FROM messaging.staff_replica
             WHERE tenant_id = '{tenant}' AND display_name = 'x'"
        ))
        .await
        .unwrap();
}

/// Waits until so many are told, each by one notice, and nothing is left to be done.
async fn until_all_are_told(world: &World, digests: i64, notices: i64) {
    eventually(SOON, || async {
        let state = (world.number(DIGESTS).await, world.number(NOTICES).await, world.number(OPEN).await);
        if state == (digests, notices, 0) { Ok(()) } else { Err(state) }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn three_replicas_that_hear_of_a_slot_again_and_again_tell_each_member_once() {
    let world = World::new("digest_thrice").await;
    let replicas = [world.open().await, world.open().await, world.open().await];
    let tenant = world.tenant(&replicas[0]).await;
    let office = Office::open(&world, &tenant).await;
    crowd(&world, &tenant, &office).await;
    replicas[0].conversing(&world, &tenant).await;
    let due = slot(0);
    // Each under an ID of its own, as after scheduler lost what it knew.
    futures::future::join_all((0..12).map(|_| say(&world, &tenant, &due))).await;
    until_all_are_told(&world, STAFF + 1, STAFF).await;
    say(&world, &tenant, &due).await;
    let next = slot(-1);
    say(&world, &tenant, &next).await;
    until_all_are_told(&world, 2 * (STAFF + 1), 2 * STAFF).await;
    assert_eq!(world.number("SELECT count(*) FROM messaging.digest_slot").await, 2);
    for house in replicas {
        house.close().await;
    }
}

#[tokio::test]
async fn a_process_killed_between_two_steps_leaves_the_rest_to_the_next_and_tells_nobody_twice() {
    let world = World::new("digest_killed").await;
    let mut digests = 0;
    for (round, place) in ["messaging.before_digest", "messaging.after_digest"].into_iter().enumerate() {
        let house = world.open().await;
        let tenant = world.tenant(&house).await;
        let office = Office::open(&world, &tenant).await;
        crowd(&world, &tenant, &office).await;
        house.conversing(&world, &tenant).await;
        house.close().await;
        let rounds = i64::try_from(round).unwrap();
        say(&world, &tenant, &slot(0)).await;
        let mut killed = program(&world, testkit::port::free(), place);
        assert_eq!(killed.exit(SOON).await.unwrap().signal(), Some(9), "{place}: {:?}", killed.lines());
        let told = world.number(DIGESTS).await - digests;
        assert!((1..STAFF).contains(&told), "{place}: {told} before it was killed");
        assert_eq!(world.number(NOTICES).await, world.number(TOLD).await, "{place}: a digest comes with its notice");
        // The claim of whoever died runs out.
        world.admin("UPDATE messaging.digest_slot SET due = now() WHERE due < 'infinity'").await;
        let next = world.open().await;
        digests = (rounds + 1) * (STAFF + 1);
        until_all_are_told(&world, digests, (rounds + 1) * STAFF).await;
        next.close().await;
    }
}
