//! Digest slots: each is said once or recorded as missed, whatever happens meanwhile (D-4, F-27, L-12).

use std::collections::BTreeSet;

use chrono::TimeDelta;
use contracts::scheduler::v1 as wire;
use contracts::timestamp;
use futures::future::join_all;
use kernel::Clock as _;
use wire::DigestSlotState::{Merged, Said, Suspended, TooLate};

use crate::house::House;
use crate::town::{Town, at};
use crate::world::Tenant;

/// Slots as a test writes them.
fn slots(all: &[(&str, wire::DigestSlotState)]) -> Vec<(String, wire::DigestSlotState)> {
    all.iter().map(|(local, state)| ((*local).to_owned(), *state)).collect()
}

#[tokio::test]
async fn the_digest_is_said_at_eight_and_at_twenty_where_the_tenant_lives() {
    let town = Town::new("digest", "2026-03-01T00:00:00Z").await;
    let house = town.open().await;
    let tokyo = town.tenant(&house, "Asia/Tokyo").await;
    let settings = house.settings(&tokyo).await;
    assert_eq!(
        (settings.times, settings.time_zone),
        (vec!["08:00".to_owned(), "20:00".to_owned()], "Asia/Tokyo".to_owned())
    );
    assert_eq!(settings.next_slot_time, Some(timestamp(at("2026-03-01T11:00:00Z"))));

    town.clock.set(at("2026-03-01T11:00:01Z"));
    town.digests_once(&tokyo, 1).await;
    town.clock.set(at("2026-03-01T23:00:01Z"));
    assert_eq!(town.digests_once(&tokyo, 2).await, ["2026-03-01T20:00", "2026-03-02T08:00"]);
    let said = town.digests(&tokyo).await.remove(1);
    assert_eq!(said.slot_time, Some(timestamp(at("2026-03-01T23:00:00Z"))));
    assert_eq!(said.expire_time, Some(timestamp(at("2026-03-02T02:00:00Z"))), "three hours late at the most");
    assert_eq!((said.recipient_staff_ids.len(), said.send_empty), (0, false), "everybody who has something unread");
    let listed = house.slots(&tokyo).await;
    assert_eq!(listed, slots(&[("2026-03-02T08:00", Said), ("2026-03-01T20:00", Said)]));
    assert_eq!(town.published().await.len(), 2);
    house.close().await;
}

#[tokio::test]
async fn a_digest_is_never_early_and_none_is_said_twice_when_the_clock_jumps() {
    let town = Town::new("jumps", "2026-03-01T00:00:00Z").await;
    let house = town.open().await;
    let tenant = town.tenant(&house, "Asia/Tokyo").await;
    // A minute before the slot another tenant's comes, so that the schedules have been looked at.
    let witness = town.tenant(&house, "Asia/Tokyo").await;
    house.set(&witness, wire::DigestSettings { times: vec!["19:59".to_owned()], ..Default::default() }).await;
    town.clock.set(at("2026-03-01T10:59:59.5Z"));
    town.digests_once(&witness, 1).await;
    assert!(town.digests(&tenant).await.is_empty(), "half a second is early");
    town.clock.set(at("2026-03-01T11:00:00Z"));
    town.digests_once(&tenant, 1).await;

    for (jump, said) in [("2026-02-20T03:00:00Z", 1), ("2026-03-01T11:30:00Z", 1), ("2026-03-01T23:10:00Z", 2)] {
        town.clock.set(at(jump));
        // Whatever follows from the jump follows before this is answered by the next one.
        town.digests_once(&tenant, said).await;
    }
    town.clock.set(at("2026-02-01T00:00:00Z"));
    house
        .set(
            &tenant,
            wire::DigestSettings {
                times: vec!["08:00".to_owned(), "20:00".to_owned(), "12:00".to_owned()],
                ..Default::default()
            },
        )
        .await;
    town.clock.set(at("2026-03-02T03:00:30Z"));
    let said = town.digests_once(&tenant, 3).await;
    assert_eq!(said, ["2026-03-01T20:00", "2026-03-02T08:00", "2026-03-02T12:00"]);
    house.close().await;
}

