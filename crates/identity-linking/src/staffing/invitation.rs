//! How invitations end, and bindings with them.

use chassis::postgres::TenantTx;
use identity_linking_core::staff::{Invitation, InvitationState};
use kernel::Timestamp;

use super::contact;
use crate::change::ChangeError;
use crate::postgres::staff::StoredStaff;
use crate::postgres::staff_invitation::StoredInvitation;
use crate::postgres::{staff_contact, staff_invitation};

/// Takes back whatever invitation of a staff member, locked, is open.
pub(crate) async fn revoke_open(tx: &mut TenantTx, now: Timestamp, staff: &StoredStaff) -> Result<(), ChangeError> {
    for open in staff_invitation::unended(tx, staff.id).await? {
        if open.value.state(now) == InvitationState::Open {
            let value = Invitation { revoke_time: Some(now), ..open.value };
            staff_invitation::update(tx, &StoredInvitation { value, ..open }).await?;
        }
    }
    Ok(())
}

/// Binds a staff member, locked, to no LINE user any more; whether there was one.
pub(crate) async fn unbind(tx: &mut TenantTx, now: Timestamp, staff: &StoredStaff) -> Result<bool, ChangeError> {
    let contact = staff_contact::find(tx, staff.id).await?;
    let was_bound = contact.line.is_some();
    if was_bound {
        contact::keep(tx, now, staff, contact, None).await?;
    }
    Ok(was_bound)
}
