//! Clocks that jump: timers go by the database's clock, and with a development clock as far as that is turned.

use std::sync::Arc;

use chassis::HostConfig;
use chrono::TimeDelta;
use kernel::{Clock as _, ManualClock, SystemClock};
use testkit::eventually;

use crate::house::{in_millis, timer};
use crate::world::{SOON, World};

/// a clock that jumps by days, forwards and back, brings each timer once.
#[tokio::test]
async fn a_clock_that_jumps_says_each_timer_once_and_loses_none() {
    let world = World::new("clocks").await;
    let clock = ManualClock::at(SystemClock.now());
    let house = world.open_with(HostConfig::loopback().with_clock(Arc::new(clock.clone())), 2).await;
    let tenant = world.tenant(&house).await;
    let hours = |hours: i64| hours * 3_600_000;
    let timers = vec![
        timer("in-two-hours", in_millis(hours(2))),
        timer("in-two-days", in_millis(hours(48))),
        timer("in-a-week", in_millis(hours(168))),
    ];
    house.create(&tenant, timers).await.unwrap();
    clock.set(SystemClock.now() + TimeDelta::minutes(150));
    assert_eq!(world.until_due(&tenant, 1).await, ["in-two-hours"]);
    // Back by days: what was said stays said, and what is made for then is said now.
    clock.set(SystemClock.now() - TimeDelta::days(3));
    house.create(&tenant, vec![timer("then", in_millis(-hours(72) - hours(1) / 2))]).await.unwrap();
    assert_eq!(world.until_due(&tenant, 2).await, ["in-two-hours", "then"]);
    clock.set(SystemClock.now() + TimeDelta::days(30));
    assert_eq!(world.until_due(&tenant, 2).await, ["in-two-hours", "then"]);
    let missed = eventually(SOON, || async {
        let missed = house.missed(&tenant).await;
        if missed.len() == 2 { Ok(()) } else { Err(missed.len()) }
    });
    missed.await.unwrap();
    assert_eq!(world.due(&tenant).await.len(), 2, "too late by weeks: recorded, not said");
    house.close().await;
}

/// Generations go by the database's clock: a program tells a key's uses apart whatever happens to ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_used_again_has_a_higher_generation_whatever_the_clock_of_the_process_says() {
    let world = World::new("generations").await;
    let clock = ManualClock::at(SystemClock.now());
    let house = world.open_with(HostConfig::loopback().with_clock(Arc::new(clock.clone())), 2).await;
    let tenant = world.tenant(&house).await;
    let mut last = 0;
    for turn in [0, 40, -40, 3] {
        clock.set(SystemClock.now() + TimeDelta::days(turn));
        let far = in_millis(400 * 24 * 3_600_000);
        let made = house.create(&tenant, vec![timer("again", far)]).await.unwrap();
        assert!(made[0].generation > last);
        let moved = house.shift(&tenant, "again", far + TimeDelta::days(1)).await.unwrap();
        assert!(moved.generation > made[0].generation);
        last = moved.generation;
        assert_eq!(house.cancel(&tenant, &["again"]).await.unwrap(), 1);
    }
    house.close().await;
}
