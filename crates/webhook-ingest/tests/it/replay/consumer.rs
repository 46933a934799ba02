//! A rebuild waits for what its consumer has not handled, publishes again what never came to it, and ends when nothing is left.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use chassis::HostConfig;
use chassis::config::Secret;
use chassis::grpc::ClientConfig;
use contracts::identity::v1::rebuild_service_server::{RebuildService, RebuildServiceServer};
use contracts::identity::v1::replica_service_server::{ReplicaService, ReplicaServiceServer};
use contracts::identity::v1::{
    CheckRebuildRequest, CheckRebuildResponse, FinishRebuildRequest, FinishRebuildResponse, PrepareRebuildRequest,
    PrepareRebuildResponse, SnapshotReplicasRequest, SnapshotReplicasResponse,
};
use contracts::ingest::v1::{Replay, ReplayState};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use testkit::eventually;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use super::{Operator, copies, rebuild, taken};
use crate::stage::{BOT, Replica, SOON, Stage, body, event, new_id};

/// What stands where identity-linking stands: it knows of no account, and has handled what it is told it has.
#[derive(Clone, Default)]
pub(super) struct Consumer(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    handled: HashSet<String>,
    aside: i32,
    /// For each call that ended a rebuild: whether it was abandoned.
    ended: Vec<bool>,
}

#[tonic::async_trait]
impl RebuildService for Consumer {
    async fn prepare_rebuild(
        &self,
        _: Request<PrepareRebuildRequest>,
    ) -> Result<Response<PrepareRebuildResponse>, Status> {
        Ok(Response::new(PrepareRebuildResponse { done: true }))
    }

    async fn check_rebuild(
        &self,
        request: Request<CheckRebuildRequest>,
    ) -> Result<Response<CheckRebuildResponse>, Status> {
        let inner = self.0.lock().unwrap();
        let mut missing_webhook_event_ids = request.into_inner().webhook_event_ids;
        missing_webhook_event_ids.retain(|id| !inner.handled.contains(id));
        Ok(Response::new(CheckRebuildResponse { missing_webhook_event_ids, waiting_count: inner.aside }))
    }

    async fn finish_rebuild(
        &self,
        request: Request<FinishRebuildRequest>,
    ) -> Result<Response<FinishRebuildResponse>, Status> {
        let abandoned = request.into_inner().abandoned;
        self.0.lock().unwrap().ended.push(abandoned);
        let (renewed_count, kept_count) = if abandoned { (0, 0) } else { (3, 4) };
        let answer = FinishRebuildResponse { done: true, replaced: !abandoned, renewed_count, kept_count };
        Ok(Response::new(answer))
    }
}

#[tonic::async_trait]
impl ReplicaService for Consumer {
    type SnapshotReplicasStream = BoxStream<'static, Result<SnapshotReplicasResponse, Status>>;

    async fn snapshot_replicas(
        &self,
        _: Request<SnapshotReplicasRequest>,
    ) -> Result<Response<Self::SnapshotReplicasStream>, Status> {
        Ok(Response::new(futures::stream::empty().boxed()))
    }
}

impl Consumer {
    /// Serves for as long as the runtime lives; where.
    pub(super) async fn serve(&self) -> url::Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let (rebuild, replica) = (RebuildServiceServer::new(self.clone()), ReplicaServiceServer::new(self.clone()));
        tokio::spawn(async move {
            let server = tonic::transport::Server::builder().add_service(rebuild).add_service(replica);
            server.serve_with_incoming(TcpIncoming::from(listener)).await.ok();
        });
        url
    }

    /// A replica that has this consumer.
    async fn start(&self, stage: &Stage) -> Replica {
        let url = self.serve().await;
        let token = Secret::new("unchecked".to_owned());
        let mut config = stage.config();
        config.identity = Some(ClientConfig { url, token, authority: None, allow_plaintext: false });
        let replica = stage.start_with(config, HostConfig::loopback()).await;
        replica.ready().await;
        replica
    }

    fn handle(&self, ids: &[String]) {
        self.0.lock().unwrap().handled.extend(ids.iter().cloned());
    }

    fn keep_aside(&self, count: i32) {
        self.0.lock().unwrap().aside = count;
    }

    fn ended(&self) -> Vec<bool> {
        self.0.lock().unwrap().ended.clone()
    }
}

