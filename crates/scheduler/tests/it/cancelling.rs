//! Timers cancelled while somebody else has them in hand.

use contracts::scheduler::v1 as wire;
use contracts::scheduler::v1::cancel_timers_request::Which;
use sqlx::Connection as _;
use tonic::{Code, Status};

use crate::house::{House, OWNER, in_millis, timer};
use crate::world::{LOCKED_OUT, Tenant, World};

const FAR: i64 = 50 * 3_600_000;

/// A call that goes on while the test does something else.
fn cancel(house: &House, tenant: &Tenant, which: Which) -> tokio::task::JoinHandle<Result<i32, Status>> {
    let mut timers = house.timers(tenant);
    let request = wire::CancelTimersRequest { owner: OWNER.to_owned(), which: Some(which) };
    tokio::spawn(async move { Ok(timers.cancel_timers(request).await?.into_inner().cancelled_count) })
}

fn keys(keys: impl Iterator<Item = String>) -> Which {
    Which::Keys(wire::TimerKeys { keys: keys.collect() })
}

/// Every timer changes once on its way: when it enters the calendar.
#[tokio::test]
async fn a_timer_that_changes_while_it_is_cancelled_is_cancelled() {
    let world = World::new("cancel_changed").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    for which in [keys(std::iter::once("k".to_owned())), Which::KeyPrefix("k".to_owned())] {
        house.create(&tenant, vec![timer("k", in_millis(FAR))]).await.unwrap();
        let mut admin = world.admin().await;
        let mut changing = admin.begin().await.unwrap();
        sqlx::query("UPDATE scheduler.timer SET near = true").execute(&mut *changing).await.unwrap();
        let call = cancel(&house, &tenant, which.clone());
        world.until(LOCKED_OUT, 1).await;
        changing.commit().await.unwrap();
        assert_eq!(call.await.unwrap().unwrap(), 1, "{which:?}");
        assert_eq!(house.get(&tenant, "k").await.unwrap_err().code(), Code::NotFound, "{which:?}");
    }
    house.close().await;
}

#[tokio::test]
async fn whoever_cancels_the_same_in_another_order_waits_and_is_not_refused() {
    let world = World::new("cancel_order").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let all = ["a", "m", "z"];
    house.create(&tenant, all.iter().map(|key| timer(key, in_millis(FAR))).collect()).await.unwrap();
    // Both are stopped in the middle of what they cancel.
    let mut admin = world.admin().await;
    let mut holding = admin.begin().await.unwrap();
    sqlx::query("SELECT FROM scheduler.timer WHERE key = 'm' FOR UPDATE").execute(&mut *holding).await.unwrap();
    let forwards = cancel(&house, &tenant, keys(all.iter().map(ToString::to_string)));
    world.until(LOCKED_OUT, 1).await;
    let backwards = cancel(&house, &tenant, keys(all.iter().rev().map(ToString::to_string)));
    world.until(LOCKED_OUT, 2).await;
    holding.rollback().await.unwrap();
    let cancelled = [forwards.await.unwrap().unwrap(), backwards.await.unwrap().unwrap()];
    assert_eq!(cancelled, [3, 0]);
    house.close().await;
}
