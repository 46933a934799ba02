//! Targets that fail: shown, spared, paused, and what becomes of what waits.

use std::time::Duration;

use contracts::ingest::v1::{ForwardingFailure, ForwardingPauseReason, ForwardingState, UpdateForwardingTargetRequest};

use super::place::{
    eventually_told, eventually_took, from, heard, is_warming, manager, numbers, pause, quiet, resume, start, target,
    told,
};
use super::receiver::{Answer, Call, Receiver};
use crate::stage::Stage;

/// Answers 200 to bodies nobody asks about, and `answer` to the others.
fn unless_warming(answer: impl Fn(&Call) -> Answer + Send + 'static) -> impl FnMut(&Call) -> Answer + Send + 'static {
    move |call| if is_warming(&call.body) { Answer::Status(200) } else { answer(call) }
}

async fn admin(stage: &Stage, sql: &'static str) {
    sqlx::query(sql).execute(&mut stage.admin().await).await.unwrap();
}

#[tokio::test]
async fn a_target_that_is_down_is_shown_and_spared_and_gets_everything_once_in_order_when_it_is_back() {
    let stage = Stage::new("forward_down").await;
    let receiver = Receiver::start(unless_warming(|_| Answer::Status(503))).await;
    let replica = start(&stage, &[&receiver]).await;
    let mut client = manager(&stage, &replica).await;
    let target_id = target(&mut client, &stage.account, &receiver).await;
    heard(&stage, &replica, &stage.account).await;
    for n in 0..24 {
        assert_eq!(replica.post(&stage.account, from(&[n % 8], n)).await, 200);
    }
    let down = |state: i32| state == i32::from(ForwardingState::Down);
    let shown =
        eventually_told(&client, &target_id, |target, figures| down(target.state) && figures.next_try_time.is_some())
            .await;
    let figures = shown.figures.unwrap();
    assert!(figures.consecutive_failures >= 5 && figures.waiting_bodies == 24, "{figures:?}");
    assert_eq!(figures.last_failure(), ForwardingFailure::ServerError);
    assert!(figures.oldest_waiting_time.is_some() && figures.last_failure_time.is_some());
    // The pause doubles from two seconds: what follows are single probes, each at least a second behind the one before.
    let before = receiver.calls().len();
    eventually_told(&client, &target_id, |_, now| now.consecutive_failures >= figures.consecutive_failures + 2).await;
    let probes = receiver.calls().len() - before;
    assert!(probes <= 4 + 8, "{probes} calls, of which eight may have been under way");

    receiver.answer(|_| Answer::Status(200));
    eventually_took(&receiver, 0..24).await;
    let taken = numbers(&receiver);
    for user in 0..8 {
        assert!(taken.iter().filter(|n| *n % 8 == user).is_sorted(), "{taken:?}");
    }
    let well =
        eventually_told(&client, &target_id, |target, _| target.state == i32::from(ForwardingState::Active)).await;
    let figures = well.figures.unwrap();
    assert_eq!((figures.consecutive_failures, figures.next_try_time, figures.waiting_bodies), (0, None, 0));
    assert_eq!(figures.last_failure(), ForwardingFailure::ServerError, "it is remembered");
}

#[tokio::test]
async fn what_failed_often_while_the_target_was_down_is_not_given_up_for_one_failure_when_it_is_back() {
    let stage = Stage::new("forward_back").await;
    let receiver = Receiver::start(unless_warming(|_| Answer::Status(503))).await;
    let replica = start(&stage, &[&receiver]).await;
    let mut client = manager(&stage, &replica).await;
    let target_id = target(&mut client, &stage.account, &receiver).await;
    heard(&stage, &replica, &stage.account).await;
    for n in 0..8 {
        assert_eq!(replica.post(&stage.account, from(&[n], n)).await, 200);
    }
    let down = i32::from(ForwardingState::Down);
    eventually_told(&client, &target_id, |target, _| target.state == down).await;
    // After hours every one of them was a probe often enough.
    admin(
        &stage,
        "UPDATE ingest.forwarding SET calls = 30, first_call_at = now() - interval '5 hours' WHERE claim IS NULL",
    )
    .await;
    let (mut is_back, mut failed) = (false, std::collections::HashSet::new());
    receiver.answer(move |call| {
        let first = failed.insert(call.number());
        let fails = is_back && first;
        is_back = true;
        Answer::Status(if fails { 500 } else { 200 })
    });
    eventually_took(&receiver, 0..8).await;
}

#[tokio::test]
async fn a_body_that_alone_fails_is_given_up_and_counted_and_its_sender_goes_on() {
    let stage = Stage::new("forward_bad").await;
    let receiver =
        Receiver::start(unless_warming(|call| Answer::Status(if call.number() == 0 { 500 } else { 200 }))).await;
    let replica = start(&stage, &[&receiver]).await;
    let mut client = manager(&stage, &replica).await;
    let target_id = target(&mut client, &stage.account, &receiver).await;
    heard(&stage, &replica, &stage.account).await;
    for (user, n) in [(1, 0), (1, 1), (2, 2)] {
        assert_eq!(replica.post(&stage.account, from(&[user], n)).await, 200);
    }
    eventually_took(&receiver, [2]).await;
    // The sender's next one waits behind it.
    eventually_told(&client, &target_id, |_, figures| figures.waiting_bodies == 2).await;
    admin(&stage, "UPDATE ingest.forwarding SET calls = 11 WHERE calls > 0").await;
    eventually_took(&receiver, [2, 1]).await;
    let figures = eventually_told(&client, &target_id, |_, figures| figures.waiting_bodies == 0).await.figures.unwrap();
    assert_eq!((figures.refused_bodies, figures.expired_bodies), (1, 0));
}

#[tokio::test]
async fn what_a_misconfigured_receiver_refuses_waits_until_it_is_mended() {
    let stage = Stage::new("forward_misconfigured").await;
    let receiver = Receiver::start(unless_warming(|_| Answer::Status(401))).await;
    let replica = start(&stage, &[&receiver]).await;
    let mut client = manager(&stage, &replica).await;
    let target_id = target(&mut client, &stage.account, &receiver).await;
    heard(&stage, &replica, &stage.account).await;
    quiet(&stage).await;
    assert_eq!(replica.post(&stage.account, from(&[1], 0)).await, 200);
    eventually_told(&client, &target_id, |_, figures| figures.consecutive_failures > 0).await;
    admin(&stage, "UPDATE ingest.forwarding SET calls = 40, due_at = now() WHERE calls > 0 AND claim IS NULL").await;
    let tried = told(&mut client, &target_id).await.1.consecutive_failures;
    admin(&stage, "UPDATE ingest.forwarding SET due_at = now() WHERE claim IS NULL").await;
    let figures = eventually_told(&client, &target_id, |_, figures| figures.consecutive_failures > tried).await.figures;
    let figures = figures.unwrap();
    assert_eq!(
        (figures.waiting_bodies, figures.refused_bodies, figures.last_failure()),
        (1, 0, ForwardingFailure::Refused)
    );
    receiver.answer(|_| Answer::Status(204));
    admin(&stage, "UPDATE ingest.forwarding SET due_at = now() WHERE claim IS NULL").await;
    eventually_took(&receiver, [0]).await;
}

#[tokio::test]
async fn a_target_that_answers_gone_is_paused_and_goes_on_from_there_when_it_is_resumed() {
    let stage = Stage::new("forward_gone").await;
    let receiver = Receiver::start(unless_warming(|_| Answer::Status(410))).await;
    let replica = start(&stage, &[&receiver]).await;
    let mut client = manager(&stage, &replica).await;
    let target_id = target(&mut client, &stage.account, &receiver).await;
    heard(&stage, &replica, &stage.account).await;
    assert_eq!(replica.post(&stage.account, from(&[1], 0)).await, 200);
    let paused = |state: i32| state == i32::from(ForwardingState::Paused);
    let shown = eventually_told(&client, &target_id, |target, _| paused(target.state)).await;
    assert_eq!(shown.pause_reason(), ForwardingPauseReason::Gone);
    assert!(shown.pause_time.is_some());
    let calls = receiver.calls().len();
    assert_eq!(replica.post(&stage.account, from(&[1], 1)).await, 200);
    eventually_told(&client, &target_id, |_, figures| figures.waiting_bodies == 2).await;
    receiver.answer(|_| Answer::Status(200));
    assert_eq!(receiver.calls().len(), calls);
    let resumed = resume(&mut client, &target_id).await;
    assert_eq!(
        (resumed.state(), resumed.pause_reason(), resumed.pause_time),
        (ForwardingState::Active, ForwardingPauseReason::Unspecified, None)
    );
    eventually_took(&receiver, 0..2).await;
}

#[tokio::test]
async fn a_target_that_takes_nothing_for_three_days_is_paused_and_gets_what_waits_at_its_new_url() {
    let stage = Stage::new("forward_three_days").await;
    let receiver = Receiver::start(unless_warming(|_| Answer::Status(500))).await;
    let elsewhere = Receiver::taking().await;
    let replica = start(&stage, &[&receiver, &elsewhere]).await;
    let mut client = manager(&stage, &replica).await;
    let target_id = target(&mut client, &stage.account, &receiver).await;
    heard(&stage, &replica, &stage.account).await;
    assert_eq!(replica.post(&stage.account, from(&[1], 0)).await, 200);
    eventually_told(&client, &target_id, |_, figures| figures.consecutive_failures > 0).await;
    admin(&stage, "UPDATE ingest.forwarding_target SET failing_since = now() - interval '3 days'").await;
    admin(&stage, "UPDATE ingest.forwarding SET due_at = now() WHERE claim IS NULL").await;
    let shown =
        eventually_told(&client, &target_id, |target, _| target.state == i32::from(ForwardingState::Paused)).await;
    assert_eq!(shown.pause_reason(), ForwardingPauseReason::Failing);
    let mut moved = shown.clone();
    moved.url = elsewhere.url();
    let request = UpdateForwardingTargetRequest { forwarding_target: Some(moved), update_mask: None };
    let moved = client.update_forwarding_target(request).await.unwrap().into_inner().forwarding_target.unwrap();
    assert_eq!(moved.state(), ForwardingState::Paused, "another URL does not resume it");
    assert_eq!(resume(&mut client, &target_id).await.figures.unwrap().consecutive_failures, 0);
    eventually_took(&elsewhere, [0]).await;
}

#[tokio::test]
async fn a_target_that_asks_for_time_gets_it() {
    let stage = Stage::new("forward_throttled").await;
    let receiver = Receiver::start(unless_warming(|_| Answer::Later(429, 4))).await;
    let replica = start(&stage, &[&receiver]).await;
    let mut client = manager(&stage, &replica).await;
    let target_id = target(&mut client, &stage.account, &receiver).await;
    heard(&stage, &replica, &stage.account).await;
    assert_eq!(replica.post(&stage.account, from(&[1], 0)).await, 200);
    let asked = eventually_told(&client, &target_id, |_, figures| figures.consecutive_failures > 0).await;
    let (asked, began) = (asked.figures.unwrap(), std::time::Instant::now());
    assert_eq!(asked.last_failure(), ForwardingFailure::Throttled);
    assert!(asked.next_try_time.is_some());
    receiver.answer(|_| Answer::Status(200));
    assert_eq!(replica.post(&stage.account, from(&[2], 1)).await, 200);
    eventually_took(&receiver, 0..2).await;
    assert!(began.elapsed() > Duration::from_secs(2), "also what comes new waits until then");
}

#[tokio::test]
async fn what_waits_for_three_days_ends_and_is_counted_also_while_the_target_is_paused() {
    let stage = Stage::new("forward_expired").await;
    let receiver = Receiver::taking().await;
    let replica = start(&stage, &[&receiver]).await;
    let mut client = manager(&stage, &replica).await;
    let target_id = target(&mut client, &stage.account, &receiver).await;
    heard(&stage, &replica, &stage.account).await;
    quiet(&stage).await;
    pause(&mut client, &target_id).await;
    for (n, users) in [&[1, 2][..], &[1], &[2]].into_iter().enumerate() {
        assert_eq!(replica.post(&stage.account, from(users, n)).await, 200);
    }
    // The first of them came in four days ago.
    let age = "UPDATE ingest.forwarding SET body_id = ingest.first_id(now() - interval '4 days')
        WHERE body_id = (SELECT min(body_id::text)::uuid FROM ingest.forwarding WHERE lead <> '00000000-0000-0000-0000-000000000000')";
    admin(&stage, age).await;
    let figures = eventually_told(&client, &target_id, |_, figures| figures.expired_bodies > 0).await.figures.unwrap();
    assert_eq!((figures.expired_bodies, figures.waiting_bodies), (1, 2));
    assert_eq!(stage.count("SELECT count(*) FROM ingest.forwarding").await, 2, "in both of its lanes");
    resume(&mut client, &target_id).await;
    eventually_took(&receiver, [1, 2]).await;
}
