//! Replicas: other services' data, kept here so that this service works on while they are down. Events carry whole aggregates with
//! their versions and the highest wins, so a replica is filled from a snapshot and from events at the same time, in any order.

mod directory;
mod snapshot;

use std::sync::Arc;

use chassis::Host;
use chassis::grpc::Client;
use chassis::postgres::{Database, TenantTx};
use contracts::events::v1::{IdentityEvent, identity_event};
use contracts::identity::v1::ReplicaKind;
use tokio::sync::Notify;
use tracing::Instrument as _;

use crate::connection::Bus;
use crate::consumer::{self, ConsumerSpec, Handler, key};
use crate::fate::{Handled, Trouble};
use crate::incoming::Incoming;
use crate::stream::Stream;
use crate::subject::{Family, Filter};

pub use directory::spawn_directory;

/// Events that may share a transaction: each only writes one row.
const BATCH: usize = 64;

/// A table, or some, that follows aggregates of identity-linking.
pub trait Replica: Send + Sync + 'static {
    /// Keeps an aggregate in the transaction of its tenant, unless a newer version of it is kept already.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn put(
        &self,
        tx: &mut TenantTx,
        aggregate: &identity_event::Body,
    ) -> impl Future<Output = Result<(), Trouble>> + Send;
}

/// A running replica.
#[derive(Clone, Debug)]
pub struct ReplicaHandle {
    wanted: Arc<Notify>,
}

impl ReplicaHandle {
    /// Asks for a snapshot now, for instance after rows were lost. What is kept stays; newer versions win.
    pub fn refresh(&self) {
        self.wanted.notify_one();
    }
}

/// Runs the replica called `name` (unique in the service) of aggregates of `kinds`: from events, and from a snapshot when it never
/// had one or is asked to. The gate `replica.{name}` of readiness opens when it had one; without `identity` no snapshot is taken,
/// which is right only where the aggregates are at home.
pub fn spawn<R: Replica>(
    host: &Host,
    bus: &Bus,
    database: &Database,
    name: &'static str,
    kinds: &'static [ReplicaKind],
    identity: Option<&Client>,
    replica: R,
) -> ReplicaHandle {
    let replica = Arc::new(replica);
    let wanted = Arc::new(Notify::new());
    let spec = ConsumerSpec {
        subjects: kinds.iter().filter_map(|kind| Some(Filter::Happened(Family::Identity, happened(*kind)?))).collect(),
        concurrency: 2,
        batch: BATCH,
        ..ConsumerSpec::new(name, Stream::Identity, |event: &Incoming<IdentityEvent>| key(&event.header.id))
    };
    consumer::spawn(host, bus, database, spec, FromEvents(Arc::clone(&replica)));
    if let Some(identity) = identity {
        let snapshots = snapshot::Snapshots {
            database: database.clone(),
            name,
            kinds,
            identity: identity.clone(),
            replica,
            wanted: Arc::clone(&wanted),
        };
        let gate = host.readiness().gate(format!("replica.{}.{name}", database.schema()));
        host.spawn(format!("{name}.snapshot"), snapshots.keep(gate, host.stopping()));
    }
    ReplicaHandle { wanted }
}

struct FromEvents<R>(Arc<R>);

impl<R: Replica> Handler for FromEvents<R> {
    type Body = IdentityEvent;

    async fn handle(&self, tx: &mut TenantTx, event: &Incoming<IdentityEvent>) -> Result<Handled, Trouble> {
        // A body this version does not know is for newer ones, which take a snapshot when they begin to keep it.
        if let Some(aggregate) = &event.body.body {
            self.0.put(tx, aggregate).await?;
        }
        Ok(Handled::Done)
    }

    async fn handle_all(&self, tx: &mut TenantTx, events: &[&Incoming<IdentityEvent>]) -> Result<Handled, Trouble> {
        let mut events = events.to_vec();
        events.sort_by(|a, b| a.body.body.as_ref().map(place).cmp(&b.body.body.as_ref().map(place)));
        for event in events {
            self.handle(tx, event).instrument(event.span()).await?;
        }
        Ok(Handled::Done)
    }
}

