//! Who fills a lost stream again, who does it when that one has died, and that it is filled once.

use kernel::Timestamp;
use testkit::eventually;
use uuid::Uuid;

use super::until_the_stream_is_remembered;
use crate::stage::{Replica, SOON, Stage, TestAccount, UNPUBLISHED, one};

/// A stage whose stream has one event, as is remembered, and no replica any more; the event's ID.
async fn filled(hint: &str) -> (Stage, String) {
    let stage = Stage::new(hint).await;
    let replica = stage.start().await;
    let (id, body) = one();
    assert_eq!(replica.post(&stage.account, body).await, 200);
    stage.eventually_published(std::slice::from_ref(&id)).await;
    until_the_stream_is_remembered(&stage).await;
    replica.stop().await;
    (stage, id)
}

async fn lose_the_stream(stage: &Stage) {
    stage.jetstream().await.delete_stream(format!("{}_LINE_WEBHOOK", stage.prefix)).await.unwrap();
}

/// Until when the stream is left to whoever fills it, and the time now.
async fn claimed(stage: &Stage) -> Option<(Timestamp, Timestamp)> {
    let claimed = sqlx::query_as("SELECT claimed_until, now() FROM ingest.refill WHERE NOT complete");
    claimed.fetch_optional(&mut stage.admin().await).await.unwrap()
}

#[tokio::test]
async fn a_lost_stream_is_filled_by_another_replica_soon_after_the_one_that_did_was_killed() {
    let (stage, id) = filled("refill_killed").await;
    lose_the_stream(&stage).await;
    // Nobody gets further than to say that they fill it.
    let mut holding = stage.admin().await;
    for lock in ["BEGIN", "LOCK TABLE ingest.publication IN ACCESS EXCLUSIVE MODE"] {
        sqlx::query(lock).execute(&mut holding).await.unwrap();
    }
    let mut doomed = stage.launch().start().unwrap();
    let (until, now) = eventually(SOON, || claimed(&stage)).await.unwrap();
    assert!((until - now).num_seconds() <= 10, "it is left to the dead until {until}");
    doomed.sigkill().unwrap();
    doomed.exit(SOON).await.unwrap();
    sqlx::query("ROLLBACK").execute(&mut holding).await.unwrap();
    let replica = stage.start().await;
    stage.eventually_published(&[id]).await;
    replica.stop().await;
}

#[tokio::test]
async fn a_stream_that_somebody_fills_is_left_to_them_until_they_have_said_nothing_for_long() {
    let (stage, id) = filled("refill_held").await;
    let mut admin = stage.admin().await;
    let held =
        "INSERT INTO ingest.refill (epoch, holder, claimed_until) SELECT epoch + 1, $1, now() + interval '1 hour'
        FROM ingest.stream_state";
    let held = sqlx::query(held).bind(Uuid::new_v4()).execute(&mut admin).await.unwrap();
    assert_eq!(held.rows_affected(), 1);
    lose_the_stream(&stage).await;
    let replica = stage.start().await;
    let noticed = "SELECT count(*) FROM ingest.stream_state JOIN ingest.refill USING (epoch)";
    eventually(SOON, || async { (stage.count(noticed).await == 1).then_some(()) }).await.unwrap();
    // It looks again, and has done by then what followed from the look before.
    for _ in 0..2 {
        let long_ago = "UPDATE ingest.stream_state SET seen_at = now() - interval '1 hour'";
        sqlx::query(long_ago).execute(&mut admin).await.unwrap();
        let seen = "SELECT count(*) FROM ingest.stream_state WHERE seen_at > now() - interval '1 minute'";
        eventually(SOON, || async { (stage.count(seen).await == 1).then_some(()) }).await.unwrap();
    }
    assert_eq!((stage.count(UNPUBLISHED).await, stage.published().await.len()), (0, 0), "somebody else fills it");
    sqlx::query("UPDATE ingest.refill SET claimed_until = now() - interval '1 second'")
        .execute(&mut admin)
        .await
        .unwrap();
    stage.eventually_published(&[id]).await;
    replica.stop().await;
}

/// A replica with this many events published, and nothing left to publish.
async fn many_published(stage: &Stage, many: usize) -> (Replica, Vec<String>) {
    let replica = stage.start().await;
    let mut ids = Vec::new();
    for _ in 0..many {
        let (id, body) = one();
        assert_eq!(replica.post(&stage.account, body).await, 200);
        ids.push(id);
    }
    stage.eventually_published(&ids).await;
    until_the_stream_is_remembered(stage).await;
    (replica, ids)
}

/// Lets the service see another server than before, last seen so long after the body of this place that a refill begins there;
/// waits until it is done.
async fn restart_seen(stage: &Stage, body: i64) {
    let refills = stage.count("SELECT count(*) FROM ingest.refill WHERE complete").await;
    let another = "UPDATE ingest.stream_state SET server = gen_random_uuid()::text,
        seen_at = (SELECT verified_at FROM ingest.body ORDER BY body_id OFFSET $1 LIMIT 1) + interval '6 minutes'";
    let another = sqlx::query(another).bind(body).execute(&mut stage.admin().await).await.unwrap();
    assert_eq!(another.rows_affected(), 1);
    eventually(SOON, || async {
        (stage.count("SELECT count(*) FROM ingest.refill WHERE complete").await > refills).then_some(())
    })
    .await
    .unwrap();
}

