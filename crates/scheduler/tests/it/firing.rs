//! Timers said at their moments, once each.

use contracts::events::v1::scheduler_event::Body as Said;
use contracts::scheduler::v1::LateMode;
use testkit::eventually;

use crate::house::{in_millis, timer, timer_with};
use crate::world::{SOON, World};

#[tokio::test]
async fn a_timer_is_said_once_at_its_moment_and_not_before() {
    let world = World::new("firing").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let timers = vec![timer("soon", in_millis(700)), timer("past", in_millis(-5)), timer("far", in_millis(90_000_000))];
    let made = house.create(&tenant, timers).await.unwrap();
    assert_eq!(made.iter().map(|timer| timer.key.as_str()).collect::<Vec<_>>(), ["soon", "past", "far"]);
    assert_eq!(house.get(&tenant, "far").await.unwrap(), made[2]);
    assert_eq!(world.until_due(&tenant, 2).await, ["past", "soon"]);
    let generations: Vec<i64> = world.due(&tenant).await.into_iter().map(|(_, generation)| generation).collect();
    assert_eq!(generations, [made[1].generation, made[0].generation], "the past one first");
    assert_eq!(house.get(&tenant, "soon").await.unwrap_err().code(), tonic::Code::NotFound);
    let early = "SELECT count(*) FROM scheduler.outbox WHERE happened = 'timers_due' AND created_at < time";
    assert_eq!(world.number(early).await, 0);
    world.until("SELECT count(*) FROM scheduler.outbox_pending", 0).await;
    house.close().await;
}

#[tokio::test]
async fn each_policy_says_records_or_merges_what_is_late() {
    let world = World::new("policies").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (late, later) = (in_millis(-100_000), in_millis(-50_000));
    let timers = vec![
        timer_with("always", late, LateMode::Always, 0, ""),
        timer_with("in-time", late, LateMode::UpTo, 3_600, ""),
        timer_with("missed", late, LateMode::UpTo, 60, ""),
        timer_with("skipped", late, LateMode::Skip, 60, ""),
        timer_with("first", late, LateMode::Merge, 3_600, "stock"),
        timer_with("last", later, LateMode::Merge, 3_600, "stock"),
    ];
    house.create(&tenant, timers).await.unwrap();
    assert_eq!(world.until_due(&tenant, 3).await, ["always", "in-time", "last"]);
    let missed = eventually(SOON, || async {
        let missed = house.missed(&tenant).await;
        if missed.len() == 3 { Ok(missed) } else { Err(missed.len()) }
    });
    let mut missed: Vec<(String, i32)> = missed.await.unwrap().into_iter().map(|one| (one.key, one.reason)).collect();
    missed.sort();
    assert_eq!(missed, [("first".to_owned(), 2), ("missed".to_owned(), 1), ("skipped".to_owned(), 1)]);
    let told = world.said(&tenant).await;
    let told: Vec<&str> = told
        .iter()
        .filter_map(|said| if let Said::TimersMissed(missed) = said { Some(missed) } else { None })
        .flat_map(|missed| missed.timers.iter().map(|timer| timer.key.as_str()))
        .collect();
    assert_eq!(told, ["missed"], "what is skipped or merged is not told");
    house.close().await;
}
