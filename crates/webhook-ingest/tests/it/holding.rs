//! A channel secret is issued anew in LINE's console and set here minutes later: what came meanwhile is heard, once.

use std::sync::Arc;

use bytes::Bytes;
use chassis::{Host, HostConfig};
use chrono::TimeDelta;
use contracts::{timestamp, to_timestamp};
use futures::future::join_all;
use kernel::{Clock as _, ManualClock};
use testkit::{eventually, port};

use crate::stage::{
    OLD_SECRET, Replica, SECRET, SOON, Stage, TestAccount, body, body_for, event, id_at, new_id, now, one, signature,
};

/// The secret LINE's console gave and nobody has set here yet.
const NEXT: &str = "fedcba9876543210fedcba9876543210";
const HELD: &str = "SELECT count(*) FROM ingest.held_body";
const SEEN: &str = "SELECT count(*) FROM ingest.seen_event";

/// Waits until a number in the database is this one.
async fn eventually_is(stage: &Stage, sql: &'static str, expected: i64) {
    eventually(SOON, || async {
        let found = stage.count(sql).await;
        if found == expected { Ok(()) } else { Err(found) }
    })
    .await
    .unwrap_or_else(|last| panic!("{sql}: {last:?}"));
}

/// Posts a body that the next secret signed; it is answered as unproved.
async fn refused(replica: &Replica, account: &TestAccount, body: &Bytes) {
    assert_eq!(replica.send(&account.key, Some(&signature(NEXT, body)), body.clone()).await, 401);
}

/// Sets the next secret.
async fn set_secret(stage: &Stage, account: &TestAccount) {
    stage.put(account, stage.replica_signing(account, 2, &[NEXT, SECRET])).await;
}

async fn start_at(stage: &Stage, clock: &ManualClock) -> Replica {
    let life = HostConfig::loopback().with_clock(Arc::new(clock.clone()));
    let replica = stage.start_with(stage.config(), life).await;
    replica.ready().await;
    replica
}

#[tokio::test]
async fn what_came_before_the_new_secret_was_set_is_heard_once_as_of_when_it_came() {
    let stage = Stage::new("held").await;
    let clock = ManualClock::at(now());
    let replica = start_at(&stage, &clock).await;
    let received = clock.now();
    let (id, sent) = one();
    refused(&replica, &stage.account, &sent).await;
    eventually_is(&stage, HELD, 1).await;
    eventually_is(
        &stage,
        "SELECT coalesce(sum(count), 0)::bigint FROM ingest.finding WHERE kind = 'signature_held'",
        1,
    )
    .await;
    assert_eq!(stage.count(SEEN).await, 0);

    clock.turn(TimeDelta::minutes(10));
    set_secret(&stage, &stage.account).await;
    stage.eventually_published(std::slice::from_ref(&id)).await;
    assert_eq!(stage.count(HELD).await, 0);
    let published = stage.published().await.remove(0).1;
    let told = to_timestamp(&published.receive_time.unwrap()).unwrap();
    assert!((told - received).abs() < TimeDelta::seconds(1), "its reply token is as old as it is");
    // LINE delivers it again, for it was told 401.
    assert_eq!(replica.send(&stage.account.key, Some(&signature(NEXT, &sent)), sent).await, 200);
    assert_eq!((stage.count(SEEN).await, stage.published().await.len()), (1, 1));
}

#[tokio::test]
async fn a_secret_that_has_ended_since_proves_what_came_before_its_end() {
    let stage = Stage::new("held_ended").await;
    let clock = ManualClock::at(now());
    let replica = start_at(&stage, &clock).await;
    let (id, sent) = one();
    refused(&replica, &stage.account, &sent).await;
    eventually_is(&stage, HELD, 1).await;
    // Issued anew twice within ten minutes: by the time both are set here, the first of them has ended.
    let mut rotated = stage.replica_signing(&stage.account, 2, &["ffffffffffffffff", NEXT]);
    rotated.channel_secrets[1].expire_time = Some(timestamp(clock.now() + TimeDelta::minutes(5)));
    clock.turn(TimeDelta::minutes(10));
    stage.put(&stage.account, rotated).await;
    stage.eventually_published(&[id]).await;
    assert_eq!(replica.send(&stage.account.key, Some(&signature(NEXT, &sent)), sent).await, 401, "it has ended");
}

