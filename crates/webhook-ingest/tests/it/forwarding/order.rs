//! The order of each sender's bodies, and how much goes at once.

use std::collections::HashMap;
use std::time::Duration;

use super::place::{
    client, eventually_told, eventually_took, from, heard, is_warming, manager, numbers, start, target,
};
use super::receiver::{Answer, Receiver};
use crate::stage::{Stage, TestAccount};
use contracts::access_proto::v1::Right;

/// Bodies of three users, some of two at once; `n` says the order in which they were posted.
const SENDERS: [&[usize]; 18] = [
    &[1],
    &[1],
    &[2],
    &[1, 2],
    &[3],
    &[2],
    &[1],
    &[3, 1],
    &[2],
    &[3],
    &[2, 3],
    &[1],
    &[1],
    &[3],
    &[1, 2, 3],
    &[2],
    &[3],
    &[1],
];

#[tokio::test]
async fn each_senders_bodies_go_one_by_one_in_order_though_many_calls_fail() {
    let stage = Stage::new("forward_order").await;
    let mut failures: HashMap<String, usize> = HashMap::new();
    let receiver = Receiver::start(move |call| {
        if is_warming(&call.body) {
            return Answer::Status(200);
        }
        let seen = failures.entry(call.delivery_id().to_owned()).or_insert(0);
        *seen += 1;
        match (call.number() % 3, *seen) {
            (0, 1) => Answer::Status(500),
            (1, 1) => Answer::Status(404),
            _ => Answer::Slow(Duration::from_millis(20)),
        }
    })
    .await;
    // Two replicas share the work.
    let (replica, _second) = (start(&stage, &[&receiver]).await, start(&stage, &[&receiver]).await);
    let mut client = manager(&stage, &replica).await;
    let target_id = target(&mut client, &stage.account, &receiver).await;
    heard(&stage, &replica, &stage.account).await;
    for (n, users) in SENDERS.iter().enumerate() {
        assert_eq!(replica.post(&stage.account, from(users, n)).await, 200);
    }
    eventually_took(&receiver, 0..SENDERS.len()).await;
    let taken = numbers(&receiver);
    for user in 1..=3 {
        let of_user: Vec<usize> = taken.iter().copied().filter(|n| SENDERS[*n].contains(&user)).collect();
        assert!(of_user.is_sorted(), "user {user}: {of_user:?}");
    }
    let calls = receiver.calls();
    let mut latest: HashMap<usize, usize> = HashMap::new();
    for call in calls.iter().filter(|call| !is_warming(&call.body)) {
        let n = call.number();
        for user in SENDERS[n] {
            let before = latest.insert(*user, n).unwrap_or(0);
            assert!(before <= n, "{n} was called after {before}");
        }
    }
    let told = eventually_told(&client, &target_id, |_, figures| figures.waiting_bodies == 0).await;
    assert_eq!(told.figures.unwrap().consecutive_failures, 0);
}

#[tokio::test]
async fn a_target_gets_eight_at_once_and_no_more() {
    let stage = Stage::new("forward_bound").await;
    let receiver = Receiver::start(|_| Answer::Slow(Duration::from_millis(300))).await;
    let (replica, _second) = (start(&stage, &[&receiver]).await, start(&stage, &[&receiver]).await);
    let mut client = manager(&stage, &replica).await;
    target(&mut client, &stage.account, &receiver).await;
    heard(&stage, &replica, &stage.account).await;
    let posts = (0..40).map(|n| replica.post(&stage.account, from(&[n], n)));
    assert!(futures::future::join_all(posts).await.iter().all(|status| *status == 200));
    eventually_took(&receiver, 0..40).await;
    assert_eq!(receiver.most_at_once(), 8);
}

#[tokio::test]
async fn who_never_answers_keeps_nobody_else_waiting() {
    let stage = Stage::new("forward_slow").await;
    let other = TestAccount::new();
    stage.put(&other, stage.replica_of(&other, 1)).await;
    let (hanging, fast, theirs) =
        (Receiver::start(|_| Answer::Hang).await, Receiver::taking().await, Receiver::taking().await);
    let replica = start(&stage, &[&hanging, &fast, &theirs]).await;
    let mut ours = manager(&stage, &replica).await;
    let slow_id = target(&mut ours, &stage.account, &hanging).await;
    target(&mut ours, &stage.account, &fast).await;
    let mut them = client(&stage, &replica, other.tenant, &[Right::AccountsRead, Right::AccountsManage]).await;
    target(&mut them, &other, &theirs).await;
    heard(&stage, &replica, &stage.account).await;
    heard(&stage, &replica, &other).await;
    let posts = (0..20).flat_map(|n| [&stage.account, &other].map(|account| replica.post(account, from(&[n], n))));
    assert!(futures::future::join_all(posts).await.iter().all(|status| *status == 200));
    let began = std::time::Instant::now();
    eventually_took(&fast, 0..20).await;
    eventually_took(&theirs, 0..20).await;
    assert!(began.elapsed() < Duration::from_secs(10), "before a single call of the other could time out");
    assert!(hanging.most_at_once() <= 8);
    let told = eventually_told(&ours, &slow_id, |_, figures| figures.waiting_bodies >= 20).await;
    assert_eq!(told.figures.unwrap().delivered_bodies, 0);
}