/// Where an aggregate stands among all of them. A transaction that keeps several keeps them in this order, be they from events or
/// from a snapshot, so that no two lock each other out; the highest version wins in any order.
fn place(aggregate: &identity_event::Body) -> (u8, &str, &str) {
    use identity_event::Body;
    match aggregate {
        Body::Tenant(tenant) => (0, &tenant.tenant_id, ""),
        Body::Principal(principal) => (1, &principal.principal_id, ""),
        Body::Organization(organization) => (2, &organization.organization_id, ""),
        Body::Staff(staff) => (3, &staff.staff_id, ""),
        Body::Account(account) => (4, &account.account_id, ""),
        Body::LineUser(user) => (5, &user.provider_id, &user.line_user_id),
        Body::Friendship(friendship) => (6, &friendship.account_id, &friendship.line_user_id),
        Body::Customer(customer) => (7, &customer.customer_id, ""),
        Body::Activity(activity) => (8, &activity.activity_id, ""),
        Body::Link(link) => (9, &link.link_id, ""),
        Body::Inquiry(inquiry) => (10, &inquiry.inquiry_id, ""),
        Body::AnswerRequested(answer) => (11, &answer.answer_id, ""),
        Body::StaffContact(contact) => (12, &contact.staff_id, ""),
        Body::StaffNoticeRequested(notice) => (13, &notice.notice_id, ""),
        Body::StaffAccountShare(share) => (14, &share.account_id, ""),
        Body::LinkPolicy(_) => (15, "", ""),
    }
}

/// The last token of the subjects of a kind.
fn happened(kind: ReplicaKind) -> Option<&'static str> {
    match kind {
        ReplicaKind::Unspecified => None,
        ReplicaKind::Tenant => Some("tenant"),
        ReplicaKind::Principal => Some("principal"),
        ReplicaKind::Organization => Some("organization"),
        ReplicaKind::Staff => Some("staff"),
        ReplicaKind::Account => Some("account"),
        ReplicaKind::LineUser => Some("line_user"),
        ReplicaKind::Friendship => Some("friendship"),
        ReplicaKind::Customer => Some("customer"),
        ReplicaKind::Activity => Some("activity"),
        ReplicaKind::Link => Some("link"),
        ReplicaKind::StaffContact => Some("staff_contact"),
        ReplicaKind::StaffAccountShare => Some("staff_account_share"),
        ReplicaKind::LinkPolicy => Some("link_policy"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::EventBody;
    use contracts::events::v1::identity_event::Body;

    #[test]
    fn every_kind_is_heard_under_the_name_it_is_said_under() {
        let said = [
            (ReplicaKind::Tenant, Body::Tenant(<_>::default())),
            (ReplicaKind::Principal, Body::Principal(<_>::default())),
            (ReplicaKind::Organization, Body::Organization(<_>::default())),
            (ReplicaKind::Staff, Body::Staff(<_>::default())),
            (ReplicaKind::Account, Body::Account(<_>::default())),
            (ReplicaKind::LineUser, Body::LineUser(<_>::default())),
            (ReplicaKind::Friendship, Body::Friendship(<_>::default())),
            (ReplicaKind::Customer, Body::Customer(<_>::default())),
            (ReplicaKind::Activity, Body::Activity(<_>::default())),
            (ReplicaKind::Link, Body::Link(<_>::default())),
            (ReplicaKind::StaffContact, Body::StaffContact(<_>::default())),
            (ReplicaKind::StaffAccountShare, Body::StaffAccountShare(<_>::default())),
            (ReplicaKind::LinkPolicy, Body::LinkPolicy(<_>::default())),
        ];
        for (kind, body) in said {
            assert_eq!(happened(kind).map(str::to_owned), Some(IdentityEvent { body: Some(body) }.happened()));
        }
        let kinds = (0..).map_while(|number| ReplicaKind::try_from(number).ok());
        assert!(kinds.skip(1).all(|kind| happened(kind).is_some()));
    }
}
