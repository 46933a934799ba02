//! The program killed (SIGKILL) where it can hurt: what was due is said once, by whoever comes next.

use std::os::unix::process::ExitStatusExt as _;

use chrono::TimeDelta;
use testkit::eventually;

use contracts::scheduler::v1 as wire;
use contracts::scheduler::v1::reminder_rule_service_client::ReminderRuleServiceClient;

use crate::asking::way;
use crate::reminder::{many, starts};
use crate::reminder_rules::{before, rule};
use crate::town::{Town, at};
use crate::world::SOON;

#[tokio::test]
async fn a_process_killed_before_or_after_it_said_a_digest_leaves_each_said_once() {
    for place in ["scheduler.before_digest", "scheduler.after_digest"] {
        let town = Town::new("killed", "2026-03-01T00:00:00Z").await;
        let house = town.open().await;
        let mut tenants = Vec::new();
        for _ in 0..6 {
            tenants.push(town.tenant(&house, "Asia/Tokyo").await);
        }
        house.close().await;
        town.clock.set(at("2026-03-01T11:00:05Z"));
        let mut killed = town.program(place, testkit::port::free()).await;
        let status = killed.exit(SOON).await.unwrap();
        assert_eq!(status.signal(), Some(9), "{place}: {:?}", killed.lines());

        let house = town.open().await;
        for tenant in &tenants {
            assert_eq!(town.digests_once(tenant, 1).await, ["2026-03-01T20:00"], "{place}");
        }
        // The next slot comes behind whatever was left of this one.
        town.clock.set(at("2026-03-01T23:00:05Z"));
        for tenant in &tenants {
            assert_eq!(town.digests_once(tenant, 2).await, ["2026-03-01T20:00", "2026-03-02T08:00"], "{place}");
        }
        assert_eq!(town.published().await.len(), 12, "{place}");
        house.close().await;
    }
}

#[tokio::test]
async fn a_process_killed_while_it_plans_anew_leaves_a_job_that_another_ends() {
    for place in ["scheduler.before_replanning", "scheduler.after_replanning"] {
        let town = Town::new("killed_plan", "2026-03-01T00:00:00Z").await;
        let house = town.open().await;
        let tenant = town.tenant(&house, "Asia/Tokyo").await;
        many(&town, &tenant, 450).await;
        house.close().await;
        let port = testkit::port::free();
        let mut killed = town.program(place, port).await;
        let request =
            wire::CreateReminderRuleRequest { reminder_rule: Some(rule(before(3_600))), request_id: String::new() };
        eventually(SOON, || {
            let (request, mut client) = (request.clone(), ReminderRuleServiceClient::new(way(&tenant, port)));
            async move { client.create_reminder_rule(request).await.map(drop).map_err(|status| status.code()) }
        })
        .await
        .unwrap();
        let status = killed.exit(SOON).await.unwrap();
        assert_eq!(status.signal(), Some(9), "{place}: {:?}", killed.lines());
        let left = town.number("SELECT count(*) FROM scheduler.replanning").await;
        assert_eq!(left, 1, "{place}: it was not through");

        let house = town.open().await;
        let timers = eventually(SOON, || async {
            let timers = town.timers(&tenant).await;
            if timers.len() == 450 { Ok(timers) } else { Err(timers.len()) }
        });
        assert_eq!(timers.await.unwrap()[449], at("2026-04-01T00:00:00Z") + TimeDelta::hours(448), "{place}");
        town.clock.set(at("2026-04-01T00:00:01Z") + TimeDelta::hours(1));
        let said = town.reminders_once(&tenant, 1).await;
        assert!(starts(&said) >= 1, "{place}");
        house.close().await;
    }
}

#[tokio::test]
async fn a_postgres_that_is_killed_as_digests_are_due_loses_none_and_repeats_none() {
    let mut server = testkit::postgres::Private::start().await.unwrap();
    let town = Town::on(&server.cluster().unwrap(), "restart", "2026-03-01T00:00:00Z").await;
    let houses = [town.open().await, town.open().await, town.open().await];
    let mut tenants = Vec::new();
    for _ in 0..12 {
        tenants.push(town.tenant(&houses[0], "Asia/Tokyo").await);
    }
    for (round, slot) in ["2026-03-01T11:00:01Z", "2026-03-01T23:00:01Z", "2026-03-02T11:00:01Z"].iter().enumerate() {
        town.clock.set(at(slot));
        // Some may be said by now and some not.
        town.digests_once(&tenants[0], round + 1).await;
        server.kill9().await.unwrap();
        server.start_again().await.unwrap();
        for tenant in &tenants {
            assert_eq!(town.digests_once(tenant, round + 1).await.len(), round + 1);
        }
    }
    for tenant in &tenants {
        assert_eq!(town.digests_once(tenant, 3).await, ["2026-03-01T20:00", "2026-03-02T08:00", "2026-03-02T20:00"]);
    }
    for house in houses {
        house.close().await;
    }
}
