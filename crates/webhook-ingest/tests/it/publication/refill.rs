//! Who fills a lost stream again, and who does it when that one has died.

use kernel::Timestamp;
use testkit::eventually;
use uuid::Uuid;

use super::until_the_stream_is_remembered;
use crate::stage::{SOON, Stage, UNPUBLISHED, one};

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
