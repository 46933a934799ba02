//! What targets have under way at once: who answers slowly, with large bodies or with ever so many senders, takes nothing from the others.

use std::time::{Duration, Instant};

use contracts::access_proto::v1::Right;
use testkit::eventually;

use super::place::{
    client, eventually_told, eventually_took, forwarding, from, heard, is_warming, numbers, pause, quiet, resume,
    start, target, wanted,
};
use super::receiver::{Answer, Receiver};
use crate::stage::{SOON, Stage, TestAccount};

const RIGHTS: [Right; 2] = [Right::AccountsRead, Right::AccountsManage];

/// So many accounts of a tenant; a replica that starts now knows them.
async fn accounts(stage: &Stage, tenant: kernel::TenantId, count: usize) -> Vec<TestAccount> {
    let accounts: Vec<_> = (0..count).map(|_| TestAccount::of(tenant)).collect();
    for account in &accounts {
        stage.put(account, stage.replica_of(account, 1)).await;
    }
    accounts
}

#[tokio::test]
async fn a_dozen_targets_that_never_answer_leave_the_others_of_their_tenant_and_of_all_as_fast_as_ever() {
    let stage = Stage::new("forward_dozen").await;
    let ours = stage.account.tenant;
    let mut slow = accounts(&stage, ours, 2).await;
    for _ in 0..3 {
        slow.extend(accounts(&stage, TestAccount::new().tenant, 1).await);
    }
    let other = TestAccount::new();
    stage.put(&other, stage.replica_of(&other, 1)).await;
    let hanging = Receiver::start(|call| if is_warming(&call.body) { Answer::Status(200) } else { Answer::Hang }).await;
    let answering = || Receiver::start(|_| Answer::Slow(Duration::from_millis(100)));
    let (fast, theirs) = (answering().await, answering().await);
    let replica = start(&stage, &[&hanging, &fast, &theirs]).await;
    for account in &slow {
        let mut client = client(&stage, &replica, account.tenant, &RIGHTS).await;
        for _ in 0..3 {
            client.create_forwarding_target(wanted(account, &hanging.url())).await.unwrap();
        }
        heard(&stage, &replica, account).await;
    }
    for (account, receiver) in [(&stage.account, &fast), (&other, &theirs)] {
        let mut client = client(&stage, &replica, account.tenant, &RIGHTS).await;
        target(&mut client, account, receiver).await;
        heard(&stage, &replica, account).await;
    }
    quiet(&stage).await;
    // Fifteen targets with eight bodies each, six of them of the tenant that has a fast one, too.
    let posts = slow.iter().flat_map(|account| (0..8).map(|n| replica.post(account, from(&[n], n))));
    assert!(futures::future::join_all(posts).await.iter().all(|status| *status == 200));
    let began = Instant::now();
    eventually(SOON, || async { (hanging.at_once() >= 60).then_some(()).ok_or(hanging.at_once()) }).await.unwrap();
    let posts = (0..40).flat_map(|n| [&stage.account, &other].map(|account| replica.post(account, from(&[n], n))));
    assert!(futures::future::join_all(posts).await.iter().all(|status| *status == 200));
    eventually_took(&fast, 0..40).await;
    eventually_took(&theirs, 0..40).await;
    assert!(began.elapsed() < Duration::from_secs(10), "before a single call of the others could time out");
    assert!(fast.most_at_once() > 1 && theirs.most_at_once() > 1, "not one by one");
}

#[tokio::test]
async fn large_bodies_go_fewer_at_once() {
    let stage = Stage::new("forward_large").await;
    let receiver = Receiver::start(|call| {
        if is_warming(&call.body) { Answer::Status(200) } else { Answer::Slow(Duration::from_millis(200)) }
    })
    .await;
    let (replica, mut client, target_id) = forwarding(&stage, &receiver).await;
    pause(&mut client, &target_id).await;
    for n in 0..6 {
        assert_eq!(replica.post(&stage.account, from(&[n], n)).await, 200);
    }
    let least = stage.count("SELECT min(size)::bigint FROM ingest.forwarding").await;
    assert!(least > 200, "{least} bytes are told of a body");
    // As if they were so large that one fills nearly all that a tenant's bodies may have.
    let large = "UPDATE ingest.forwarding SET size = 14 * 1024 * 1024";
    sqlx::query(large).execute(&mut stage.admin().await).await.unwrap();
    resume(&mut client, &target_id).await;
    eventually_took(&receiver, 0..6).await;
    assert_eq!(receiver.most_at_once(), 1);
}

#[tokio::test]
async fn a_body_of_very_many_senders_keeps_its_place_in_each_of_their_lanes() {
    let stage = Stage::new("forward_wide").await;
    let receiver =
        Receiver::start(|call| Answer::Status(if !is_warming(&call.body) && call.number() == 0 { 500 } else { 200 }))
            .await;
    let (replica, client, target_id) = forwarding(&stage, &receiver).await;
    let many: Vec<usize> = (100..200).collect();
    for (users, n) in [(&[1][..], 0), (&many, 1), (&[150], 2), (&[2], 3), (&[199, 1], 4)] {
        assert_eq!(replica.post(&stage.account, from(users, n)).await, 200);
    }
    eventually_took(&receiver, [3]).await;
    // It goes when nothing before it waits, for nobody looks into a hundred lanes each time.
    let told = eventually_told(&client, &target_id, |_, figures| figures.consecutive_failures >= 2).await;
    assert_eq!((told.figures.unwrap().waiting_bodies, numbers(&receiver)), (4, vec![3]));
    receiver.answer(|_| Answer::Status(200));
    eventually_took(&receiver, 0..5).await;
    let taken = numbers(&receiver);
    let place = |n: usize| taken.iter().position(|taken| *taken == n).unwrap();
    assert!(place(0) < place(1) && place(1) < place(2) && place(1) < place(4), "{taken:?}");
    quiet(&stage).await;
}
