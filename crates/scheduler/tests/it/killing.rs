//! The program killed (SIGKILL) wherever it can hurt: nothing is lost, nothing is said twice.

use std::os::unix::process::ExitStatusExt as _;

use contracts::scheduler::v1::CreateTimersRequest;
use testkit::eventually;
use uuid::Uuid;

use crate::house::{client, create_request, in_millis, timer};
use crate::world::{SOON, World};

const PLACES: [&str; 3] = ["scheduler.after_take", "scheduler.before_commit", "scheduler.after_commit"];

#[tokio::test]
async fn a_process_killed_at_any_point_of_saying_loses_nothing_and_repeats_nothing() {
    let world = World::new("killed").await;
    for place in PLACES {
        let house = world.open().await;
        let tenant = world.tenant(&house).await;
        house.close().await;
        let port = testkit::port::free();
        let mut killed = world.program(port).env("TSUNAGI_FAILPOINTS", format!("{place}=kill@2")).start().unwrap();
        let timers: Vec<_> =
            (0..40).map(|number| timer(&format!("k{number:02}"), in_millis(2_000 + number * 30))).collect();
        let request = CreateTimersRequest { request_id: Uuid::new_v4().to_string(), ..create_request(timers) };
        eventually(SOON, || {
            let request = request.clone();
            let mut timers = client(&tenant, port);
            async move { timers.create_timers(request).await.map(drop).map_err(|status| status.code()) }
        })
        .await
        .unwrap();
        let status = killed.exit(SOON).await.unwrap();
        assert_eq!(status.signal(), Some(9), "{place}: {:?}", killed.lines());
        let said = world.due(&tenant).await.len();
        let left = world.number("SELECT count(*) FROM scheduler.timer").await;
        assert_eq!(said + usize::try_from(left).unwrap(), 40, "{place}: what is not said stands");

        let next = world.open().await;
        let keys = world.until_due(&tenant, 40).await;
        let expected: Vec<String> = (0..40).map(|number| format!("k{number:02}")).collect();
        assert_eq!(keys, expected, "{place}");
        world.until("SELECT count(*) FROM scheduler.outbox_pending", 0).await;
        next.close().await;
    }
}
