//! Digest slots: each is said once or recorded as missed, whatever happens meanwhile (D-4, F-27, L-12).

use std::collections::BTreeSet;

use chrono::TimeDelta;
use contracts::scheduler::v1 as wire;
use contracts::timestamp;
use futures::future::join_all;
use kernel::Clock as _;
use wire::DigestSlotState::{Merged, Said, Suspended, TooLate};

use crate::house::House;
use crate::world::{Tenant, World, at};

/// Slots as a test writes them.
fn slots(all: &[(&str, wire::DigestSlotState)]) -> Vec<(String, wire::DigestSlotState)> {
    all.iter().map(|(local, state)| ((*local).to_owned(), *state)).collect()
}

#[tokio::test]
async fn the_digest_is_said_at_eight_and_at_twenty_where_the_tenant_lives() {
    let world = World::new("digest", "2026-03-01T00:00:00Z").await;
    let house = world.open().await;
    let tokyo = world.tenant(&house, "Asia/Tokyo").await;
    let settings = house.settings(&tokyo).await;
    assert_eq!(
        (settings.times, settings.time_zone),
        (vec!["08:00".to_owned(), "20:00".to_owned()], "Asia/Tokyo".to_owned())
    );
    assert_eq!(settings.next_slot_time, Some(timestamp(at("2026-03-01T11:00:00Z"))));

    world.clock.set(at("2026-03-01T11:00:01Z"));
    world.digests_once(tokyo.id, 1).await;
    world.clock.set(at("2026-03-01T23:00:01Z"));
    assert_eq!(world.digests_once(tokyo.id, 2).await, ["2026-03-01T20:00", "2026-03-02T08:00"]);
    let said = world.digests(tokyo.id).await.remove(1);
    assert_eq!(said.slot_time, Some(timestamp(at("2026-03-01T23:00:00Z"))));
    assert_eq!(said.expire_time, Some(timestamp(at("2026-03-02T02:00:00Z"))), "three hours late at the most");
    assert_eq!((said.recipient_staff_ids.len(), said.send_empty), (0, false), "everybody who has something unread");
    let listed = house.slots(&tokyo).await;
    assert_eq!(listed, slots(&[("2026-03-02T08:00", Said), ("2026-03-01T20:00", Said)]));
    assert_eq!(world.published().await.len(), 2);
    house.close().await;
}

#[tokio::test]
async fn a_digest_is_never_early_and_none_is_said_twice_when_the_clock_jumps() {
    let world = World::new("jumps", "2026-03-01T00:00:00Z").await;
    let house = world.open().await;
    let tenant = world.tenant(&house, "Asia/Tokyo").await;
    // A minute before the slot another tenant's comes, so that the schedules have been looked at.
    let witness = world.tenant(&house, "Asia/Tokyo").await;
    house.set(&witness, wire::DigestSettings { times: vec!["19:59".to_owned()], ..Default::default() }).await;
    world.clock.set(at("2026-03-01T10:59:59.5Z"));
    world.digests_once(witness.id, 1).await;
    assert!(world.digests(tenant.id).await.is_empty(), "half a second is early");
    world.clock.set(at("2026-03-01T11:00:00Z"));
    world.digests_once(tenant.id, 1).await;

    for (jump, said) in [("2026-02-20T03:00:00Z", 1), ("2026-03-01T11:30:00Z", 1), ("2026-03-01T23:10:00Z", 2)] {
        world.clock.set(at(jump));
        // Whatever follows from the jump follows before this is answered by the next one.
        world.digests_once(tenant.id, said).await;
    }
    world.clock.set(at("2026-02-01T00:00:00Z"));
    house
        .set(
            &tenant,
            wire::DigestSettings {
                times: vec!["08:00".to_owned(), "20:00".to_owned(), "12:00".to_owned()],
                ..Default::default()
            },
        )
        .await;
    world.clock.set(at("2026-03-02T03:00:30Z"));
    let said = world.digests_once(tenant.id, 3).await;
    assert_eq!(said, ["2026-03-01T20:00", "2026-03-02T08:00", "2026-03-02T12:00"]);
    house.close().await;
}