#[tokio::test]
async fn after_a_quarter_of_an_hour_it_is_gone_and_no_secret_brings_it_back() {
    let stage = Stage::new("held_over").await;
    let clock = ManualClock::at(now());
    let replica = start_at(&stage, &clock).await;
    refused(&replica, &stage.account, &one().1).await;
    eventually_is(&stage, HELD, 1).await;
    clock.turn(TimeDelta::minutes(16));
    eventually_is(&stage, HELD, 0).await;
    set_secret(&stage, &stage.account).await;
    let id = id_at(clock.now());
    let proved = body(&[event(&id)]);
    let of_next = signature(NEXT, &proved);
    eventually(SOON, || async {
        (replica.send(&stage.account.key, Some(&of_next), proved.clone()).await == 200).then_some(())
    })
    .await
    .unwrap();
    stage.eventually_published(&[id]).await;
    assert_eq!(stage.count(SEEN).await, 1);
}

#[tokio::test]
async fn a_flood_of_wrong_signatures_leaves_no_more_than_the_bound_and_another_account_its_own() {
    let stage = Stage::new("held_flood").await;
    let other = TestAccount::new();
    stage.put(&other, stage.replica_of(&other, 1)).await;
    let (first, second) = (stage.start().await, stage.start().await);
    let body = one().1;
    let stranger = signature("stranger", &body);
    for _ in 0..20 {
        let posts = (0..500).map(|n| {
            let replica = if n % 2 == 0 { &first } else { &second };
            replica.send(&stage.account.key, Some(&stranger), body.clone())
        });
        assert!(join_all(posts).await.iter().all(|status| *status == 401));
        assert!(stage.count(HELD).await <= 500);
    }
    refused(&first, &other, &body).await;
    eventually_is(&stage, HELD, 501).await;
    // The flood proves nothing, and what one sender of it was right about is still heard.
    set_secret(&stage, &other).await;
    eventually_is(&stage, SEEN, 1).await;
    assert_eq!(stage.count(HELD).await, 500);
    first.stop().await;
    second.stop().await;
    assert_eq!(stage.count(HELD).await, 500, "also as the replicas end");
}

#[tokio::test]
async fn only_a_recent_webhook_for_the_accounts_own_bot_is_held() {
    let stage = Stage::new("held_not").await;
    let nameless = TestAccount::new();
    let unconfirmed = contracts::events::v1::AccountReplica {
        bot_user_id: String::new(),
        ..stage.replica_signing(&nameless, 1, &[SECRET])
    };
    stage.put(&nameless, unconfirmed).await;
    let replica = stage.start().await;
    for unworthy in [
        body_for("U00000000000000000000000000000000", &[event(&new_id())]),
        body(&[]),
        body(&[event(&id_at(now() - TimeDelta::days(2)))]),
        body(&[event(&id_at(now() + TimeDelta::hours(1)))]),
        Bytes::from_static(b"not a webhook"),
    ] {
        refused(&replica, &stage.account, &unworthy).await;
    }
    refused(&replica, &nameless, &one().1).await;
    assert_eq!(replica.send(&stage.account.key, None, one().1).await, 401);
    let worthy = one().1;
    refused(&replica, &stage.account, &worthy).await;
    eventually_is(&stage, HELD, 1).await;
    // Written down in one go with the others, if they were to be.
    replica.stop().await;
    assert_eq!(stage.count(HELD).await, 1);
}