#[tokio::test]
async fn what_passed_while_nobody_looked_is_recorded_and_the_last_in_time_is_said() {
    let town = Town::new("missed", "2026-03-01T00:00:00Z").await;
    let house = town.open().await;
    let (merged, late) = (town.tenant(&house, "Asia/Tokyo").await, town.tenant(&house, "Asia/Tokyo").await);
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

    town.clock.set(at("2026-03-02T12:00:00Z"));
    let house = town.open().await;
    let after = |last| slots(&[("2026-03-02T20:00", last)]);
    let listed = house.slots_once(&merged, 3).await;
    assert_eq!(listed[..1], after(Said));
    assert_eq!(listed[1..], slots(&[("2026-03-02T08:00", Merged), ("2026-03-01T20:00", Merged)]));
    let listed = house.slots_once(&late, 3).await;
    assert!(listed.iter().all(|(_, state)| *state == TooLate), "{listed:?}");
    assert_eq!((town.digests(&merged).await.len(), town.digests(&late).await.len()), (1, 0));

    // Months later only the last slots are listed one by one.
    house.close().await;
    town.clock.set(at("2026-06-02T22:00:00Z"));
    let house = town.open().await;
    house.slots_once(&merged, 63).await;
    let request = wire::ListDigestSlotsRequest { state: TooLate.into(), page_size: 200, ..Default::default() };
    let listed = house.digests(&merged).list_digest_slots(request).await.unwrap().into_inner().digest_slots;
    let unlisted: Vec<i32> = listed.iter().map(|slot| slot.unlisted_before).filter(|unlisted| *unlisted > 0).collect();
    assert_eq!((listed.len(), unlisted), (60, vec![184 - 60]), "92 days of two");
    house.close().await;
}

#[tokio::test]
async fn nothing_is_said_for_a_suspended_tenant_nor_afterwards_of_that_time() {
    let town = Town::new("suspended", "2026-03-01T00:00:00Z").await;
    let house = town.open().await;
    let tenant = town.tenant(&house, "Asia/Tokyo").await;
    let known = "SELECT max(version) FROM scheduler.tenant_replica";
    town.say_tenant(&tenant, 2, "Asia/Tokyo", true).await;
    town.until(known, 2).await;
    town.clock.set(at("2026-03-01T11:01:00Z"));
    house.slots_once(&tenant, 1).await;
    // The next slot passes while no process runs, and the suspension is lifted before any looks.
    house.close().await;
    town.clock.set(at("2026-03-01T23:01:00Z"));
    town.say_tenant(&tenant, 3, "Asia/Tokyo", false).await;
    let house = town.open().await;
    town.until(known, 3).await;
    town.clock.set(at("2026-03-02T11:01:00Z"));
    let listed = house.slots_once(&tenant, 3).await;
    let expected = [("2026-03-02T20:00", Said), ("2026-03-02T08:00", Suspended), ("2026-03-01T20:00", Suspended)];
    assert_eq!(listed, slots(&expected));
    assert_eq!(town.digests_once(&tenant, 1).await, ["2026-03-02T20:00"]);
    house.close().await;
}

#[tokio::test]
async fn summer_time_moves_the_slots_with_the_wall_clock_and_repeats_none() {
    let town = Town::new("summer", "2026-03-07T12:00:00Z").await;
    let house = town.open().await;
    let tenant = town.tenant(&house, "America/New_York").await;
    let times = ["02:30", "08:00", "01:15"].map(str::to_owned).to_vec();
    house.set(&tenant, wire::DigestSettings { times, ..Default::default() }).await;
    // On the 8th the clock goes from two to three: 2:30 never comes, and 8:00 is an hour earlier than the day before.
    for moment in ["2026-03-07T13:00:05Z", "2026-03-08T06:15:05Z", "2026-03-08T07:00:05Z", "2026-03-08T12:00:05Z"] {
        let before = town.digests(&tenant).await.len();
        town.clock.set(at(moment));
        town.digests_once(&tenant, before + 1).await;
    }
    let said = town.digests_once(&tenant, 4).await;
    assert_eq!(said, ["2026-03-07T08:00", "2026-03-08T01:15", "2026-03-08T03:00", "2026-03-08T08:00"]);
    // On 1 November it goes from two back to one: 1:15 comes twice, and the first counts.
    town.clock.set(at("2026-11-01T05:15:05Z"));
    let said = town.digests_once(&tenant, 5).await;
    assert_eq!(said[4], "2026-11-01T01:15");
    town.clock.set(at("2026-11-01T06:20:00Z"));
    assert_eq!(house.settings(&tenant).await.next_slot_time, Some(timestamp(at("2026-11-01T07:30:00Z"))));
    town.clock.set(at("2026-11-01T07:30:05Z"));
    let said = town.digests_once(&tenant, 6).await;
    assert_eq!(said[5..], ["2026-11-01T02:30".to_owned()]);
    house.close().await;
}