#[tokio::test]
async fn what_passed_while_nobody_looked_is_recorded_and_the_last_in_time_is_said() {
    let world = World::new("missed", "2026-03-01T00:00:00Z").await;
    let house = world.open().await;
    let (merged, late) = (world.tenant(&house, "Asia/Tokyo").await, world.tenant(&house, "Asia/Tokyo").await);
    house
        .set(
            &late,
            wire::DigestSettings {
                late_for: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
                ..Default::default()
            },
        )
        .await;
    house.close().await;

    world.clock.set(at("2026-03-02T12:00:00Z"));
    let house = world.open().await;
    let after = |last| slots(&[("2026-03-02T20:00", last)]);
    let listed = house.slots_once(&merged, |slots| slots.len() == 3).await;
    assert_eq!(listed[..1], after(Said));
    assert_eq!(listed[1..], slots(&[("2026-03-02T08:00", Merged), ("2026-03-01T20:00", Merged)]));
    let listed = house.slots_once(&late, |slots| slots.len() == 3).await;
    assert!(listed.iter().all(|(_, state)| *state == TooLate), "{listed:?}");
    assert_eq!((world.digests(merged.id).await.len(), world.digests(late.id).await.len()), (1, 0));

    // Months later only the last slots are listed one by one.
    house.close().await;
    world.clock.set(at("2026-06-02T22:00:00Z"));
    let house = world.open().await;
    house.slots_once(&merged, |slots| slots.len() == 63).await;
    let request = wire::ListDigestSlotsRequest { state: TooLate.into(), page_size: 200, ..Default::default() };
    let listed = house.digests(&merged).list_digest_slots(request).await.unwrap().into_inner().digest_slots;
    let unlisted: Vec<i32> = listed.iter().map(|slot| slot.unlisted_before).filter(|unlisted| *unlisted > 0).collect();
    assert_eq!((listed.len(), unlisted), (60, vec![184 - 60]), "92 days of two");
    house.close().await;
}

#[tokio::test]
async fn nothing_is_said_for_a_suspended_tenant_nor_afterwards_of_that_time() {
    let world = World::new("suspended", "2026-03-01T00:00:00Z").await;
    let house = world.open().await;
    let tenant = world.tenant(&house, "Asia/Tokyo").await;
    let known = async |version: i64| {
        testkit::eventually(crate::world::SOON, || async {
            let now = world.number("SELECT max(version) FROM scheduler.tenant_replica").await;
            if now == version { Ok(()) } else { Err(now) }
        })
        .await
        .unwrap();
    };
    world.say_tenant(&tenant, 2, tenant.zone, true).await;
    known(2).await;
    world.clock.set(at("2026-03-01T11:01:00Z"));
    house.slots_once(&tenant, |slots| slots.len() == 1).await;
    // The next slot passes while no process runs, and the suspension is lifted before any looks.
    house.close().await;
    world.clock.set(at("2026-03-01T23:01:00Z"));
    world.say_tenant(&tenant, 3, tenant.zone, false).await;
    let house = world.open().await;
    known(3).await;
    world.clock.set(at("2026-03-02T11:01:00Z"));
    let listed = house.slots_once(&tenant, |slots| slots.len() == 3).await;
    let expected = [("2026-03-02T20:00", Said), ("2026-03-02T08:00", Suspended), ("2026-03-01T20:00", Suspended)];
    assert_eq!(listed, slots(&expected));
    assert_eq!(world.digests_once(tenant.id, 1).await, ["2026-03-02T20:00"]);
    house.close().await;
}

