//! Replicas of identity-linking's data.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bus::Trouble;
use bus::replica::{Replica, spawn, spawn_directory};
use chassis::config::Secret;
use chassis::grpc::Client;
use chassis::postgres::TenantTx;
use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{IdentityEvent, PrincipalReplica, StaffReplica};
use contracts::identity::v1::replica_service_server::{ReplicaService, ReplicaServiceServer};
use contracts::identity::v1::{ReplicaKind, SnapshotReplicasRequest, SnapshotReplicasResponse};
use futures::stream::BoxStream;
use kernel::{EventId, Timestamp};
use testkit::eventually;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::world::{SOON, Side, World, tenant};

/// What identity-linking answers, and of which kinds it was asked for.
#[derive(Clone, Default)]
struct Snapshot(Arc<Mutex<Vec<SnapshotReplicasResponse>>>, Arc<Mutex<Vec<Vec<i32>>>>);

#[tonic::async_trait]
impl ReplicaService for Snapshot {
    type SnapshotReplicasStream = BoxStream<'static, Result<SnapshotReplicasResponse, Status>>;

    async fn snapshot_replicas(
        &self,
        request: Request<SnapshotReplicasRequest>,
    ) -> Result<Response<Self::SnapshotReplicasStream>, Status> {
        self.1.lock().unwrap().push(request.into_inner().kinds);
        let all = self.0.lock().unwrap().clone();
        Ok(Response::new(Box::pin(futures::stream::iter(all.into_iter().map(Ok)))))
    }
}

fn principal(number: u128, version: i64) -> Body {
    Body::Principal(PrincipalReplica {
        principal_id: Uuid::from_u128(number).to_string(),
        version,
        tenant_id: tenant(1).to_string(),
        token_hash: vec![7; 32],
        ..Default::default()
    })
}

fn staff(number: u128, version: i64, name: &str) -> Body {
    Body::Staff(StaffReplica {
        staff_id: Uuid::from_u128(number).to_string(),
        version,
        display_name: name.to_owned(),
        active: true,
        ..Default::default()
    })
}

fn of_tenant(body: Body) -> SnapshotReplicasResponse {
    SnapshotReplicasResponse { tenant_id: tenant(1).to_string(), event: Some(IdentityEvent { body: Some(body) }) }
}

async fn say(side: &Side, body: Body) {
    let mut tx = side.identity.tenant(tenant(1)).await.unwrap();
    let body = IdentityEvent { body: Some(body) };
    let id = EventId::from(Uuid::new_v4());
    let outgoing = bus::outbox::Outgoing { id, aggregate: "x", time: Timestamp::UNIX_EPOCH, body: &body, trace: None };
    bus::outbox::append(&mut tx, outgoing).await.unwrap();
    tx.commit().await.unwrap();
}

/// A service that answers with a snapshot, and the way to it.
async fn serve(snapshot: &Snapshot) -> (tokio::task::JoinHandle<Result<(), tonic::transport::Error>>, Client) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    let serving = tonic::transport::Server::builder()
        .add_service(ReplicaServiceServer::new(snapshot.clone()))
        .serve_with_incoming(incoming);
    let mut settings = chassis::config::Settings::from_map([("X".to_owned(), format!("http://{address}"))].into());
    let client = Client::on_loopback(&settings.required("X", "identity"), &Secret::new("token".to_owned())).unwrap();
    (tokio::spawn(serving), client)
}

/// An aggregate's kind and ID.
type Put = (i32, String);

/// Notes in which transaction, and in which order, aggregates were put.
#[derive(Clone, Default)]
struct Noting(Arc<Mutex<BTreeMap<String, Vec<Put>>>>);

