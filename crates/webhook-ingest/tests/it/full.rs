//! Disks that are full (R-8): what is acknowledged is kept, what cannot be is refused clearly, and all goes on when there is room.

use bytes::Bytes;
use chassis::HostConfig;

use crate::stage::{BOT, Stage, event, new_id, one};

/// Says what Postgres says when its disk is full, whatever is to be written.
const FULL: [&str; 3] = [
    "CREATE FUNCTION ingest.full() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
         RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
     END
     $$",
    "CREATE TRIGGER no_room BEFORE INSERT ON ingest.body FOR EACH ROW EXECUTE FUNCTION ingest.full()",
    "CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON ingest.heartbeat FOR EACH ROW EXECUTE FUNCTION ingest.full()",
];
const ROOM: [&str; 3] =
    ["DROP TRIGGER no_room ON ingest.heartbeat", "DROP TRIGGER no_room ON ingest.body", "DROP FUNCTION ingest.full()"];

/// Each statement for itself: one that kept its tables locked while it waits for the next would stand in a circle with a replica's.
async fn does(stage: &Stage, statements: [&'static str; 3]) {
    let mut admin = stage.admin().await;
    for statement in statements {
        sqlx::raw_sql(statement).execute(&mut admin).await.unwrap();
    }
}

#[tokio::test]
async fn with_postgres_disk_full_bodies_are_spilled_and_moved_when_there_is_room() {
    let stage = Stage::new("full").await;
    let replica = stage.start().await;
    does(&stage, FULL).await;
    let mut ids = Vec::new();
    for _ in 0..10 {
        let (id, body) = one();
        replica.deliver(&stage.account, body).await;
        ids.push(id);
    }
    assert_eq!(stage.count("SELECT count(*) FROM ingest.body").await, 0);
    does(&stage, ROOM).await;
    stage.eventually_published(&ids).await;
    assert_eq!(stage.count("SELECT count(*) FROM ingest.body").await, 10);
    replica.stop().await;
}

#[tokio::test]
async fn with_both_disks_full_what_is_refused_is_said_and_what_was_taken_is_kept() {
    let stage = Stage::new("both_full").await;
    let mut config = stage.config();
    config.bus.stream_max_bytes = Some(128 * 1_024);
    let replica = stage.start_with(config, HostConfig::loopback()).await;
    replica.ready().await;
    does(&stage, FULL).await;
    // Some are taken until the stream has no room. The answer to the others may be 503 for another reason at first.
    let (mut taken, mut refused) = (Vec::new(), 0);
    for _ in 0..40 {
        let id = new_id();
        match replica.post(&stage.account, padded(&id)).await {
            200 => taken.push(id),
            status => {
                assert_eq!(status, 503);
                refused += 1;
            }
        }
    }
    assert!(!taken.is_empty() && refused >= 20, "{} taken, {refused} refused", taken.len());
    does(&stage, ROOM).await;
    stage.eventually_published(&taken).await;
    let (id, body) = one();
    replica.deliver(&stage.account, body).await;
    taken.push(id);
    stage.eventually_published(&taken).await;
    replica.stop().await;
}

/// A body with much beside its event.
fn padded(id: &str) -> Bytes {
    let room = " ".repeat(16 * 1_024);
    Bytes::from(format!(r#"{{"destination":"{BOT}","events":[{}]{room}}}"#, event(id)))
}
