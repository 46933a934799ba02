//! Postgres away, NATS away, both away; a row Postgres will not take.

use std::time::{Duration, Instant};

use testkit::{eventually, nats, postgres};

use crate::stage::{SOON, Stage, TestAccount, body_for, event, new_id, one};

#[tokio::test]
async fn with_postgres_away_bodies_are_spilled_and_moved_when_it_is_back() {
    let mut server = postgres::Private::start().await.unwrap();
    let stage = Stage::on(&server.cluster().unwrap(), nats::url(), "spill").await;
    let replica = stage.start().await;
    let (before, before_body) = one();
    assert_eq!(replica.post(&stage.account, before_body.clone()).await, 200);
    server.kill9().await.unwrap();

    let bodies: Vec<_> = (0..60).map(|_| one()).collect();
    let started = Instant::now();
    let posts = bodies.iter().map(|(_, body)| replica.post(&stage.account, body.clone()));
    let answers = futures::future::join_all(posts).await;
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    // A repetition of what was stored before, and of what was spilled, and a body for another bot.
    assert_eq!(replica.post(&stage.account, before_body).await, 200);
    assert_eq!(replica.post(&stage.account, bodies[0].1.clone()).await, 200);
    assert_eq!(replica.post(&stage.account, body_for("Uother", &[event(&new_id())])).await, 200);

    server.start_again().await.unwrap();
    let mut ids: Vec<String> = bodies.into_iter().map(|(id, _)| id).collect();
    ids.push(before);
    stage.eventually_published(&ids).await;
    assert_eq!(stage.count("SELECT count(*) FROM ingest.seen_event").await, 61);
    eventually(SOON, || async {
        (stage.count("SELECT count(*) FROM ingest.quarantined_body").await == 1).then_some(())
    })
    .await
    .unwrap();
    // What people wrote is erased from Postgres when they ask, so it lies nowhere else.
    let jetstream = stage.jetstream().await;
    eventually(SOON, || async {
        let spill = jetstream.get_stream(format!("{}_INGEST_SPILL", stage.prefix)).await.unwrap();
        match spill.cached_info().state.messages {
            0 => Ok(()),
            left => Err(left),
        }
    })
    .await
    .unwrap();
    replica.stop().await;
}

#[tokio::test]
async fn with_postgres_hanging_the_answer_still_comes_in_time() {
    let stage = Stage::new("hanging").await;
    let replica = stage.start().await;
    let mut admin = stage.admin().await;
    sqlx::query("BEGIN").execute(&mut admin).await.unwrap();
    sqlx::query("LOCK TABLE ingest.seen_event IN ACCESS EXCLUSIVE MODE").execute(&mut admin).await.unwrap();
    let bodies: Vec<_> = (0..30).map(|_| one()).collect();
    for (_, body) in &bodies {
        let started = Instant::now();
        assert_eq!(replica.post(&stage.account, body.clone()).await, 200);
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    }
    sqlx::query("ROLLBACK").execute(&mut admin).await.unwrap();
    let ids: Vec<String> = bodies.into_iter().map(|(id, _)| id).collect();
    stage.eventually_published(&ids).await;
    assert_eq!(stage.count("SELECT count(*) FROM ingest.body").await, 30);
    replica.stop().await;
}

#[tokio::test]
async fn what_a_dead_replica_spilled_another_one_moves() {
    let mut server = postgres::Private::start().await.unwrap();
    let stage = Stage::on(&server.cluster().unwrap(), nats::url(), "spill_left").await;
    let first = stage.start().await;
    server.kill9().await.unwrap();
    let (id, body) = one();
    assert_eq!(first.post(&stage.account, body).await, 200);
    first.stop().await;
    server.start_again().await.unwrap();
    let second = stage.start().await;
    stage.eventually_published(&[id]).await;
    second.stop().await;
}