#[tokio::test]
async fn another_tenants_secret_proves_nothing() {
    let stage = Stage::new("held_tenants").await;
    let other = TestAccount::new();
    stage.put(&other, stage.replica_of(&other, 1)).await;
    let replica = stage.start().await;
    refused(&replica, &stage.account, &one().1).await;
    eventually_is(&stage, HELD, 1).await;
    // The other tenant sets the very secret; ours sets another.
    set_secret(&stage, &other).await;
    stage.put(&stage.account, stage.replica_signing(&stage.account, 2, &["0000000000000000", OLD_SECRET])).await;
    eventually_is(&stage, "SELECT count(*) FROM ingest.held_body WHERE judged_version = 2", 1).await;
    assert_eq!(stage.count(SEEN).await, 0);
    stage.put(&stage.account, stage.replica_signing(&stage.account, 3, &[NEXT])).await;
    eventually_is(&stage, SEEN, 1).await;
    eventually_is(&stage, HELD, 0).await;
}

#[tokio::test]
async fn two_replicas_that_learn_of_the_secret_at_once_store_each_body_once() {
    let stage = Stage::new("held_two").await;
    let (first, second) = (stage.start().await, stage.start().await);
    let bodies: Vec<(String, Bytes)> = (0..150).map(|_| one()).collect();
    for (n, (_, body)) in bodies.iter().enumerate() {
        refused(if n % 2 == 0 { &first } else { &second }, &stage.account, body).await;
    }
    eventually_is(&stage, HELD, 150).await;
    // One of them comes again before the secret is set, and is held twice.
    refused(&first, &stage.account, &bodies[0].1).await;
    eventually_is(&stage, HELD, 151).await;
    set_secret(&stage, &stage.account).await;
    let ids: Vec<String> = bodies.into_iter().map(|(id, _)| id).collect();
    stage.eventually_published(&ids).await;
    assert_eq!((stage.count(HELD).await, stage.count(SEEN).await), (0, 150));
}

#[tokio::test]
async fn a_process_killed_between_proof_and_deletion_loses_and_doubles_nothing() {
    // Whoever starts a host gets what HTTP clients need as well.
    let _host = Host::start("line", HostConfig::loopback()).unwrap();
    for (hint, place, left) in [("held_kill_a", "ingest.before_prove", 1), ("held_kill_b", "ingest.after_prove", 0)] {
        let stage = Stage::new(hint).await;
        let (http, grpc) = (port::free(), port::free());
        let mut process = stage.program(place, http, grpc);
        let (id, sent) = one();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://127.0.0.1:{http}/line/webhooks/{}", stage.account.key);
        eventually(SOON, || async {
            let post = client.post(&url).header("x-line-signature", signature(NEXT, &sent)).body(sent.clone());
            post.send().await.is_ok_and(|answer| answer.status() == 401).then_some(())
        })
        .await
        .unwrap();
        eventually_is(&stage, HELD, 1).await;
        set_secret(&stage, &stage.account).await;
        process.exit(SOON).await.unwrap();
        assert_eq!((stage.count(HELD).await, stage.count(SEEN).await), (left, 1 - left), "{place}");
        // What starts anew goes on where that one ended.
        let replica = stage.start().await;
        stage.eventually_published(std::slice::from_ref(&id)).await;
        assert_eq!((stage.count(HELD).await, stage.count(SEEN).await), (0, 1), "{place}");
        replica.stop().await;
    }
}

#[tokio::test]
async fn while_postgres_is_away_bodies_wait_in_memory_and_keep_no_answer_waiting() {
    let mut server = testkit::postgres::Private::start().await.unwrap();
    let stage = Stage::on(&server.cluster().unwrap(), testkit::nats::url(), "held_away").await;
    let replica = stage.start().await;
    server.kill9().await.unwrap();
    let bodies: Vec<(String, Bytes)> = (0..20).map(|_| one()).collect();
    for (_, body) in &bodies {
        let started = std::time::Instant::now();
        refused(&replica, &stage.account, body).await;
        assert!(started.elapsed() < std::time::Duration::from_secs(2), "{:?}", started.elapsed());
    }
    server.start_again().await.unwrap();
    eventually_is(&stage, HELD, 20).await;
    set_secret(&stage, &stage.account).await;
    let ids: Vec<String> = bodies.into_iter().map(|(id, _)| id).collect();
    stage.eventually_published(&ids).await;
    assert_eq!(stage.count(HELD).await, 0);
    replica.stop().await;
}
