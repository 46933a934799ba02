//! The replica of what identity-linking owns and this service plans by: tenants and their reservations.

use bus::Trouble;
use bus::replica::Replica;
use chassis::postgres::TenantTx;
use contracts::events::v1::TenantReplica;
use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::ReplicaKind;
use scheduler_core::wall_clock::TimeZone;

use crate::desk::Desk;
use crate::digest;
use crate::postgres::tenant::{self, Tenant};

/// What is kept of identity-linking's aggregates; principals and staff have a replica of their own.
pub(crate) const KINDS: &[ReplicaKind] = &[ReplicaKind::Tenant];

/// Keeps them, and has what follows from them planned.
pub(crate) struct Kept(pub(crate) Desk);

impl Replica for Kept {
    async fn put(&self, tx: &mut TenantTx, aggregate: &Body) -> Result<(), Trouble> {
        match aggregate {
            Body::Tenant(tenant) => self.put_tenant(tx, tenant).await,
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
            None => digest::begin(tx, zone, now).await?,
            Some(former) if former.zone != zone || former.suspended != present.suspended => {
                digest::retime(tx, &former, &present, now).await?;
            }
            Some(_) => {}
        }
        Ok(())
    }
}
