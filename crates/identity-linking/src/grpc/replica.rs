//! `ReplicaService`: everything as it stands, in small pages, one short transaction each, so that neither memory nor the
//! database holds on to a long snapshot. What changes meanwhile also comes as an event, and the highest version wins.

use chassis::postgres::Database;
use contracts::events::v1::IdentityEvent;
use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::replica_service_server::ReplicaService;
use contracts::identity::v1::{ReplicaKind, SnapshotReplicasRequest, SnapshotReplicasResponse};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use identity_linking_core::Tenant;
use kernel::TenantId;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::fields::Fields;
use super::refusal::Refusal;
use crate::change::ChangeError;
use crate::postgres::staff_account_share::StoredShare;
use crate::postgres::{
    Position, Stored, account, activity, customer, friend, friendship, link, link_policy, organization, principal,
    staff, staff_account_share, staff_contact, tenant,
};
use crate::registry::Registry;
use crate::replica;

/// Rows read in one transaction.
const PAGE: i64 = 500;
/// Messages waiting for a slow reader.
const WAITING: usize = 64;

/// Feeds other services' replicas.
pub(crate) struct Replicas(pub(crate) Registry);

type Outlet = mpsc::Sender<Result<SnapshotReplicasResponse, Status>>;

#[tonic::async_trait]
impl ReplicaService for Replicas {
    type SnapshotReplicasStream = BoxStream<'static, Result<SnapshotReplicasResponse, Status>>;

    async fn snapshot_replicas(
        &self,
        request: Request<SnapshotReplicasRequest>,
    ) -> Result<Response<Self::SnapshotReplicasStream>, Status> {
        let request = request.into_inner();
        let mut fields = Fields::new();
        let kinds = kinds(&mut fields, &request.kinds);
        let only: Option<Option<TenantId>> = fields.optional_id("tenant_id", &request.tenant_id);
        let (kinds, only) = fields.all(|| Some((kinds?, only?)))?;
        let (outlet, waiting) = mpsc::channel(WAITING);
        let registry = self.0.clone();
        let reading = async move {
            if let Err(Ended::Refused(refusal)) = snapshot(&registry, &kinds, only, &outlet).await {
                // A reader that has gone meanwhile misses nothing.
                outlet.send(Err(refusal)).await.ok();
            }
        };
        // The work is part of the answer: it goes on as the reader reads, and ends when the reader goes.
        let nothing = stream::once(reading).filter_map(|()| std::future::ready(None));
        Ok(Response::new(stream::select(ReceiverStream::new(waiting), nothing).boxed()))
    }
}

fn kinds(fields: &mut Fields, wire: &[i32]) -> Option<Vec<ReplicaKind>> {
    let mut kinds = Vec::new();
    for kind in wire {
        match ReplicaKind::try_from(*kind) {
            Ok(kind) if kind != ReplicaKind::Unspecified && !kinds.contains(&kind) => kinds.push(kind),
            _ => {
                fields.wrong("kinds", "name one twice or one that does not exist");
                return None;
            }
        }
    }
    fields.take("kinds", if kinds.is_empty() { Err("are required") } else { Ok(kinds) })
}

/// Why a snapshot ended early.
enum Ended {
    /// The reader has gone.
    Gone,
    /// The reader is to hear this.
    Refused(Status),
}

impl From<sqlx::Error> for Ended {
    fn from(error: sqlx::Error) -> Self {
        Self::Refused(Refusal::from(error).into())
    }
}

impl From<ChangeError> for Ended {
    fn from(error: ChangeError) -> Self {
        Self::Refused(Refusal::from(error).into())
    }
}

async fn snapshot(
    registry: &Registry,
    kinds: &[ReplicaKind],
    only: Option<TenantId>,
    outlet: &Outlet,
) -> Result<(), Ended> {
    if let Some(tenant) = only {
        return snapshot_tenant(registry, tenant, kinds, outlet).await;
    }
    let platform = Database::platform_tenant();
    let of_platform: Vec<ReplicaKind> = kinds.iter().copied().filter(|kind| *kind == ReplicaKind::Principal).collect();
    snapshot_tenant(registry, platform, &of_platform, outlet).await?;
    let mut after: Option<Position> = None;
    loop {
        let tenants = tenant::ids(&registry.database, after, PAGE).await?;
        let Some((_, last)) = tenants.last() else { return Ok(()) };
        after = Some(*last);
        for (tenant, _) in tenants {
            snapshot_tenant(registry, tenant, kinds, outlet).await?;
        }
    }
}

async fn snapshot_tenant(
    registry: &Registry,
    tenant: TenantId,
    kinds: &[ReplicaKind],
    outlet: &Outlet,
) -> Result<(), Ended> {
    for kind in kinds {
        let mut place = Place::default();
        loop {
            let bodies = page(registry, tenant, *kind, &mut place).await?;
            let read = bodies.len();
            for body in bodies {
                let tenant_id = if tenant == Database::platform_tenant() { String::new() } else { tenant.to_string() };
                let event = Some(IdentityEvent { body: Some(body) });
                outlet.send(Ok(SnapshotReplicasResponse { tenant_id, event })).await.map_err(|_| Ended::Gone)?;
            }
            if i64::try_from(read).unwrap_or(i64::MAX) < PAGE {
                break;
            }
        }
    }
    Ok(())
}