#[tokio::test]
async fn what_was_spilled_outlives_the_spill_stream() {
    let mut server = postgres::Private::start().await.unwrap();
    let stage = Stage::on(&server.cluster().unwrap(), nats::url(), "spill_lost").await;
    let replica = stage.start().await;
    server.kill9().await.unwrap();
    let mut ids = Vec::new();
    // One after the other: each a message of its own, more than anybody has in hand.
    for _ in 0..12 {
        let (id, body) = one();
        assert_eq!(replica.post(&stage.account, body).await, 200);
        ids.push(id);
    }
    assert!(nats::delete_streams(&stage.nats_url, &stage.prefix).await.unwrap() > 0);
    server.start_again().await.unwrap();
    stage.eventually_published(&ids).await;
    assert_eq!(stage.count("SELECT count(*) FROM ingest.body").await, 12);
    replica.stop().await;
}

#[tokio::test]
async fn with_nats_away_postgres_alone_is_enough() {
    let mut server = nats::Private::start().await.unwrap();
    let stage = Stage::on(&postgres::Cluster::shared(), server.url(), "no_nats").await;
    let replica = stage.start().await;
    server.kill9().await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..20 {
        let (id, body) = one();
        assert_eq!(replica.post(&stage.account, body).await, 200);
        ids.push(id);
    }
    server.start_again().await.unwrap();
    stage.eventually_published(&ids).await;
    replica.stop().await;
}

#[tokio::test]
async fn with_both_away_nothing_is_pretended() {
    let mut postgres = postgres::Private::start().await.unwrap();
    let mut nats = nats::Private::start().await.unwrap();
    let stage = Stage::on(&postgres.cluster().unwrap(), nats.url(), "both").await;
    let replica = stage.start().await;
    postgres.kill9().await.unwrap();
    nats.kill9().await.unwrap();
    let (id, body) = one();
    for _ in 0..5 {
        let started = Instant::now();
        assert_eq!(replica.post(&stage.account, body.clone()).await, 503);
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    }
    postgres.start_again().await.unwrap();
    // LINE delivers again.
    eventually(SOON, || async { (replica.post(&stage.account, body.clone()).await == 200).then_some(()) })
        .await
        .unwrap();
    nats.start_again().await.unwrap();
    stage.eventually_published(&[id]).await;
    replica.stop().await;
}

#[tokio::test]
async fn a_body_postgres_refuses_does_not_fail_its_neighbours() {
    let stage = Stage::new("poison").await;
    let poisoned = TestAccount::new();
    stage.put(&poisoned, stage.replica_of(&poisoned, 1)).await;
    let constraint = format!("ALTER TABLE ingest.body ADD CONSTRAINT never CHECK (account_id <> '{}')", poisoned.id);
    sqlx::query(sqlx::AssertSqlSafe(constraint)).execute(&mut stage.admin().await).await.unwrap();
    let replica = stage.start().await;
    let bodies: Vec<_> = (0..100).map(|_| one()).collect();
    let good = bodies.iter().map(|(_, body)| replica.deliver(&stage.account, body.clone()));
    let poison = (0..4).map(|_| replica.post(&poisoned, one().1));
    let (_, refused) = futures::join!(futures::future::join_all(good), futures::future::join_all(poison));
    let ids: Vec<String> = bodies.into_iter().map(|(id, _)| id).collect();
    stage.eventually_published(&ids).await;
    assert_eq!(stage.count("SELECT count(*) FROM ingest.body").await, 100);
    // On a machine so slow that bodies are spilled, these are kept there; else nobody has them, and LINE knows.
    assert!(refused.iter().all(|status| [200, 503].contains(status)), "{refused:?}");
}

#[tokio::test]
async fn partitions_whose_time_is_over_are_dropped_and_new_ones_are_there() {
    let stage = Stage::new("retention").await;
    let replica = stage.start().await;
    assert_eq!(replica.post(&stage.account, one().1).await, 200);
    replica.stop().await;
    let later = kernel::ManualClock::at(crate::stage::now() + chrono::TimeDelta::days(120));
    let life = chassis::HostConfig::loopback().with_clock(std::sync::Arc::new(later));
    let replica = stage.start_with(stage.config(), life).await;
    eventually(SOON, || async { (stage.count("SELECT count(*) FROM ingest.body").await == 0).then_some(()) })
        .await
        .unwrap();
    eventually(SOON, || async { (stage.count("SELECT count(*) FROM ingest.seen_event").await == 0).then_some(()) })
        .await
        .unwrap();
    replica.stop().await;
}