/// From here on what is due stays so: to claim it changes nothing.
async fn nobody_publishes_what_is_due(stage: &Stage) {
    for never in [
        "CREATE FUNCTION ingest.never() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "GRANT EXECUTE ON FUNCTION ingest.never() TO PUBLIC",
        "CREATE TRIGGER never BEFORE UPDATE ON ingest.publication FOR EACH ROW
            WHEN (current_user = 'ingest_worker' AND new.body_ids = old.body_ids) EXECUTE FUNCTION ingest.never()",
    ] {
        sqlx::query(never).execute(&mut stage.admin().await).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_dies_again_before_the_stream_is_filled_makes_no_body_due_twice() {
    const MANY: i64 = 400;
    let stage = Stage::new("refilled_twice").await;
    let (replica, _) = many_published(&stage, MANY.cast_unsigned().try_into().unwrap()).await;
    let late = "INSERT INTO ingest.late_publication (tenant_id, batch_id, body_ids, published_at)
        SELECT tenant_id, gen_random_uuid(), ARRAY[body_id], now() + interval '1 hour' FROM ingest.body ORDER BY body_id DESC LIMIT 20";
    assert_eq!(sqlx::query(late).execute(&mut stage.admin().await).await.unwrap().rows_affected(), 20);
    nobody_publishes_what_is_due(&stage).await;

    for from in [300, 200, 250, 50] {
        restart_seen(&stage, from).await;
        let due = "SELECT count(*) FROM ingest.publication, unnest(body_ids)";
        let once = "SELECT count(DISTINCT body_id) FROM ingest.publication, unnest(body_ids) AS body_id";
        let (due, once) = (stage.count(due).await, stage.count(once).await);
        assert_eq!(due, once, "from the body {from} on");
        assert!((MANY - from..=MANY).contains(&once), "from the body {from} on, {once} are due");
    }
    replica.stop().await;
}

#[tokio::test]
async fn what_was_published_late_joins_what_waits_under_its_name() {
    let stage = Stage::new("refill_joins").await;
    let (replica, _) = many_published(&stage, 20).await;
    nobody_publishes_what_is_due(&stage).await;
    for same_name in [
        "INSERT INTO ingest.late_publication (tenant_id, batch_id, body_ids, published_at)
            SELECT tenant_id, lpad('5', 32, '0')::uuid, ARRAY[body_id], now() + interval '1 hour'
            FROM ingest.body ORDER BY body_id LIMIT 1",
        "INSERT INTO ingest.publication (tenant_id, batch_id, due_at, body_ids)
            SELECT tenant_id, lpad('5', 32, '0')::uuid, now(), array_agg(body_id)
            FROM (SELECT tenant_id, body_id FROM ingest.body ORDER BY body_id OFFSET 1 LIMIT 3) AS behind GROUP BY tenant_id",
    ] {
        let inserted = sqlx::query(same_name).execute(&mut stage.admin().await).await.unwrap();
        assert_eq!(inserted.rows_affected(), 1);
    }
    // The refill itself brings back none of them: its slack of a minute would.
    sqlx::query("UPDATE ingest.body SET verified_at = verified_at + interval '2 minutes'")
        .execute(&mut stage.admin().await)
        .await
        .unwrap();
    restart_seen(&stage, 19).await;
    let joined = "SELECT count(*) FROM ingest.publication, unnest(body_ids) WHERE batch_id = lpad('5', 32, '0')::uuid";
    assert_eq!(stage.count(joined).await, 4);
    replica.stop().await;
}

#[tokio::test]
async fn whoever_takes_a_refill_over_goes_on_where_it_was() {
    let stage = Stage::new("refill_taken_over").await;
    let other = TestAccount::of("00000000-0000-4000-8000-000000000001".parse().unwrap());
    stage.put(&other, stage.replica_of(&other, 1)).await;
    let (replica, ids) = many_published(&stage, 20).await;
    let mut bodies: Vec<(String, String)> =
        stage.published().await.into_iter().map(|(_, event)| (event.body_id, event.webhook_event_id)).collect();
    bodies.sort();
    let left: Vec<String> = bodies.into_iter().skip(12).map(|(_, event)| event).collect();
    let (done, body) = one();
    assert_eq!(replica.post(&other, body).await, 200);
    stage.eventually_published(&[ids.as_slice(), &[done]].concat()).await;
    replica.stop().await;
    let place = "INSERT INTO ingest.refill (epoch, holder, claimed_until, at_tenant, from_body)
        SELECT epoch + 1, gen_random_uuid(), now() - interval '1 second', at.tenant_id, at.body_id FROM ingest.stream_state,
            LATERAL (SELECT tenant_id, body_id FROM ingest.body WHERE tenant_id = $1 ORDER BY body_id OFFSET 12 LIMIT 1) AS at";
    let place = sqlx::query(place).bind(stage.account.tenant.uuid()).execute(&mut stage.admin().await).await.unwrap();
    assert_eq!(place.rows_affected(), 1);
    lose_the_stream(&stage).await;
    let replica = stage.start().await;
    stage.eventually_published(&left).await;
    replica.stop().await;
}
