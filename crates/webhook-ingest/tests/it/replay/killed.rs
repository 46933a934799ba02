//! The program killed (SIGKILL) wherever a replay can be in the middle of something: another replica goes on with it.

use std::os::unix::process::ExitStatusExt as _;

use contracts::access_proto::v1::Right;
use contracts::ingest::v1::{ReplayState, StartReplayRequest};
use testkit::process::Process;

use super::consumer::Consumer;
use super::{Operator, published_once, rebuild, redrive, taken};
use crate::stage::{SOON, Stage};

/// The program on the stage's database.
async fn program(stage: &Stage, port: u16, place: &str) -> Process {
    stage
        .launch()
        .env("TSUNAGI_INGEST_GRPC_ADDR", format!("127.0.0.1:{port}"))
        .env("TSUNAGI_IDENTITY_URL", Consumer::default().serve().await.as_str())
        .env("TSUNAGI_FAILPOINTS", format!("{place}=kill"))
        .start()
        .unwrap()
}

#[tokio::test]
async fn a_replay_whose_replica_is_killed_is_finished_by_another_and_publishes_each_event_once() {
    for (place, request) in [
        ("ingest.replay_claimed", redrive()),
        ("ingest.replay_published", redrive()),
        ("ingest.replay_claimed", rebuild()),
    ] {
        let stage = Stage::new("replay_killed").await;
        let replica = stage.start().await;
        let ids = taken(&stage, &replica, &stage.account, 30).await;
        replica.stop().await;

        let port = testkit::port::free();
        let mut killed = program(&stage, port, place).await;
        let rights = [Right::OperationsRead, Right::OperationsManage];
        let url = format!("http://127.0.0.1:{port}");
        let ours = Operator::at(&stage, &url, stage.account.tenant, &rights).await;
        let id =
            ours.begun(StartReplayRequest { request_id: uuid::Uuid::new_v4().to_string(), ..request.clone() }).await;
        let status = killed.exit(SOON).await.unwrap();
        assert_eq!(status.signal(), Some(9), "{place}: {:?}", killed.lines());

        let replica = stage.start().await;
        let ours = Operator::of(&stage, &replica, stage.account.tenant).await;
        let done = ours.until(&id.replay_id, ReplayState::Done).await;
        assert_eq!((done.published_count, done.skipped_count), (30, 0), "{place}");
        published_once(&stage, &done.replay_id, &ids, request.mode == rebuild().mode).await;
        replica.stop().await;
    }
}

#[tokio::test]
async fn a_rebuild_killed_before_it_publishes_and_a_stopped_replay_killed_before_its_end_come_to_it() {
    for (place, request, end) in [
        ("ingest.replay_prepared", rebuild(), ReplayState::Done),
        ("ingest.replay_finished", redrive(), ReplayState::Stopped),
    ] {
        let stage = Stage::new("replay_killed_ends").await;
        if end == ReplayState::Stopped {
            let replica = stage.start().await;
            taken(&stage, &replica, &stage.account, 10).await;
            replica.stop().await;
        }
        let port = testkit::port::free();
        let mut killed = program(&stage, port, place).await;
        let rights = [Right::OperationsRead, Right::OperationsManage];
        let url = format!("http://127.0.0.1:{port}");
        let ours = Operator::at(&stage, &url, stage.account.tenant, &rights).await;
        // What is to be stopped has nothing in hand yet, and nobody takes a portion of it before it is.
        let mut admin = stage.admin().await;
        if end == ReplayState::Stopped {
            let later = "ALTER TABLE ingest.replay ALTER claimed_until SET DEFAULT now() + interval '1 hour'";
            sqlx::query(later).execute(&mut admin).await.unwrap();
        }
        let replay = ours.begun(request).await;
        if end == ReplayState::Stopped {
            assert_eq!(ours.stop(&replay.replay_id).await.unwrap().state(), ReplayState::Stopping);
            sqlx::query("UPDATE ingest.replay SET claimed_until = now()").execute(&mut admin).await.unwrap();
        }
        let status = killed.exit(SOON).await.unwrap();
        assert_eq!(status.signal(), Some(9), "{place}: {:?}", killed.lines());
        let replica = stage.start().await;
        let ours = Operator::of(&stage, &replica, stage.account.tenant).await;
        let ended = ours.until(&replay.replay_id, end).await;
        assert_eq!(ended.published_count, 0, "{place}");
        replica.stop().await;
    }
}
