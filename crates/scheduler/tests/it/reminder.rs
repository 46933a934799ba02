//! Reminders of reservations: their timers follow reservations, rules and zones, and what is said follows what stands (F-107).

use chrono::TimeDelta;
use contracts::events::v1 as events;
use contracts::scheduler::v1 as wire;
use contracts::timestamp;
use futures::future::join_all;
use kernel::Clock as _;
use sqlx::Connection as _;
use uuid::Uuid;

use crate::house::House;
use crate::reminder_rules::{before, days_before, rule};
use crate::town::{Reservation, Town, at};
use crate::world::{SOON, Tenant};

/// Makes a rule; its ID.
pub(crate) async fn make(house: &House, tenant: &Tenant, rule: wire::ReminderRule) -> String {
    let request = wire::CreateReminderRuleRequest { reminder_rule: Some(rule), request_id: String::new() };
    let made = house.reminders(tenant).create_reminder_rule(request).await.unwrap().into_inner();
    made.reminder_rule.unwrap().rule_id
}

async fn change(house: &House, tenant: &Tenant, rule: wire::ReminderRule) {
    let request = wire::UpdateReminderRuleRequest { reminder_rule: Some(rule), update_mask: None };
    house.reminders(tenant).update_reminder_rule(request).await.unwrap();
}

async fn delete(house: &House, tenant: &Tenant, rule_id: &str) {
    let request = wire::DeleteReminderRuleRequest { rule_id: rule_id.to_owned(), etag: String::new() };
    house.reminders(tenant).delete_reminder_rule(request).await.unwrap();
}

#[tokio::test]
async fn a_reservation_is_reminded_of_by_each_rule_at_its_time() {
    let town = Town::new("reminder", "2026-03-01T00:00:00Z").await;
    let house = town.open().await;
    let tenant = town.tenant(&house, "Asia/Tokyo").await;
    let evening = make(&house, &tenant, rule(days_before(1, "18:00"))).await;
    let hour = make(&house, &tenant, wire::ReminderRule { template: "{time}".to_owned(), ..rule(before(3_600)) }).await;
    let off = make(&house, &tenant, wire::ReminderRule { active: false, ..rule(before(7_200)) }).await;
    let told = Reservation::at("2026-03-03T02:00:00Z");
    town.say_reservation(&tenant, &told).await;
    let due = [at("2026-03-02T09:00:00Z"), at("2026-03-03T01:00:00Z")];
    town.timers_once(&tenant, &due).await;

    town.clock.set(due[0] + TimeDelta::seconds(1));
    let first = town.reminders_once(&tenant, 1).await.remove(0);
    assert_eq!((first.rule_id.as_str(), first.template.starts_with("{customer_name}")), (evening.as_str(), true));
    let reminder = &first.reminders[0];
    assert_eq!((first.reminders.len(), reminder.activity_id.clone()), (1, told.activity.to_string()));
    assert_eq!((reminder.start_time, reminder.due_time), (Some(timestamp(told.start)), Some(timestamp(due[0]))));
    assert_eq!(reminder.expire_time, Some(timestamp(at("2026-03-02T11:00:00Z"))), "two hours late");
    town.clock.set(due[1] + TimeDelta::seconds(1));
    let second = town.reminders_once(&tenant, 2).await.remove(1);
    assert_eq!((second.rule_id.as_str(), second.template.as_str()), (hour.as_str(), "{time}"));
    assert_eq!(second.reminders[0].expire_time, Some(timestamp(told.start)), "not once it has begun");
    assert_ne!(off, hour);
    assert!(town.timers(&tenant).await.is_empty());
    house.close().await;
}

