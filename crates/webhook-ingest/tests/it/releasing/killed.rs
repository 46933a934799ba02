//! A release whose process dies.

use contracts::ingest::v1::quarantine_service_client::QuarantineServiceClient;
use testkit::{eventually, port};
use tonic::Code;

use super::{MANAGER, OTHER_BOT, WAITING, correct_bot, manager, one_for_another_bot, release};
use crate::stage::{SOON, Stage, new_id};

#[tokio::test]
async fn a_process_killed_while_it_releases_leaves_it_whole_or_undone() {
    for (hint, place, waiting) in
        [("release_kill_a", "ingest.before_release", 1), ("release_kill_b", "ingest.after_release", 0)]
    {
        let stage = Stage::new(hint).await;
        let replica = stage.start().await;
        let id = new_id();
        let (quarantine, found) = one_for_another_bot(&stage, &replica, std::slice::from_ref(&id)).await;
        correct_bot(&stage, &quarantine, &found.body_id, OTHER_BOT).await;
        replica.stop().await;
        let (http, grpc) = (port::free(), port::free());
        let mut process = stage.program(place, http, grpc);
        let url = format!("http://127.0.0.1:{grpc}");
        let doomed = QuarantineServiceClient::new(stage.caller_at(&url, stage.account.tenant, &MANAGER).await);
        // It may not know the account yet.
        eventually(SOON, || async {
            match release(&doomed, &found, false).await {
                Err(status) if status.code() == Code::FailedPrecondition => Err(status),
                _ => Ok(()),
            }
        })
        .await
        .unwrap();
        process.exit(SOON).await.unwrap();
        assert_eq!(stage.count(WAITING).await, waiting, "{place}");
        let replica = stage.start().await;
        let quarantine = manager(&stage, &replica).await;
        let expected = i32::try_from(waiting).unwrap();
        assert_eq!(release(&quarantine, &found, false).await.unwrap().released_count, expected, "{place}");
        stage.eventually_published(std::slice::from_ref(&id)).await;
        replica.stop().await;
    }
}