#[tokio::test]
async fn a_tenant_that_moves_hears_of_what_was_due_and_then_by_the_new_clock() {
    let town = Town::new("zone", "2026-03-01T00:00:00Z").await;
    let house = town.open().await;
    let tenant = town.tenant(&house, "Asia/Tokyo").await;
    house.close().await;
    // At 20:30 in Tokyo the tenant moves to Paris, where it is 12:30, before anybody looked at the slot of 20:00.
    town.clock.set(at("2026-03-01T11:30:00Z"));
    town.say_tenant(&tenant, 2, "Europe/Paris", false).await;
    let house = town.open().await;
    house.settings_once(&tenant, |settings| settings.time_zone == "Europe/Paris").await;
    assert_eq!(town.digests_once(&tenant, 1).await, ["2026-03-01T20:00"]);
    assert_eq!(house.settings(&tenant).await.next_slot_time, Some(timestamp(at("2026-03-01T19:00:00Z"))));
    town.clock.set(at("2026-03-01T19:00:01Z"));
    assert_eq!(
        town.digests_once(&tenant, 2).await,
        ["2026-03-01T20:00", "2026-03-01T20:00"],
        "twice eight, two moments"
    );
    // An older word of the tenant that comes late changes nothing.
    town.say_tenant(&tenant, 1, "Asia/Tokyo", true).await;
    town.say_tenant(&tenant, 3, "Europe/Paris", false).await;
    town.clock.set(at("2026-03-02T07:00:01Z"));
    assert_eq!(town.digests_once(&tenant, 3).await[2], "2026-03-02T08:00");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn three_replicas_say_each_slot_once_while_the_clock_jumps() {
    let town = Town::new("three", "2026-03-01T00:00:00Z").await;
    let houses: Vec<House> = join_all((0..3).map(|_| town.open())).await;
    let (mut tenants, mut witnesses): (Vec<Tenant>, Vec<Tenant>) = (Vec::new(), Vec::new());
    for _ in 0..24 {
        tenants.push(town.tenant(&houses[0], "Asia/Tokyo").await);
    }
    for slot in 1..=8_i32 {
        // Forwards to a little behind the slot, and back by hours while some have not looked yet.
        let behind = at("2026-02-28T23:00:02Z") + TimeDelta::hours(12) * slot;
        let slots = usize::try_from(slot).unwrap();
        town.clock.set(behind);
        town.digests_once(&tenants[0], slots).await;
        let back = behind - TimeDelta::hours(5);
        town.clock.set(back);
        // A tenant of that hour, whose slot is said before the clock is right again: somebody has looked by it.
        let witness = town.tenant(&houses[0], "Asia/Tokyo").await;
        let minute = if slot % 2 == 0 { "03:01" } else { "15:01" };
        let only = wire::DigestSettings { times: vec![minute.to_owned()], ..Default::default() };
        houses[0].set(&witness, only).await;
        town.clock.set(back + TimeDelta::minutes(2));
        town.digests_once(&witness, 1).await;
        let no_more = wire::DigestSettings { quiet_weekdays: (1..=7).collect(), ..Default::default() };
        houses[0].set(&witness, no_more).await;
        town.clock.set(behind);
        for tenant in &tenants {
            town.digests_once(tenant, slots).await;
        }
        witnesses.push(witness);
    }
    for tenant in &tenants {
        let said: Vec<_> = town.digests(tenant).await.into_iter().map(|due| due.slot_time).collect();
        let distinct: BTreeSet<_> = said.iter().map(|slot| slot.map(|slot| slot.seconds)).collect();
        assert_eq!((said.len(), distinct.len()), (8, 8), "each once");
    }
    for witness in &witnesses {
        assert_eq!(town.digests(witness).await.len(), 1);
    }
    let mut published = town.published().await;
    assert_eq!(published.len(), 8 * 24 + 8);
    published.sort();
    published.dedup();
    assert_eq!(published.len(), 8 * 24 + 8, "and each under an ID of its own");
    assert!(town.clock.now() > at("2026-03-04T00:00:00Z"));
    for house in houses {
        house.close().await;
    }
}
