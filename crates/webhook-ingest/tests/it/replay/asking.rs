//! Who may ask for what, and what is refused.

use contracts::access_proto::v1::Right;
use contracts::ingest::v1::{ReplayState, StartReplayRequest};
use contracts::timestamp;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use super::{Operator, copies, rebuild, redrive, taken};
use crate::stage::{Stage, TestAccount, now};

fn fields(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let wrong = status.get_details_bad_request().unwrap().field_violations;
    wrong.into_iter().map(|violation| violation.field).collect()
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let stage = Stage::new("replay_wrong").await;
    let replica = stage.start().await;
    let ours = Operator::of(&stage, &replica, stage.account.tenant).await;
    let refused = async |request: StartReplayRequest| fields(&ours.start(request).await.unwrap_err());
    let account = stage.account.id.to_string();
    assert_eq!(refused(StartReplayRequest::default()).await, ["mode"]);
    assert_eq!(refused(StartReplayRequest { mode: 9, ..redrive() }).await, ["mode"]);
    let account_ids = vec!["x".to_owned()];
    assert_eq!(refused(StartReplayRequest { account_ids, ..redrive() }).await, ["account_ids"]);
    let many = vec![account.clone(); 101];
    assert_eq!(refused(StartReplayRequest { account_ids: many, ..redrive() }).await, ["account_ids"]);
    let event_types = vec!["a.b".to_owned()];
    assert_eq!(refused(StartReplayRequest { event_types, ..redrive() }).await, ["event_types"]);
    let (start_time, end_time) = (Some(timestamp(now())), Some(timestamp(now() - chrono::TimeDelta::hours(1))));
    assert_eq!(refused(StartReplayRequest { start_time, end_time, ..redrive() }).await, ["end_time"]);
    assert_eq!(refused(StartReplayRequest { request_id: "x".to_owned(), ..redrive() }).await, ["request_id"]);
    let whole = StartReplayRequest {
        account_ids: vec![account],
        event_types: vec!["message".to_owned()],
        start_time,
        end_time,
        ..rebuild()
    };
    assert_eq!(refused(whole).await, ["account_ids", "event_types", "start_time", "end_time"]);
    for id in ["", "x"] {
        assert_eq!(fields(&ours.get(id).await.unwrap_err()), ["replay_id"]);
        assert_eq!(fields(&ours.stop(id).await.unwrap_err()), ["replay_id"]);
    }
    let absent = Uuid::new_v4().to_string();
    assert_eq!(ours.get(&absent).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(ours.stop(&absent).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(stage.count("SELECT count(*) FROM ingest.replay").await, 0);
}

#[tokio::test]
async fn another_tenant_finds_nothing_and_nothing_of_it_is_published() {
    let stage = Stage::new("replay_tenants").await;
    let other = TestAccount::new();
    stage.put(&other, stage.replica_of(&other, 1)).await;
    let replica = stage.start().await;
    let ids = taken(&stage, &replica, &stage.account, 10).await;
    taken(&stage, &replica, &other, 10).await;
    let ours = Operator::of(&stage, &replica, stage.account.tenant).await;
    let theirs = Operator::of(&stage, &replica, other.tenant).await;
    let replay = ours.begun(redrive()).await;
    let replay = ours.until(&replay.replay_id, ReplayState::Done).await;
    assert_eq!(theirs.get(&replay.replay_id).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(theirs.stop(&replay.replay_id).await.unwrap_err().code(), Code::NotFound);
    assert!(theirs.list().await.is_empty());
    let foreign = StartReplayRequest { account_ids: vec![stage.account.id.to_string()], ..redrive() };
    assert_eq!(theirs.start(foreign).await.unwrap_err().code(), Code::NotFound);
    let copies = copies(&stage, &replay.replay_id).await;
    assert_eq!(copies.keys().cloned().collect::<Vec<_>>(), ids);
    assert!(copies.values().flatten().all(|copy| copy.account_id == stage.account.id.to_string()));
    assert_eq!(stage.count("SELECT count(*) FROM ingest.audit WHERE action = 'replay.start'").await, 1);
}

#[tokio::test]
async fn reading_and_replaying_are_two_rights() {
    let stage = Stage::new("replay_rights").await;
    let replica = stage.start().await;
    let url = format!("http://{}", replica.app.grpc_addr());
    let reader = Operator::at(&stage, &url, stage.account.tenant, &[Right::OperationsRead]).await;
    assert_eq!(reader.start(redrive()).await.unwrap_err().code(), Code::PermissionDenied);
    let counting = StartReplayRequest { validate_only: true, ..redrive() };
    assert_eq!(reader.start(counting).await.unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(reader.stop(&Uuid::new_v4().to_string()).await.unwrap_err().code(), Code::PermissionDenied);
    assert!(reader.list().await.is_empty());
}

#[tokio::test]
async fn a_repeated_request_starts_one_replay_and_a_tenant_has_one_at_a_time() {
    let stage = Stage::new("replay_once").await;
    let mut config = stage.config();
    config.replayed_per_second = std::num::NonZeroU32::new(1).unwrap();
    let replica = stage.start_with(config, chassis::HostConfig::loopback()).await;
    replica.ready().await;
    taken(&stage, &replica, &stage.account, 30).await;
    let ours = Operator::of(&stage, &replica, stage.account.tenant).await;
    let request = StartReplayRequest { request_id: Uuid::new_v4().to_string(), ..redrive() };
    let (first, again) = tokio::join!(ours.start(request.clone()), ours.start(request.clone()));
    let (first, again) = (first.unwrap(), again.unwrap());
    assert_eq!(first, again);
    let other = StartReplayRequest { event_types: vec!["message".to_owned()], ..request.clone() };
    assert_eq!(ours.start(other).await.unwrap_err().code(), Code::Aborted);
    let refused = ours.start(rebuild()).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(refused.get_details_error_info().unwrap().reason, "REPLAY_RUNNING");
    let counting = StartReplayRequest { validate_only: true, ..rebuild() };
    assert_eq!(ours.start(counting).await.unwrap().plan.unwrap().event_count, 30, "counting is always possible");
    let id = first.replay.unwrap().replay_id;
    ours.stop(&id).await.unwrap();
    ours.until(&id, ReplayState::Stopped).await;
    ours.begun(StartReplayRequest { event_types: vec!["none".to_owned()], ..redrive() }).await;
    assert_eq!(ours.list().await.len(), 2);
}