#[tokio::test]
async fn timers_are_moved_and_cancelled_with_the_reservation_in_any_order_of_its_versions() {
    let town = Town::new("moved", "2026-03-01T00:00:00Z").await;
    let house = town.open().await;
    let tenant = town.tenant(&house, "Asia/Tokyo").await;
    make(&house, &tenant, rule(before(3_600))).await;
    let first = Reservation::at("2026-03-03T02:00:00Z");
    let moved = Reservation { version: 3, start: at("2026-03-04T05:00:00Z"), ..first };
    town.say_reservation(&tenant, &moved).await;
    town.timers_once(&tenant, &[at("2026-03-04T04:00:00Z")]).await;
    // Older versions come late, and a visit is none that anybody is reminded of.
    town.say_reservation(&tenant, &first).await;
    town.say_reservation(&tenant, &Reservation { version: 2, active: false, ..first }).await;
    town.say_reservation(&tenant, &Reservation { kind: "VISIT", ..Reservation::at("2026-03-05T05:00:00Z") }).await;
    let witness = Reservation::at("2026-03-06T05:00:00Z");
    town.say_reservation(&tenant, &witness).await;
    let both = [at("2026-03-04T04:00:00Z"), at("2026-03-06T04:00:00Z")];
    town.timers_once(&tenant, &both).await;
    town.say_reservation(&tenant, &Reservation { version: 4, active: false, ..moved }).await;
    town.timers_once(&tenant, &both[1..]).await;
    // One that is back is reminded of again, one in the past or all too soon is not.
    town.say_reservation(&tenant, &Reservation { version: 5, ..moved }).await;
    town.say_reservation(&tenant, &Reservation::at("2026-02-28T05:00:00Z")).await;
    town.say_reservation(&tenant, &Reservation::at("2026-03-01T00:30:00Z")).await;
    town.timers_once(&tenant, &both).await;
    town.until("SELECT count(*) FROM scheduler.reservation", 4).await;
    assert_eq!(town.timers(&tenant).await, both);
    house.close().await;
}

#[tokio::test]
async fn rules_and_zones_that_change_plan_every_reservation_ahead_anew() {
    let town = Town::new("replan", "2026-03-05T00:00:00Z").await;
    let house = town.open().await;
    let tenant = town.tenant(&house, "America/New_York").await;
    let winter = Reservation::at("2026-03-07T20:00:00Z");
    let summer = Reservation::at("2026-03-09T20:00:00Z");
    for reservation in [winter, summer] {
        town.say_reservation(&tenant, &reservation).await;
    }
    // Eight in the morning is 13:00 in UTC before the clock goes forward on the 8th, and 12:00 from then on.
    let id = make(&house, &tenant, rule(days_before(0, "08:00"))).await;
    town.timers_once(&tenant, &[at("2026-03-07T13:00:00Z"), at("2026-03-09T12:00:00Z")]).await;
    let named = |when| wire::ReminderRule { rule_id: id.clone(), when, active: true, ..Default::default() };
    change(&house, &tenant, named(days_before(1, "02:30"))).await;
    town.planned().await;
    // On the 8th there is no 2:30: as soon as the clock has passed it.
    assert_eq!(town.timers(&tenant).await, [at("2026-03-06T07:30:00Z"), at("2026-03-08T07:00:00Z")]);
    town.say_tenant(&tenant, 2, "Asia/Tokyo", false).await;
    let tokyo = [at("2026-03-06T17:30:00Z"), at("2026-03-08T17:30:00Z")];
    town.timers_once(&tenant, &tokyo).await;
    change(&house, &tenant, named(before(600))).await;
    town.planned().await;
    assert_eq!(town.timers(&tenant).await, [at("2026-03-07T19:50:00Z"), at("2026-03-09T19:50:00Z")]);
    delete(&house, &tenant, &id).await;
    town.planned().await;
    assert!(town.timers(&tenant).await.is_empty());
    house.close().await;
}

