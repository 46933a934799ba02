//! What was committed and not published: in its order, many commits in a turn, no tenant before all others, and never given up.

use async_nats::jetstream::stream::DiscardPolicy;
use sqlx::{Connection, PgConnection};
use testkit::{eventually, nats, postgres};

use super::{put_off, until_the_stream_is_remembered};
use crate::stage::{SOON, Stage, UNPUBLISHED, one};

#[tokio::test]
async fn what_was_left_behind_goes_in_the_order_of_its_commits_and_many_are_marked_together() {
    const COMMITS: usize = 100;
    let mut server = nats::Private::start().await.unwrap();
    let stage = Stage::on(&postgres::Cluster::shared(), server.url(), "many_left").await;
    let replica = stage.start().await;
    server.stop().await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..COMMITS {
        let (id, body) = one();
        assert_eq!(replica.post(&stage.account, body).await, 200);
        ids.push(id);
    }
    replica.stop().await;
    assert_eq!(stage.count(UNPUBLISHED).await, 100, "a commit each");
    server.start_again().await.unwrap();
    let replica = stage.start().await;
    stage.eventually_published(&ids).await;
    let published = stage.published().await.into_iter().map(|(_, event)| event.webhook_event_id);
    assert_eq!(published.collect::<Vec<_>>(), ids);
    let turns = stage.count("SELECT count(DISTINCT published_at) FROM ingest.late_publication").await;
    assert!(turns <= 20, "{turns} turns");
    replica.stop().await;
}

#[tokio::test]
async fn what_the_stream_has_no_room_for_waits_until_it_has() {
    let stage = Stage::new("no_room").await;
    let replica = stage.start().await;
    let (first, body) = one();
    assert_eq!(replica.post(&stage.account, body).await, 200);
    stage.eventually_published(std::slice::from_ref(&first)).await;
    let jetstream = stage.jetstream().await;
    let stream = jetstream.get_stream(format!("{}_LINE_WEBHOOK", stage.prefix)).await.unwrap();
    let roomy = stream.cached_info().config.clone();
    let mut narrow = roomy.clone();
    (narrow.max_messages, narrow.discard) = (1, DiscardPolicy::New);
    jetstream.update_stream(&narrow).await.unwrap();
    let (second, body) = one();
    assert_eq!(replica.post(&stage.account, body).await, 200);
    put_off(&stage).await;
    jetstream.update_stream(&roomy).await.unwrap();
    stage.eventually_published(&[first, second]).await;
    replica.stop().await;
}

#[tokio::test]
async fn tenants_with_much_to_publish_leave_their_turns_to_the_others() {
    let stage = Stage::new("fair_turns").await;
    // Of bodies that are gone: nothing but their turns is seen.
    let mut admin = PgConnection::connect(&stage.database.admin_url()).await.unwrap();
    sqlx::query(
        "INSERT INTO ingest.publication (tenant_id, batch_id, due_at, body_ids)
         SELECT lpad(to_hex(tenant), 32, '0')::uuid, gen_random_uuid(), now(), '{}'
         FROM generate_series(1, 5) AS tenant, generate_series(1, CASE WHEN tenant = 5 THEN 1 ELSE 400 END)",
    )
    .execute(&mut admin)
    .await
    .unwrap();
    let replica = stage.start().await;
    until_the_stream_is_remembered(&stage).await;
    eventually(SOON, || async { (stage.count(UNPUBLISHED).await == 0).then_some(()) }).await.unwrap();
    let later = "SELECT count(*) FROM ingest.late_publication WHERE published_at >
        (SELECT published_at FROM ingest.late_publication WHERE tenant_id = lpad('5', 32, '0')::uuid)";
    let later = stage.count(later).await;
    assert!(later > 800, "{later} of 1,600 came behind the one of a tenant that waited for nothing else");
    replica.stop().await;
}
