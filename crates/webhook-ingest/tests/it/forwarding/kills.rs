//! A process that dies around a call loses nothing, and repeats under the same ID alone.

use std::os::unix::process::ExitStatusExt as _;

use testkit::process::Launch;

use super::place::{eventually_took, from, heard, is_warming, manager, pause, quiet, start, target};
use super::receiver::{Answer, Call, Receiver};
use crate::stage::{SOON, Stage};

/// The service as a process of its own, that may call loopback.
fn launch(stage: &Stage, receiver: &Receiver, failpoints: &str) -> Launch {
    stage
        .launch()
        .env("TSUNAGI_EGRESS_ALLOW", "127.0.0.1")
        .env("TSUNAGI_EGRESS_AUTHORITY", &receiver.authority)
        .env("TSUNAGI_FAILPOINTS", failpoints)
}

/// Five bodies wait, two of one sender; the process dies at one of `failpoints`; another one goes on.
async fn killed_at(failpoints: &str, hint: &str, repeated: bool) {
    let stage = Stage::new(hint).await;
    let receiver = Receiver::start(|_| Answer::Status(200)).await;
    let replica = start(&stage, &[&receiver]).await;
    let mut client = manager(&stage, &replica).await;
    let target_id = target(&mut client, &stage.account, &receiver).await;
    heard(&stage, &replica, &stage.account).await;
    quiet(&stage).await;
    pause(&mut client, &target_id).await;
    for (user, n) in [(1, 0), (2, 1), (1, 2), (3, 3), (1, 4)] {
        assert_eq!(replica.post(&stage.account, from(&[user], n)).await, 200);
    }
    replica.stop().await;
    let open = "UPDATE ingest.forwarding_target SET pause_reason = NULL, paused_at = NULL";
    sqlx::query(open).execute(&mut stage.admin().await).await.unwrap();

    let mut killed = launch(&stage, &receiver, failpoints).start().unwrap();
    let status = killed.exit(SOON).await.unwrap();
    assert_eq!(status.signal(), Some(9), "{:?}", killed.lines());
    let left = stage.count("SELECT count(*) FROM ingest.forwarding").await;
    assert!(left >= 2, "{left} wait");
    assert!(killed.lines().iter().all(|line| !line.contains("secret-path")), "{:?}", killed.lines());

    // Its claims run out.
    let over = "UPDATE ingest.forwarding SET due_at = now() WHERE claim IS NOT NULL";
    sqlx::query(over).execute(&mut stage.admin().await).await.unwrap();
    let replica = start(&stage, &[&receiver]).await;
    quiet(&stage).await;
    let taken: Vec<_> = receiver.taken().into_iter().filter(|call| !is_warming(&call.body)).collect();
    let mut ids: Vec<&str> = taken.iter().map(Call::delivery_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 5, "each, under no other ID");
    assert_eq!(taken.len() > 5, repeated, "{} calls", taken.len());
    let mut of_one: Vec<usize> =
        taken.iter().map(super::receiver::Call::number).filter(|n| [0, 2, 4].contains(n)).collect();
    of_one.dedup();
    assert_eq!(of_one, [0, 2, 4], "in order, a repetition behind itself");
    assert_eq!(replica.post(&stage.account, from(&[1], 5)).await, 200);
    eventually_took(&receiver, taken.iter().map(super::receiver::Call::number).chain([5])).await;
}

#[tokio::test]
async fn killed_before_a_call_nothing_is_lost() {
    killed_at("ingest.before_forward=kill", "forward_killed_before", false).await;
}

#[tokio::test]
async fn killed_behind_a_call_it_is_repeated_under_the_same_id() {
    killed_at("ingest.after_forward=kill@2", "forward_killed_after", true).await;
}