#[tokio::test]
async fn a_rule_that_is_gone_and_a_reservation_that_does_not_stand_say_nothing() {
    let town = Town::new("gone", "2026-03-01T00:00:00Z").await;
    let house = town.open().await;
    let (deleted, cancelled) = (town.tenant(&house, "Asia/Tokyo").await, town.tenant(&house, "Asia/Tokyo").await);
    let (suspended, witness) = (town.tenant(&house, "Asia/Tokyo").await, town.tenant(&house, "Asia/Tokyo").await);
    let told = Reservation::at("2026-03-03T02:00:00Z");
    for tenant in [&deleted, &cancelled, &suspended, &witness] {
        make(&house, tenant, rule(before(3_600))).await;
        town.say_reservation(tenant, &told).await;
        town.timers_once(tenant, &[at("2026-03-03T01:00:00Z")]).await;
    }
    house.close().await;
    // As a moment in between finds it: the rule is deleted and its job not done, the cancellation has not had its timers cancelled.
    town.execute(&format!("DELETE FROM scheduler.reminder_rule WHERE tenant_id = '{}'", deleted.id)).await;
    town.execute(&format!("UPDATE scheduler.reservation SET active = false WHERE tenant_id = '{}'", cancelled.id))
        .await;
    town.execute(&format!("UPDATE scheduler.tenant_replica SET suspended = true WHERE tenant_id = '{}'", suspended.id))
        .await;
    town.clock.set(at("2026-03-03T01:00:01Z"));
    let house = town.open().await;
    town.reminders_once(&witness, 1).await;
    for tenant in [&deleted, &cancelled, &suspended] {
        town.timers_once(tenant, &[]).await;
        assert!(town.reminders(tenant).await.is_empty());
    }
    house.close().await;
}

