//! Nothing of whoever is to be forgotten is published once more, from the moment somebody asked for it.

use contracts::access_proto::v1::Right;
use contracts::ingest::v1::erasure_service_client::ErasureServiceClient;
use contracts::ingest::v1::{EraseLineUserRequest, ReplayState};
use testkit::eventually;

use super::{Operator, copies, rebuild, redrive};
use crate::stage::{SOON, Stage, body, event, new_id};

/// Whose events are published as anybody's.
const HANAKO: &str = "U4af4980629aaaaaaaaaaaaaaaaaaaaaa";
const RIGHTS: [Right; 3] = [Right::OperationsRead, Right::OperationsManage, Right::LineUserIdRead];

/// A message of somebody else.
fn of_taro(id: &str) -> String {
    event(id).replace(HANAKO, "Ubbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
}

#[tokio::test]
async fn a_replay_waits_until_whoever_is_to_be_forgotten_was_looked_for_and_publishes_nothing_of_them() {
    for request in [redrive(), rebuild()] {
        let stage = Stage::new("replay_forgotten").await;
        let replica = stage.start().await;
        let (hers, others) = (new_id(), new_id());
        replica.deliver(&stage.account, body(&[event(&hers), of_taro(&others)])).await;
        stage.eventually_published(&[hers.clone(), others.clone()]).await;
        let mut admin = stage.admin().await;
        let later = "ALTER TABLE ingest.erasure ALTER due_at SET DEFAULT now() + interval '1 hour'";
        sqlx::query(later).execute(&mut admin).await.unwrap();
        let mut erasures = ErasureServiceClient::new(stage.caller(&replica, stage.account.tenant, &RIGHTS).await);
        let ask = EraseLineUserRequest { line_user_id: HANAKO.to_owned(), ..<_>::default() };
        erasures.erase_line_user(ask).await.unwrap();

        let ours = Operator::of(&stage, &replica, stage.account.tenant).await;
        let replay = ours.begun(request).await;
        // It has been in hand, and given back for a while.
        eventually(SOON, || async {
            let given_back = "SELECT count(*) FROM ingest.replay WHERE claim IS NOT NULL AND phase = 'publishing'
                AND claimed_until BETWEEN now() AND now() + interval '1 second'";
            (stage.count(given_back).await == 1).then_some(())
        })
        .await
        .unwrap();
        let waiting = ours.get(&replay.replay_id).await.unwrap();
        assert_eq!((waiting.state(), waiting.published_count), (ReplayState::Running, 0));
        sqlx::query("UPDATE ingest.erasure SET due_at = now()").execute(&mut admin).await.unwrap();
        let done = ours.until(&replay.replay_id, ReplayState::Done).await;
        assert_eq!((done.published_count, done.skipped_count), (1, 1));
        let published: Vec<String> = copies(&stage, &replay.replay_id).await.into_keys().collect();
        assert_eq!(published, [others]);
        replica.stop().await;
    }
}