/// The replay once it waits for so many events.
async fn waits_for(ours: &Operator, id: &str, count: i64) -> Replay {
    eventually(SOON, || async {
        let replay = ours.get(id).await.map_err(|status| status.to_string())?;
        let waits = replay.waiting_count == count && replay.state() == ReplayState::Running;
        if waits { Ok(replay) } else { Err(format!("{replay:?}")) }
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_rebuild_waits_until_every_copy_was_handled_and_tells_for_how_many() {
    let (stage, consumer) = (Stage::new("rebuild_waits").await, Consumer::default());
    let replica = consumer.start(&stage).await;
    let ids = taken(&stage, &replica, &stage.account, 3).await;
    let ours = Operator::of(&stage, &replica, stage.account.tenant).await;
    let replay = ours.begun(rebuild()).await;
    // The last of them does not stand for the others.
    consumer.handle(&ids[2..]);
    let waiting = waits_for(&ours, &replay.replay_id, 2).await;
    assert_eq!((waiting.published_count, consumer.ended().len()), (3, 0));
    consumer.handle(&ids);
    consumer.keep_aside(1);
    waits_for(&ours, &replay.replay_id, 1).await;
    assert_eq!(consumer.ended().len(), 0, "what is kept aside is not handled");
    consumer.keep_aside(0);
    let done = ours.until(&replay.replay_id, ReplayState::Done).await;
    assert_eq!((done.waiting_count, done.renewed_count, done.kept_count), (0, 3, 4));
    assert_eq!((consumer.ended(), done.last_webhook_event_id), (vec![false], ids[2].clone()));
}

#[tokio::test]
async fn a_rebuild_that_waits_can_be_stopped_and_the_consumer_forgets_it() {
    let (stage, consumer) = (Stage::new("rebuild_waits_stop").await, Consumer::default());
    let replica = consumer.start(&stage).await;
    taken(&stage, &replica, &stage.account, 2).await;
    let ours = Operator::of(&stage, &replica, stage.account.tenant).await;
    let replay = ours.begun(rebuild()).await;
    waits_for(&ours, &replay.replay_id, 2).await;
    ours.stop(&replay.replay_id).await.unwrap();
    let stopped = ours.until(&replay.replay_id, ReplayState::Stopped).await;
    assert_eq!((stopped.waiting_count, stopped.renewed_count, consumer.ended()), (0, 0, vec![true]));
}

#[tokio::test]
async fn what_is_cut_out_while_a_rebuild_waits_for_it_is_waited_for_no_more() {
    let (stage, consumer) = (Stage::new("rebuild_waits_cut").await, Consumer::default());
    let replica = consumer.start(&stage).await;
    let (cut, kept) = (new_id(), new_id());
    replica.deliver(&stage.account, body(&[event(&cut), event(&kept)])).await;
    stage.eventually_published(&[cut.clone(), kept.clone()]).await;
    let ours = Operator::of(&stage, &replica, stage.account.tenant).await;
    let replay = ours.begun(rebuild()).await;
    consumer.handle(std::slice::from_ref(&kept));
    let waiting = waits_for(&ours, &replay.replay_id, 1).await;
    assert_eq!(waiting.published_count, 2);
    let without = format!(r#"{{"destination":"{BOT}","events":[null,{}]}}"#, event(&kept));
    stage.redacted(without.as_bytes()).await;
    ours.until(&replay.replay_id, ReplayState::Done).await;
}

#[tokio::test]
async fn a_stream_lost_during_a_rebuild_is_filled_with_all_copies_again() {
    let (stage, consumer) = (Stage::new("rebuild_lost").await, Consumer::default());
    let replica = consumer.start(&stage).await;
    let ids = taken(&stage, &replica, &stage.account, 30).await;
    eventually(SOON, || async {
        (stage.count("SELECT last_sequence FROM ingest.stream_state WHERE stream = 'LINE_WEBHOOK'").await > 0)
            .then_some(())
    })
    .await
    .unwrap();
    let ours = Operator::of(&stage, &replica, stage.account.tenant).await;
    let replay = ours.begun(rebuild()).await;
    // All but the first are handled, and then the stream is gone.
    consumer.handle(&ids[1..]);
    waits_for(&ours, &replay.replay_id, 1).await;
    assert!(testkit::nats::delete_streams(&stage.nats_url, &stage.prefix).await.unwrap() > 0);
    eventually(SOON, || async {
        let copies = copies(&stage, &replay.replay_id).await;
        if copies.len() == ids.len() { Ok(()) } else { Err(copies.len()) }
    })
    .await
    .unwrap();
    let waiting = waits_for(&ours, &replay.replay_id, 1).await;
    assert_eq!((waiting.published_count, waiting.skipped_count), (30, 0), "counted anew");
    consumer.handle(&ids);
    ours.until(&replay.replay_id, ReplayState::Done).await;
}