#[tokio::test]
async fn a_reminder_that_comes_too_late_or_after_the_start_is_recorded_and_not_said() {
    let town = Town::new("late", "2026-03-01T00:00:00Z").await;
    let house = town.open().await;
    let tenant = town.tenant(&house, "Asia/Tokyo").await;
    make(&house, &tenant, rule(before(4 * 3_600))).await;
    for start in ["2026-03-03T02:00:00Z", "2026-03-03T06:00:00Z", "2026-03-03T07:30:00Z"] {
        town.say_reservation(&tenant, &Reservation::at(start)).await;
    }
    let due = ["2026-03-02T22:00:00Z", "2026-03-03T02:00:00Z", "2026-03-03T03:30:00Z"].map(at);
    town.timers_once(&tenant, &due).await;
    house.close().await;
    // Due at 22:00, 2:00 and 3:30; the first has begun, the second is more than two hours late.
    town.clock.set(at("2026-03-03T04:10:00Z"));
    let house = town.open().await;
    let said = town.reminders_once(&tenant, 1).await;
    assert_eq!(said[0].reminders.len(), 1);
    assert_eq!(said[0].reminders[0].start_time, Some(timestamp(at("2026-03-03T07:30:00Z"))));
    town.timers_once(&tenant, &[]).await;
    assert_eq!(town.number("SELECT count(*) FROM scheduler.missed_timer").await, 2);
    assert_eq!(town.reminders(&tenant).await.len(), 1);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn whatever_comes_at_once_each_reservation_ends_with_the_timers_it_wants() {
    let town = Town::new("at_once", "2026-03-01T00:00:00Z").await;
    let houses: Vec<House> = join_all((0..3).map(|_| town.open())).await;
    let tenant = town.tenant(&houses[0], "Asia/Tokyo").await;
    let id = make(&houses[0], &tenant, rule(before(3_600))).await;
    let reservations: Vec<Reservation> = (0..60)
        .map(|number| Reservation {
            start: at("2026-03-10T00:00:00Z") + TimeDelta::hours(number),
            ..Reservation::at("2026-03-10T00:00:00Z")
        })
        .collect();
    let arriving = async {
        for version in 1..=4 {
            for reservation in &reservations {
                let start = reservation.start + TimeDelta::days(version - 1);
                let cancelled = version == 4 && reservation.activity.as_u128() % 3 == 0;
                town.say_reservation(&tenant, &Reservation { version, start, active: !cancelled, ..*reservation })
                    .await;
            }
        }
    };
    let changing = async {
        for (round, seconds) in (0..12).map(|round| (round, 600 * (round + 1))) {
            let named =
                wire::ReminderRule { rule_id: id.clone(), when: before(seconds), active: true, ..Default::default() };
            change(&houses[usize::try_from(round).unwrap() % 3], &tenant, named).await;
        }
    };
    let moving = async {
        for version in 2..=6 {
            town.say_tenant(&tenant, version, if version % 2 == 0 { "Europe/Paris" } else { "Asia/Tokyo" }, false)
                .await;
        }
    };
    tokio::join!(arriving, changing, moving);
    let standing = reservations.iter().filter(|reservation| reservation.activity.as_u128() % 3 != 0);
    let mut wanted: Vec<_> =
        standing.map(|reservation| reservation.start + TimeDelta::days(3) - TimeDelta::seconds(7_200)).collect();
    wanted.sort();
    town.timers_once(&tenant, &wanted).await;
    town.planned().await;
    town.timers_once(&tenant, &wanted).await;
    assert!(town.clock.now() < wanted[0]);
    for house in houses {
        house.close().await;
    }
}

#[tokio::test]
async fn a_rule_that_changes_while_a_reservation_is_being_planned_finds_it() {
    const WAITING: &str = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND usename = 'scheduler' AND wait_event_type = 'Lock'";
    let town = Town::new("planning", "2026-03-01T00:00:00Z").await;
    let house = town.open().await;
    let tenant = town.tenant(&house, "Asia/Tokyo").await;
    let id = make(&house, &tenant, rule(before(3_600))).await;
    town.planned().await;
    // Whoever plans the reservation has read the rule, and cannot make the timer yet.
    let told = Reservation::at("2026-03-10T00:00:00Z");
    let mut admin = town.admin().await;
    let mut held = admin.begin().await.unwrap();
    sqlx::query(
        "INSERT INTO scheduler.timer (tenant_id, owner, key, generation, due, policy, late_seconds, part, near)
         VALUES ($1, 'reminder', $2, 1, now(), 1, 0, 0, false)",
    )
    .bind(tenant.id.uuid())
    .bind(format!("{}/{id}/{}", told.activity, told.start.timestamp_micros()))
    .execute(&mut *held)
    .await
    .unwrap();
    town.say_reservation(&tenant, &told).await;
    town.until(WAITING, 1).await;
    let changed = wire::ReminderRule { rule_id: id, when: before(7_200), active: true, ..Default::default() };
    let letting_go = async {
        // The change waits for the plan; if it did not, it and its job would be through.
        testkit::eventually(SOON, || async {
            let changed =
                town.number("SELECT count(*) FROM scheduler.audit WHERE action = 'reminder_rule.update'").await;
            let (waiting, left) =
                (town.number(WAITING).await, town.number("SELECT count(*) FROM scheduler.replanning").await);
            if waiting == 2 || changed == 1 && left == 0 { Ok(()) } else { Err((changed, waiting, left)) }
        })
        .await
        .unwrap();
        held.rollback().await.unwrap();
    };
    tokio::join!(change(&house, &tenant, changed), letting_go);
    town.timers_once(&tenant, &[at("2026-03-09T22:00:00Z")]).await;
    house.close().await;
}

/// So many reservations of a tenant, an hour after the other.
pub(crate) async fn many(town: &Town, tenant: &Tenant, count: i64) {
    for number in 0..count {
        let start = at("2026-04-01T00:00:00Z") + TimeDelta::hours(number);
        let told = Reservation { activity: Uuid::new_v4(), start, ..Reservation::at("2026-04-01T00:00:00Z") };
        town.say_reservation(tenant, &told).await;
    }
    town.until("SELECT count(*) FROM scheduler.reservation", count).await;
}

/// The reminders an event tells of.
pub(crate) fn starts(due: &[events::RemindersDue]) -> usize {
    due.iter().map(|due| due.reminders.len()).sum()
}
