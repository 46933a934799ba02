//! Disks that are full (R-8): what is acknowledged is kept, what cannot be is refused clearly, and all goes on when there is room.

use bytes::Bytes;
use chassis::HostConfig;

use crate::stage::{BOT, Stage, event, new_id, one};

/// Says what Postgres says when its disk is full, as long as there is a row. Put in place before anything runs, and switched by that row:
/// a trigger that comes or goes locks a table and its partitions, and would stand in a circle with a replica's statement.
const DISK: &str = "
CREATE TABLE ingest.full_disk (since timestamptz DEFAULT now());
CREATE FUNCTION ingest.write() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF EXISTS (SELECT FROM ingest.full_disk) THEN
        RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER disk BEFORE INSERT ON ingest.body FOR EACH ROW EXECUTE FUNCTION ingest.write();
CREATE TRIGGER disk BEFORE INSERT OR UPDATE ON ingest.heartbeat FOR EACH ROW EXECUTE FUNCTION ingest.write()";
const FULL: &str = "INSERT INTO ingest.full_disk DEFAULT VALUES";
const ROOM: &str = "DELETE FROM ingest.full_disk";

async fn does(stage: &Stage, statements: &'static str) {
    sqlx::raw_sql(statements).execute(&mut stage.admin().await).await.unwrap();
}

#[tokio::test]
async fn with_postgres_disk_full_bodies_are_spilled_and_moved_when_there_is_room() {
    let stage = Stage::new("full").await;
    does(&stage, DISK).await;
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
    does(&stage, DISK).await;
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
