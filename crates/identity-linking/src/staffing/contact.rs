//! How staff can be reached, told to messaging-outbox with every change.

use chassis::postgres::TenantTx;
use contracts::events::v1::identity_event::Body;
use identity_linking_core::staff::StaffLine;
use kernel::Timestamp;

use crate::change::{self, ChangeError, Subject};
use crate::postgres::staff::StoredStaff;
use crate::postgres::staff_contact::{self, StoredContact};
use crate::replica;

/// Keeps the LINE user that a staff member, locked, is bound to from now on, and tells how the member is reached. What was told of
/// the member before is `contact`.
pub(crate) async fn keep(
    tx: &mut TenantTx,
    now: Timestamp,
    staff: &StoredStaff,
    contact: StoredContact,
    line: Option<StaffLine>,
) -> Result<(), ChangeError> {
    let contact = StoredContact { version: contact.version + 1, line };
    staff_contact::put(tx, staff.id, &contact).await?;
    let subject = Subject { kind: "staff_contact", id: staff.id.uuid(), version: contact.version };
    change::announce(tx, subject, now, Body::StaffContact(replica::staff_contact(staff, &contact))).await
}

/// Tells how a staff member, locked, is reached since something else of the member changed, where that makes a difference.
pub(crate) async fn follow(
    tx: &mut TenantTx,
    now: Timestamp,
    before: Option<&StoredStaff>,
    staff: &StoredStaff,
) -> Result<(), ChangeError> {
    let contact = staff_contact::find(tx, staff.id).await?;
    let reach = |staff: &StoredStaff| {
        // Versions aside: only what others would do differently.
        replica::staff_contact(staff, &contact)
    };
    let is_known = contact.version > 0 || staff.value.email_address.is_some();
    if !is_known || before.is_some_and(|before| reach(before) == reach(staff)) {
        return Ok(());
    }
    let line = contact.line.clone();
    keep(tx, now, staff, contact, line).await
}
