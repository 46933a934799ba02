//! Timers said at their moments, once each.

use contracts::events::v1::SchedulerEvent;
use contracts::events::v1::scheduler_event::Body as Said;
use contracts::scheduler::v1::LateMode;
use kernel::Timestamp;
use prost::Message as _;
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
    let said = sqlx::query_as("SELECT created_at, payload FROM scheduler.outbox");
    let said: Vec<(Timestamp, Vec<u8>)> = said.fetch_all(&mut world.admin().await).await.unwrap();
    for (created, payload) in said {
        let body = SchedulerEvent::decode(payload.as_slice()).unwrap().body;
        let Some(Said::TimersDue(due)) = body else { panic!("something else was said") };
        let mut moments = due.timers.iter().filter_map(|timer| contracts::to_timestamp(timer.due_time.as_ref()?));
        assert!(moments.all(|due| due <= created), "said before its moment");
    }
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

#[tokio::test]
async fn a_timer_that_is_far_is_entered_and_said_as_its_moment_comes_near() {
    let world = World::new("far").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let far = in_millis(40 * 24 * 3_600_000);
    let timers = (0..30).map(|number| timer(&format!("k{number:02}"), far)).collect();
    house.create(&tenant, timers).await.unwrap();
    assert_eq!(world.number("SELECT count(*) FROM scheduler.timer WHERE NOT near").await, 30);
    world.execute("UPDATE scheduler.timer SET due = due - interval '40 days' + interval '20 minutes'").await;
    world.until("SELECT count(*) FROM scheduler.timer WHERE near", 30).await;
    assert!(world.due(&tenant).await.is_empty());
    world.execute("UPDATE scheduler.timer SET due = now() - interval '1 second'").await;
    assert_eq!(world.until_due(&tenant, 30).await.len(), 30);
    house.close().await;
}

/// P-10: whatever waits, a timer is made, entered, looked for and taken by indexes alone, and what lies far away is not read.
#[tokio::test]
async fn whatever_waits_nothing_reads_the_table() {
    let world = World::new("plans").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    // The statements are planned while the table is empty, and the table is long afterwards.
    house.create(&tenant, vec![timer("first", in_millis(0))]).await.unwrap();
    world.until_due(&tenant, 1).await;
    world
        .execute(
            "INSERT INTO scheduler.timer
             SELECT gen_random_uuid(), 'booking', 'k' || n, 1, now() + interval '30 days', 2, 3600, NULL, n % 64, false
             FROM generate_series(1, 50000) n",
        )
        .await;
    let read = "SELECT sum(seq_tup_read + idx_tup_fetch)::int8 FROM pg_stat_user_tables WHERE relname = 'timer'";
    let before = world.number(read).await;
    let timers = (0..200).map(|number| timer(&format!("k{number:03}"), in_millis(300))).collect();
    house.create(&tenant, timers).await.unwrap();
    assert_eq!(world.until_due(&tenant, 201).await.len(), 201);
    house.cancel(&tenant, &["k000", "other"]).await.unwrap();
    house.close().await;
    // Every session has told what it read when it has ended.
    let sessions = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND usename IN ('scheduler', 'scheduler_worker')";
    world.until(sessions, 0).await;
    let read = world.number(read).await - before;
    assert!(read < 5_000, "{read} rows were read for 200 timers");
}
