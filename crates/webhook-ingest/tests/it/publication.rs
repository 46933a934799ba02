//! Every committed event reaches the stream, whoever dies in between.

use testkit::{eventually, nats};

use crate::stage::{SOON, Stage, TestAccount, one};

#[tokio::test]
async fn what_a_replica_committed_and_did_not_publish_another_one_publishes() {
    let mut server = nats::Private::start().await.unwrap();
    let cluster = testkit::postgres::Cluster::shared();
    let stage = Stage::on(&cluster, server.url(), "left_behind").await;
    let other = TestAccount::new();
    stage.put(&other, stage.replica_of(&other, 1)).await;
    let first = stage.start().await;
    server.stop().await.unwrap();
    let mut ids = Vec::new();
    for account in [&stage.account, &other, &stage.account] {
        let (id, body) = one();
        assert_eq!(first.post(account, body).await, 200, "Postgres alone is enough");
        ids.push(id);
    }
    first.stop().await;
    assert!(stage.count("SELECT count(*) FROM ingest.publication").await > 0);

    server.start_again().await.unwrap();
    let second = stage.start().await;
    stage.eventually_published(&ids).await;
    second.stop().await;
}

#[tokio::test]
async fn a_lost_stream_is_filled_again_from_the_archive() {
    let stage = Stage::new("lost_stream").await;
    let replica = stage.start().await;
    let mut ids = Vec::new();
    for _ in 0..150 {
        let (id, body) = one();
        assert_eq!(replica.post(&stage.account, body).await, 200);
        ids.push(id);
    }
    stage.eventually_published(&ids).await;
    // Remembered, or nobody could tell that it is another stream.
    eventually(SOON, || async { (stage.count("SELECT count(*) FROM ingest.stream_state").await == 1).then_some(()) })
        .await
        .unwrap();

    let jetstream = stage.jetstream().await;
    jetstream.delete_stream(format!("{}_LINE_WEBHOOK", stage.prefix)).await.unwrap();
    stage.eventually_published(&ids).await;
    let (id, body) = one();
    assert_eq!(replica.post(&stage.account, body).await, 200);
    ids.push(id);
    stage.eventually_published(&ids).await;
    replica.stop().await;
}

#[tokio::test]
async fn a_stopping_replica_finishes_what_it_has_in_hand() {
    let stage = Stage::new("drain").await;
    let replica = stage.start().await;
    let bodies: Vec<_> = (0..200).map(|_| one()).collect();
    let answers =
        futures::future::join_all(bodies.iter().map(|(_, body)| replica.post(&stage.account, body.clone()))).await;
    assert!(answers.iter().all(|status| *status == 200));
    replica.stop().await;
    // Without any replica left: everything was published and marked before the end.
    assert_eq!(stage.count("SELECT count(*) FROM ingest.publication").await, 0);
    assert_eq!(stage.published().await.len(), 200);
}
