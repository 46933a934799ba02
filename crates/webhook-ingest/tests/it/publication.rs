//! Every committed event reaches the stream, whoever dies in between.

mod left_behind;
mod refill;

use std::collections::BTreeSet;

use kernel::Timestamp;
use sqlx::{Connection, PgConnection};
use testkit::{eventually, nats};
use uuid::Uuid;

use crate::stage::{SOON, Stage, TestAccount, UNPUBLISHED, one};

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
    assert!(stage.count(UNPUBLISHED).await > 0);

    server.start_again().await.unwrap();
    let second = stage.start().await;
    stage.eventually_published(&ids).await;
    second.stop().await;
}

/// Until then nobody could tell that it is another stream.
async fn until_the_stream_is_remembered(stage: &Stage) {
    eventually(SOON, || async { (stage.count("SELECT count(*) FROM ingest.stream_state").await == 1).then_some(()) })
        .await
        .unwrap();
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
    until_the_stream_is_remembered(&stage).await;

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
async fn what_the_stream_forgot_when_its_server_died_is_published_again_however_old() {
    let mut server = nats::Private::start().await.unwrap();
    let cluster = testkit::postgres::Cluster::shared();
    let stage = Stage::on(&cluster, server.url(), "forgotten").await;
    let replica = stage.start().await;
    let (first, body) = one();
    assert_eq!(replica.post(&stage.account, body).await, 200);
    stage.eventually_published(std::slice::from_ref(&first)).await;
    server.stop().await.unwrap();
    server.keep_store().unwrap();
    let (late, body) = one();
    assert_eq!(replica.post(&stage.account, body).await, 200);
    made_an_hour_old(&stage).await;
    server.start_again().await.unwrap();
    stage.eventually_published(&[first.clone(), late.clone()]).await;

    server.kill9().await.unwrap();
    server.forget_since_kept().unwrap();
    server.start_again().await.unwrap();
    stage.eventually_published(&[first, late]).await;
    replica.stop().await;
}

#[tokio::test]
async fn what_was_published_late_is_remembered_as_long_as_the_server_is_away() {
    let mut server = nats::Private::start().await.unwrap();
    let cluster = testkit::postgres::Cluster::shared();
    let stage = Stage::on(&cluster, server.url(), "long_away").await;
    let replica = stage.start().await;
    until_the_stream_is_remembered(&stage).await;
    server.stop().await.unwrap();
    server.keep_store().unwrap();
    let (late, body) = one();
    assert_eq!(replica.post(&stage.account, body).await, 200);
    made_an_hour_old(&stage).await;
    server.start_again().await.unwrap();
    stage.eventually_published(std::slice::from_ref(&late)).await;

    server.kill9().await.unwrap();
    server.forget_since_kept().unwrap();
    // The server was last seen, and published this, half an hour ago; what was published an hour before that is on its disk.
    for long_ago in [
        "UPDATE ingest.stream_state SET seen_at = now() - interval '30 minutes', last_sequence = 0",
        "UPDATE ingest.late_publication SET published_at = now() - interval '31 minutes'",
        "INSERT INTO ingest.late_publication (tenant_id, batch_id, body_ids, published_at)
         SELECT tenant_id, gen_random_uuid(), '{}', now() - interval '90 minutes' FROM ingest.late_publication",
    ] {
        assert_eq!(
            sqlx::query(long_ago).execute(&mut stage.admin().await).await.unwrap().rows_affected(),
            1,
            "{long_ago}"
        );
    }
    let remembered = "SELECT count(*) FROM ingest.late_publication";
    eventually(SOON, || async { (stage.count(remembered).await < 2).then_some(()) }).await.unwrap();
    assert_eq!(stage.count(remembered).await, 1);
    server.start_again().await.unwrap();
    stage.eventually_published(&[late]).await;
    replica.stop().await;
}

/// The one body that waits for NATS was received an hour ago.
async fn made_an_hour_old(stage: &Stage) {
    let mut admin = PgConnection::connect(&stage.database.admin_url()).await.unwrap();
    let waiting = sqlx::query_scalar("SELECT unnest(body_ids) FROM ingest.publication");
    let body: Uuid = waiting.fetch_one(&mut admin).await.unwrap();
    let older = Uuid::from_u128(body.as_u128() - (3_600_000 << 80));
    for table in [
        "UPDATE ingest.seen_event SET body_id = $1 WHERE body_id = $2",
        "UPDATE ingest.body SET body_id = $1 WHERE body_id = $2",
        "UPDATE ingest.publication SET body_ids = ARRAY[$1] WHERE body_ids = ARRAY[$2]",
    ] {
        let changed = sqlx::query(table).bind(older).bind(body).execute(&mut admin).await.unwrap();
        assert_eq!(changed.rows_affected(), 1, "{table}");
    }
    stage.renamed(body, older).await;
}

/// A row as filling a lost stream again makes it; returns its name.
async fn due_row(admin: &mut PgConnection, stage: &Stage) -> Uuid {
    let made = sqlx::query_scalar(
        "INSERT INTO ingest.publication (tenant_id, batch_id, due_at, body_ids)
         SELECT $1, gen_random_uuid(), now(), array_agg(body_id) FROM ingest.body RETURNING batch_id",
    );
    made.bind(stage.account.tenant.uuid()).fetch_one(admin).await.unwrap()
}

#[tokio::test]
async fn a_row_put_back_while_it_is_published_stays_to_be_published_again() {
    let stage = Stage::new("put_back").await;
    let replica = stage.start().await;
    let (id, body) = one();
    assert_eq!(replica.post(&stage.account, body).await, 200);
    stage.eventually_published(&[id]).await;
    let (mut admin, mut other) = (
        PgConnection::connect(&stage.database.admin_url()).await.unwrap(),
        PgConnection::connect(&stage.database.admin_url()).await.unwrap(),
    );
    // Whoever has published it cannot say so yet.
    let mut holding = admin.begin().await.unwrap();
    sqlx::query("LOCK TABLE ingest.late_publication IN ACCESS EXCLUSIVE MODE").execute(&mut *holding).await.unwrap();
    let row = due_row(&mut other, &stage).await;
    let waiting =
        "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
        WHERE l.relation = 'ingest.late_publication'::regclass AND NOT l.granted
            AND NOT EXISTS (SELECT FROM ingest.publication WHERE due_at <= now())";
    eventually(SOON, || async { (stage.count(waiting).await > 0).then_some(()) }).await.unwrap();
    let put_back = sqlx::query("UPDATE ingest.publication SET due_at = now() + interval '1 hour' WHERE batch_id = $1");
    put_back.bind(row).execute(&mut *holding).await.unwrap();
    holding.commit().await.unwrap();

    let next = due_row(&mut other, &stage).await;
    let late: Vec<Uuid> = eventually(SOON, || async {
        let mut looking = PgConnection::connect(&stage.database.admin_url()).await.unwrap();
        let late = sqlx::query_scalar("SELECT batch_id FROM ingest.late_publication");
        let late: Vec<Uuid> = late.fetch_all(&mut looking).await.unwrap();
        late.contains(&next).then_some(late)
    })
    .await
    .unwrap();
    assert_eq!(late, [next]);
    assert_eq!(stage.count("SELECT count(*) FROM ingest.publication").await, 1);
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
    assert_eq!(stage.count(UNPUBLISHED).await, 0);
    assert_eq!(stage.published().await.len(), 200);
}

#[tokio::test]
async fn a_body_that_was_changed_in_the_archive_is_left_out_and_holds_up_nobody() {
    let mut server = nats::Private::start().await.unwrap();
    let stage = Stage::on(&testkit::postgres::Cluster::shared(), server.url(), "changed").await;
    let replica = stage.start().await;
    server.kill9().await.unwrap();
    let ((_, first), (second, after)) = (one(), one());
    assert_eq!(replica.post(&stage.account, first).await, 200);
    sqlx::query("UPDATE ingest.body SET payload = payload || '\\x00'").execute(&mut stage.admin().await).await.unwrap();
    assert_eq!(replica.post(&stage.account, after).await, 200);
    // Whoever took them publishes from memory: this one must not.
    replica.stop().await;
    server.start_again().await.unwrap();
    let replica = stage.start().await;
    stage.eventually_published(&[second]).await;
    replica.stop().await;
}

#[tokio::test]
async fn a_body_whose_data_key_does_not_exist_holds_up_nobody() {
    let mut server = nats::Private::start().await.unwrap();
    let stage = Stage::on(&testkit::postgres::Cluster::shared(), server.url(), "no_key").await;
    let replica = stage.start().await;
    server.kill9().await.unwrap();
    let (_, lost) = one();
    assert_eq!(replica.post(&stage.account, lost).await, 200);
    // A key of nobody's stands in its head.
    let renamed =
        "UPDATE ingest.body SET payload = overlay(payload placing uuid_send(gen_random_uuid()) from 2 for 16)";
    sqlx::query(renamed).execute(&mut stage.admin().await).await.unwrap();
    let (id, body) = one();
    assert_eq!(replica.post(&stage.account, body).await, 200);
    server.start_again().await.unwrap();
    stage.eventually_published(&[id]).await;
    replica.stop().await;
}

/// Waits until the tenant's commits that cannot be published were claimed again and again: each time theirs is put off.
async fn put_off(stage: &Stage) {
    let mut times = BTreeSet::new();
    eventually(SOON, async || {
        let due = sqlx::query_scalar("SELECT due_at FROM ingest.publication WHERE tenant_id = $1");
        let due = due.bind(stage.account.tenant.uuid()).fetch_all(&mut stage.admin().await).await.unwrap();
        times.extend::<Vec<Timestamp>>(due);
        if times.len() > 4 { Ok(()) } else { Err(times.len()) }
    })
    .await
    .unwrap();
}

/// Has a tenant's data key be of that master key, which is configured or not.
async fn wrapped_by(stage: &Stage, account: &TestAccount, master: &str) {
    let update = "UPDATE ingest.data_key SET master_key_id = $2 WHERE tenant_id = $1";
    let update = sqlx::query(update).bind(account.tenant.uuid()).bind(master);
    assert_eq!(update.execute(&mut stage.admin().await).await.unwrap().rows_affected(), 1);
}

#[tokio::test]
async fn a_body_whose_data_key_cannot_be_used_for_now_waits_until_it_can_and_keeps_no_other_tenant_waiting() {
    let mut server = nats::Private::start().await.unwrap();
    let stage = Stage::on(&testkit::postgres::Cluster::shared(), server.url(), "key_away").await;
    let other = TestAccount::new();
    stage.put(&other, stage.replica_of(&other, 1)).await;
    let replica = stage.start().await;
    server.kill9().await.unwrap();
    let ((ours, body), (theirs, another)) = (one(), one());
    assert_eq!(replica.post(&stage.account, body).await, 200);
    assert_eq!(replica.post(&other, another).await, 200);
    // Whoever took it has the key in memory.
    replica.stop().await;
    wrapped_by(&stage, &stage.account, "away").await;
    server.start_again().await.unwrap();
    let replica = stage.start().await;
    put_off(&stage).await;
    eventually(SOON, || async {
        let published: Vec<_> = stage.published().await.into_iter().map(|(_, event)| event.webhook_event_id).collect();
        if published == [theirs.clone()] { Ok(()) } else { Err(published) }
    })
    .await
    .unwrap();
    wrapped_by(&stage, &stage.account, "test").await;
    stage.eventually_published(&[ours, theirs]).await;
    replica.stop().await;
}