#[tokio::test]
async fn summer_time_moves_the_slots_with_the_wall_clock_and_repeats_none() {
    let world = World::new("summer", "2026-03-07T12:00:00Z").await;
    let house = world.open().await;
    let tenant = world.tenant(&house, "America/New_York").await;
    let times = ["02:30", "08:00", "01:15"].map(str::to_owned).to_vec();
    house.set(&tenant, wire::DigestSettings { times, ..Default::default() }).await;
    // On the 8th the clock goes from two to three: 2:30 never comes, and 8:00 is an hour earlier than the day before.
    for moment in ["2026-03-07T13:00:05Z", "2026-03-08T06:15:05Z", "2026-03-08T07:00:05Z", "2026-03-08T12:00:05Z"] {
        let before = world.digests(tenant.id).await.len();
        world.clock.set(at(moment));
        world.digests_once(tenant.id, before + 1).await;
    }
    let said = world.digests_once(tenant.id, 4).await;
    assert_eq!(said, ["2026-03-07T08:00", "2026-03-08T01:15", "2026-03-08T03:00", "2026-03-08T08:00"]);
    // On 1 November it goes from two back to one: 1:15 comes twice, and the first counts.
    world.clock.set(at("2026-11-01T05:15:05Z"));
    let said = world.digests_once(tenant.id, 5).await;
    assert_eq!(said[4], "2026-11-01T01:15");
    world.clock.set(at("2026-11-01T06:20:00Z"));
    assert_eq!(house.settings(&tenant).await.next_slot_time, Some(timestamp(at("2026-11-01T07:30:00Z"))));
    world.clock.set(at("2026-11-01T07:30:05Z"));
    let said = world.digests_once(tenant.id, 6).await;
    assert_eq!(said[5..], ["2026-11-01T02:30".to_owned()]);
    house.close().await;
}

#[tokio::test]
async fn a_tenant_that_moves_hears_of_what_was_due_and_then_by_the_new_clock() {
    let world = World::new("zone", "2026-03-01T00:00:00Z").await;
    let house = world.open().await;
    let tenant = world.tenant(&house, "Asia/Tokyo").await;
    house.close().await;
    // At 20:30 in Tokyo the tenant moves to Paris, where it is 12:30, before anybody looked at the slot of 20:00.
    world.clock.set(at("2026-03-01T11:30:00Z"));
    world.say_tenant(&tenant, 2, "Europe/Paris", false).await;
    let house = world.open().await;
    house.settings_once(&tenant, |settings| settings.time_zone == "Europe/Paris").await;
    assert_eq!(world.digests_once(tenant.id, 1).await, ["2026-03-01T20:00"]);
    assert_eq!(house.settings(&tenant).await.next_slot_time, Some(timestamp(at("2026-03-01T19:00:00Z"))));
    world.clock.set(at("2026-03-01T19:00:01Z"));
    assert_eq!(
        world.digests_once(tenant.id, 2).await,
        ["2026-03-01T20:00", "2026-03-01T20:00"],
        "twice eight, two moments"
    );
    // An older word of the tenant that comes late changes nothing.
    world.say_tenant(&tenant, 1, "Asia/Tokyo", true).await;
    world.say_tenant(&tenant, 3, "Europe/Paris", false).await;
    world.clock.set(at("2026-03-02T07:00:01Z"));
    assert_eq!(world.digests_once(tenant.id, 3).await[2], "2026-03-02T08:00");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn three_processes_say_each_slot_once_while_the_clock_jumps() {
    let world = World::new("three", "2026-03-01T00:00:00Z").await;
    let houses: Vec<House> = join_all((0..3).map(|_| world.open())).await;
    let mut tenants: Vec<Tenant> = Vec::new();
    for _ in 0..24 {
        tenants.push(world.tenant(&houses[0], "Asia/Tokyo").await);
    }
    for slot in 1..=8_i32 {
        // Forwards to a little behind the slot, and back by hours while some have not looked yet.
        world.clock.set(at("2026-02-28T23:00:02Z") + TimeDelta::hours(12) * slot);
        world.digests_once(tenants[0].id, usize::try_from(slot).unwrap()).await;
        world.clock.turn(TimeDelta::hours(-5));
        world.clock.turn(TimeDelta::hours(5));
        for tenant in &tenants {
            world.digests_once(tenant.id, usize::try_from(slot).unwrap()).await;
        }
    }
    for tenant in &tenants {
        let said: Vec<_> = world.digests(tenant.id).await.into_iter().map(|due| due.slot_time).collect();
        let distinct: BTreeSet<_> = said.iter().map(|slot| slot.map(|slot| slot.seconds)).collect();
        assert_eq!((said.len(), distinct.len()), (8, 8), "each once");
    }
    let mut published = world.published().await;
    assert_eq!(published.len(), 8 * 24);
    published.sort();
    published.dedup();
    assert_eq!(published.len(), 8 * 24, "and each under an ID of its own");
    assert!(world.clock.now() > at("2026-03-04T00:00:00Z"));
    for house in houses {
        house.close().await;
    }
}
