//! What becomes of timers whose moment passes while the scheduler or its database is away.

use contracts::scheduler::v1::LateMode;
use testkit::eventually;
use testkit::postgres::Private;

use crate::house::{in_millis, timer, timer_with};
use crate::world::{SOON, World};

#[tokio::test]
async fn after_an_outage_each_timer_is_said_missed_or_skipped_by_its_policy() {
    let world = World::new("outage").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let due = in_millis(3 * 3_600_000);
    let timers = vec![
        timer_with("always", due, LateMode::Always, 0, ""),
        timer_with("up-to-a-day", due, LateMode::UpTo, 86_400, ""),
        timer_with("up-to-an-hour", due, LateMode::UpTo, 3_600, ""),
        timer_with("skipped", due, LateMode::Skip, 3_600, ""),
        timer_with("merged-1", due, LateMode::Merge, 86_400, "m"),
        timer_with("merged-2", due, LateMode::Merge, 86_400, "m"),
        timer_with("merged-late", due, LateMode::Merge, 60, "n"),
    ];
    house.create(&tenant, timers).await.unwrap();
    house.close().await;
    // Nobody was there for five hours.
    world.execute("UPDATE scheduler.timer SET due = due - interval '5 hours'").await;
    let house = world.open().await;
    assert_eq!(world.until_due(&tenant, 3).await, ["always", "merged-2", "up-to-a-day"]);
    let mut missed: Vec<(String, i32)> =
        house.missed(&tenant).await.into_iter().map(|one| (one.key, one.reason)).collect();
    missed.sort();
    let expected = [("merged-1", 2), ("merged-late", 1), ("skipped", 1), ("up-to-an-hour", 1)];
    assert_eq!(missed, expected.map(|(key, reason)| (key.to_owned(), reason)));
    assert_eq!(world.number("SELECT count(*) FROM scheduler.timer").await, 0);
    house.close().await;
}

#[tokio::test]
async fn postgres_stopped_or_killed_while_timers_are_due_loses_nothing_and_repeats_nothing() {
    let mut postgres = Private::start().await.unwrap();
    let world = World::on(&postgres.cluster().unwrap(), testkit::nats::url(), "gone").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    for kill in [false, true] {
        let key = |number: i64| format!("{kill}-{number:03}");
        let timers = (0..120).map(|number| timer(&key(number), in_millis(number * 10))).collect();
        house.create(&tenant, timers).await.unwrap();
        let away = if kill { postgres.kill9().await } else { postgres.stop().await };
        away.unwrap();
        postgres.start_again().await.unwrap();
        let keys = eventually(SOON, || async {
            let due: Vec<String> = world.due(&tenant).await.into_iter().map(|(due, _)| due).collect();
            let due: Vec<String> = due.into_iter().filter(|due| due.starts_with(&kill.to_string())).collect();
            if due.len() >= 120 { Ok(due) } else { Err(due.len()) }
        });
        let mut keys = keys.await.unwrap();
        keys.sort();
        assert_eq!(keys, (0..120).map(key).collect::<Vec<_>>());
    }
    house.close().await;
}