/// Where the last page ended, whatever the list is ordered by.
#[derive(Default)]
struct Place {
    position: Option<Position>,
    friend: Option<kernel::FriendId>,
    friendship: Option<(kernel::AccountId, kernel::FriendId)>,
    customer: Option<kernel::CustomerId>,
    activity: Option<kernel::ActivityId>,
    link: Option<kernel::LinkId>,
    staff: Option<kernel::StaffId>,
}

/// The next page of one kind; shorter than [`PAGE`] at the end.
async fn page(registry: &Registry, tenant: TenantId, kind: ReplicaKind, place: &mut Place) -> Result<Vec<Body>, Ended> {
    let mut tx = registry.database.tenant(tenant).await?;
    let bodies = match kind {
        ReplicaKind::Unspecified => Vec::new(),
        ReplicaKind::Tenant => {
            let found = tenant::find(&mut tx).await?;
            found.iter().map(|row| Body::Tenant(replica::tenant(row))).collect()
        }
        ReplicaKind::Principal => {
            let rows = principal::list(&mut tx, place.position, PAGE).await?;
            place.position = rows.last().map(|last| (last.stored.create_time, last.stored.id.uuid()));
            rows.iter().map(|row| Body::Principal(replica::principal(row))).collect()
        }
        ReplicaKind::Organization => {
            let rows = organization::list(&mut tx, place.position, PAGE).await?;
            place.position = rows.last().map(|last| (last.create_time, last.id.uuid()));
            rows.iter().map(|row| Body::Organization(replica::organization(row))).collect()
        }
        ReplicaKind::Staff => {
            let rows = staff::list(&mut tx, place.position, PAGE).await?;
            place.position = rows.last().map(|last| (last.create_time, last.id.uuid()));
            rows.iter().map(|row| Body::Staff(replica::staff(row))).collect()
        }
        ReplicaKind::Account => {
            let rows = account::list(&mut tx, place.position, PAGE).await?;
            place.position = rows.last().map(|last| (last.stored.create_time, last.stored.id.uuid()));
            let mut bodies = Vec::with_capacity(rows.len());
            for row in rows {
                bodies.push(Body::Account(replica::account(&mut tx, &registry.vault, &row.stored).await?));
            }
            bodies
        }
        ReplicaKind::LineUser => {
            let rows = friend::list_line_users(&mut tx, place.friend, PAGE).await?;
            place.friend = rows.last().map(|last| last.id);
            rows.iter().map(|row| Body::LineUser(replica::line_user(row))).collect()
        }
        ReplicaKind::Friendship => {
            let rows = friendship::list_all(&mut tx, place.friendship, PAGE).await?;
            place.friendship = rows.last().map(|last| (last.account, last.friend));
            let told = |row: &friendship::ToldFriendship| {
                Body::Friendship(replica::friendship(row.account, &row.line_user_id, &row.friendship))
            };
            rows.iter().map(told).collect()
        }
        ReplicaKind::Customer => {
            let rows = customer::list_by_id(&mut tx, place.customer, PAGE).await?;
            place.customer = rows.last().map(|last| last.stored.id);
            rows.iter().map(|row| Body::Customer(replica::customer(row))).collect()
        }
        ReplicaKind::Activity => {
            let rows = activity::list_by_id(&mut tx, place.activity, PAGE).await?;
            place.activity = rows.last().map(|last| last.id);
            rows.iter().map(|row| Body::Activity(replica::activity(row))).collect()
        }
        ReplicaKind::Link => {
            let rows = link::list_by_id(&mut tx, place.link, PAGE).await?;
            place.link = rows.last().map(|last| last.link.stored.id);
            rows.iter().map(|row| Body::Link(replica::link(&row.link.stored, &row.line_user_id))).collect()
        }
        ReplicaKind::StaffContact => {
            let rows = staff_contact::list(&mut tx, place.staff, PAGE).await?;
            place.staff = rows.last().map(|(last, _)| last.id);
            rows.iter().map(|(staff, contact)| Body::StaffContact(replica::staff_contact(staff, contact))).collect()
        }
        ReplicaKind::StaffAccountShare => {
            let found = staff_account_share::find(&mut tx).await?.zip(tenant::find(&mut tx).await?);
            let told = |(share, tenant): &(StoredShare, Stored<TenantId, Tenant>)| {
                Body::StaffAccountShare(replica::staff_account_share(share, &tenant.value.display_name))
            };
            found.iter().map(told).collect()
        }
        ReplicaKind::LinkPolicy => {
            let policy = link_policy::find(&mut tx).await?;
            let is_set = policy.version > 0;
            is_set.then(|| Body::LinkPolicy(replica::link_policy(&policy))).into_iter().collect()
        }
    };
    // Nothing was written; ending it gives the connection back at once.
    tx.rollback().await?;
    Ok(bodies)
}
