//! The replica of what identity-linking owns and this service plans by: tenants and their reservations.

use bus::Trouble;
use bus::replica::Replica;
use chassis::postgres::TenantTx;
use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{ActivityReplica, TenantReplica};
use contracts::identity::v1::ReplicaKind;
use kernel::{ActivityId, Timestamp};
use scheduler_core::reminder::Reservation;
use scheduler_core::wall_clock::TimeZone;

use crate::desk::Desk;
use crate::postgres::tenant::{self, Tenant};
use crate::postgres::{replanning, reservation};
use crate::{digest, reminder};

/// What is kept of identity-linking's aggregates; principals and staff have a replica of their own.
pub(crate) const KINDS: &[ReplicaKind] = &[ReplicaKind::Tenant, ReplicaKind::Activity];

/// The kind of activity that customers are reminded of; an activity keeps its kind.
const RESERVATION: &str = "RESERVATION";
/// The state of one that is ahead or under way.
const ACTIVE: &str = "ACTIVE";

/// A reservation that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the replica of a reservation has no {0}")]
struct Lacking(&'static str);

/// Keeps them, and has what follows from them planned.
pub(crate) struct Kept(pub(crate) Desk);

impl Replica for Kept {
    async fn put(&self, tx: &mut TenantTx, aggregate: &Body) -> Result<(), Trouble> {
        match aggregate {
            Body::Tenant(tenant) => self.put_tenant(tx, tenant).await,
            Body::Activity(activity) if activity.kind == RESERVATION => self.put_reservation(tx, activity).await,
            Body::Principal(_)
            | Body::Organization(_)
            | Body::Staff(_)
            | Body::Account(_)
            | Body::LineUser(_)
            | Body::Friendship(_)
            | Body::Customer(_)
            | Body::Activity(_)
            | Body::Link(_)
            | Body::Inquiry(_)
            | Body::AnswerRequested(_)
            | Body::StaffContact(_)
            | Body::StaffAccountShare(_)
            | Body::LinkPolicy(_)
            | Body::StaffNoticeRequested(_) => Ok(()),
        }
    }
}

impl Kept {
    /// Keeps a tenant. A new one's digest begins; one whose zone changed, or who is suspended or is not any more, has it changed.
    async fn put_tenant(&self, tx: &mut TenantTx, replica: &TenantReplica) -> Result<(), Trouble> {
        let zone = TimeZone::parse(&replica.time_zone).map_err(Trouble::failed)?;
        let present = Tenant { version: replica.version, zone, suspended: replica.suspended };
        let former = tenant::lock(tx).await?;
        if !tenant::put(tx, &present).await? {
            return Ok(());
        }
        let now = self.0.now(tx).await?;
        match former {
            None => digest::begin(tx, &present, now).await?,
            Some(former) if former.zone != zone || former.suspended != present.suspended => {
                digest::retime(tx, &former, &present, now).await?;
                if former.zone != zone {
                    replanning::want(tx, now).await?;
                }
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Keeps a reservation, and gives it the timers it wants. Of a tenant who is not known yet it wants none: whoever makes a rule later
    /// has it planned.
    async fn put_reservation(&self, tx: &mut TenantTx, replica: &ActivityReplica) -> Result<(), Trouble> {
        let reservation = read(replica).map_err(Trouble::failed)?;
        let tenant = tenant::share(tx).await?;
        if !reservation::put(tx, replica.version, &reservation).await? {
            return Ok(());
        }
        let Some(tenant) = tenant else { return Ok(()) };
        let rules = reminder::rules(tx).await?;
        let now = self.0.now(tx).await?;
        Ok(reminder::plan(tx, &[reservation], &rules, tenant.zone, now).await?)
    }
}

/// The reservation, as precise as the database keeps it.
fn read(replica: &ActivityReplica) -> Result<Reservation, Lacking> {
    let activity: ActivityId = replica.activity_id.parse().map_err(|_| Lacking("ID"))?;
    let start = replica.start_time.as_ref().and_then(contracts::to_timestamp);
    let start = start.and_then(|start| Timestamp::from_timestamp_micros(start.timestamp_micros()));
    Ok(Reservation { activity, active: replica.state == ACTIVE, start: start.ok_or(Lacking("start"))? })
}