impl Replica for Noting {
    async fn put(&self, tx: &mut TenantTx, aggregate: &Body) -> Result<(), Trouble> {
        let of: String = sqlx::query_scalar("SELECT pg_current_xact_id()::text").fetch_one(&mut **tx).await?;
        let put = match aggregate {
            Body::Principal(principal) => (1, principal.principal_id.clone()),
            Body::Staff(staff) => (2, staff.staff_id.clone()),
            _ => (0, String::new()),
        };
        self.0.lock().unwrap().entry(of).or_default().push(put);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn aggregates_that_share_a_transaction_are_locked_in_one_order() {
    let world = World::new("replica_order").await;
    let side = world.side().await;
    side.relay();
    let snapshot = Snapshot::default();
    for number in (0..60).rev() {
        say(&side, staff(number, 1, "x")).await;
        say(&side, principal(number, 1)).await;
        snapshot.0.lock().unwrap().extend([staff(number, 1, "x"), principal(number, 1)].map(of_tenant));
    }
    world.until("SELECT count(*) FROM identity.outbox_pending", 0).await;
    let (serving, client) = serve(&snapshot).await;
    let noting = Noting::default();
    let kinds = &[ReplicaKind::Principal, ReplicaKind::Staff];
    spawn(&side.host, &side.bus, &side.messaging, "noting", kinds, Some(&client), noting.clone());
    eventually(SOON, || async {
        let put: usize = noting.0.lock().unwrap().values().map(Vec::len).sum();
        if put >= 240 { Ok(()) } else { Err(put) }
    })
    .await
    .unwrap();
    side.stop().await;
    serving.abort();
    assert_eq!(*snapshot.1.lock().unwrap(), [[2, 4]]);
    let put = noting.0.lock().unwrap();
    assert!(put.values().filter(|put| put.len() > 1).count() > 1, "events are put together as well");
    assert!(put.values().all(|put| put.is_sorted()), "{put:?}");
}

/// An older release kept fewer kinds: what was said of the others before is in no event that comes again.
#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_begins_to_be_kept_is_asked_for_although_there_was_a_snapshot() {
    let world = World::new("replica_kinds").await;
    let snapshot = Snapshot::default();
    let (serving, client) = serve(&snapshot).await;
    let keep = async |kinds: &'static [ReplicaKind], snapshots: i64| {
        let side = world.side().await;
        spawn(&side.host, &side.bus, &side.messaging, "noting", kinds, Some(&client), Noting::default());
        world.until("SELECT count(*) FROM messaging.replica_snapshot", snapshots).await;
        side.stop().await;
    };
    keep(&[ReplicaKind::Staff], 1).await;
    keep(&[ReplicaKind::Staff, ReplicaKind::Principal], 2).await;
    serving.abort();
    assert_eq!(*snapshot.1.lock().unwrap(), [vec![4], vec![4, 2]]);
}

const VERSIONS: &str = "SELECT coalesce(sum(version), 0)::bigint FROM messaging.staff_replica";

#[tokio::test(flavor = "multi_thread")]
async fn the_directory_is_filled_from_a_snapshot_and_from_events_and_the_highest_version_wins() {
    let snapshot = Snapshot::default();
    let (serving, client) = serve(&snapshot).await;
    let broken = Body::Principal(PrincipalReplica { principal_id: "none".to_owned(), ..Default::default() });
    snapshot
        .0
        .lock()
        .unwrap()
        .extend([principal(1, 1), broken, principal(2, 1), staff(1, 5, "five"), staff(2, 1, "one")].map(of_tenant));

    let world = World::new("directory").await;
    let side = world.side().await;
    side.relay();
    say(&side, staff(1, 3, "three")).await;
    say(&side, staff(2, 9, "nine")).await;
    world.until("SELECT count(*) FROM identity.outbox_pending", 0).await;
    let handle = spawn_directory(&side.host, &side.bus, &side.messaging, Some(&client));
    side.host.readiness().ready().await;
    world.until(VERSIONS, 14).await;
    world.until("SELECT count(*) FROM messaging.principal_replica", 2).await;

    snapshot.0.lock().unwrap().push(of_tenant(staff(3, 100, "late")));
    handle.refresh();
    world.until(VERSIONS, 114).await;
    side.stop().await;

    // What was filled once is not asked for again.
    serving.abort();
    let side = world.side().await;
    spawn_directory(&side.host, &side.bus, &side.messaging, Some(&client));
    side.host.readiness().ready().await;
    side.stop().await;
}
