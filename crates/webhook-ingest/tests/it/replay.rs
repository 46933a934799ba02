//! ReplayService: events of the archive are published once more, and only what, when and as often as somebody asked for.

mod asking;
mod consumer;
mod counting;
mod forgotten;
mod killed;
mod rebuild;
mod running;

use std::collections::BTreeMap;

use chassis::grpc::Client;
use contracts::access_proto::v1::Right;
use contracts::events::v1::LineWebhookEvent;
use contracts::ingest::v1::replay_service_client::ReplayServiceClient;
use contracts::ingest::v1::{
    GetReplayRequest, ListReplaysRequest, Replay, ReplayMode, ReplayState, StartReplayRequest, StartReplayResponse,
    StopReplayRequest,
};
use kernel::TenantId;
use testkit::eventually;
use tonic::Status;

use crate::stage::{Replica, SOON, Stage, TestAccount, body, event, new_id};

/// Somebody of a tenant who may replay.
#[derive(Clone)]
struct Operator(ReplayServiceClient<Client>);

impl Operator {
    /// With both rights, calling `replica`.
    async fn of(stage: &Stage, replica: &Replica, tenant: TenantId) -> Self {
        let url = format!("http://{}", replica.app.grpc_addr());
        Self::at(stage, &url, tenant, &[Right::OperationsRead, Right::OperationsManage]).await
    }

    async fn at(stage: &Stage, url: &str, tenant: TenantId, rights: &[Right]) -> Self {
        Self(ReplayServiceClient::new(stage.caller_at(url, tenant, rights).await))
    }

    async fn start(&self, request: StartReplayRequest) -> Result<StartReplayResponse, Status> {
        self.0.clone().start_replay(request).await.map(tonic::Response::into_inner)
    }

    async fn begun(&self, request: StartReplayRequest) -> Replay {
        self.start(request).await.unwrap().replay.unwrap()
    }

    async fn get(&self, id: &str) -> Result<Replay, Status> {
        let answer = self.0.clone().get_replay(GetReplayRequest { replay_id: id.to_owned() }).await?;
        Ok(answer.into_inner().replay.unwrap())
    }

    async fn stop(&self, id: &str) -> Result<Replay, Status> {
        let answer = self.0.clone().stop_replay(StopReplayRequest { replay_id: id.to_owned() }).await?;
        Ok(answer.into_inner().replay.unwrap())
    }

    async fn list(&self) -> Vec<Replay> {
        self.0.clone().list_replays(ListReplaysRequest::default()).await.unwrap().into_inner().replays
    }

    /// The replay once it stands so.
    async fn until(&self, id: &str, state: ReplayState) -> Replay {
        eventually(SOON, || async {
            let replay = self.get(id).await.map_err(|status| status.to_string())?;
            if replay.state() == state { Ok(replay) } else { Err(format!("{replay:?}")) }
        })
        .await
        .unwrap()
    }
}

fn redrive() -> StartReplayRequest {
    StartReplayRequest { mode: ReplayMode::Redrive.into(), ..StartReplayRequest::default() }
}

fn rebuild() -> StartReplayRequest {
    StartReplayRequest { mode: ReplayMode::Rebuild.into(), ..StartReplayRequest::default() }
}

/// An event of another type than a message.
fn of_type(id: &str, kind: &str) -> String {
    event(id).replacen("\"type\":\"message\"", &format!("\"type\":\"{kind}\""), 1)
}

/// Posts so many messages in bodies of ten, and waits until they are published; their IDs in order.
async fn taken(stage: &Stage, replica: &Replica, account: &TestAccount, count: usize) -> Vec<String> {
    let before: Vec<String> = stage.published().await.into_iter().map(|(_, event)| event.webhook_event_id).collect();
    let mut ids: Vec<String> = (0..count).map(|_| new_id()).collect();
    for ids in ids.chunks(10) {
        replica.deliver(account, body(&ids.iter().map(|id| event(id)).collect::<Vec<_>>())).await;
    }
    stage.eventually_published(&[before, ids.clone()].concat()).await;
    ids.sort();
    ids
}

/// The copies a replay published: the stream's messages under its name, by event.
async fn copies(stage: &Stage, replay: &str) -> BTreeMap<String, Vec<LineWebhookEvent>> {
    let mut copies: BTreeMap<String, Vec<LineWebhookEvent>> = BTreeMap::new();
    for (message, event) in stage.published().await {
        let name = message.headers.get("Nats-Msg-Id").unwrap().as_str();
        if name.starts_with(replay) {
            assert_eq!(message.headers.get("ce-id").unwrap().as_str(), event.webhook_event_id);
            copies.entry(event.webhook_event_id.clone()).or_default().push(event);
        }
    }
    copies
}

/// That a replay published these events, each once, and that nothing may follow from them, or may.
async fn published_once(stage: &Stage, replay: &str, ids: &[String], effects_off: bool) {
    let copies = copies(stage, replay).await;
    assert_eq!(copies.keys().cloned().collect::<Vec<_>>(), ids);
    for (id, copies) in copies {
        assert_eq!(copies.len(), 1, "{id}");
        assert_eq!(copies[0].effects_off, effects_off, "{id}");
    }
}
