//! A LINE user who does something on the staff account: no friend, no customer, and whatever is written there belongs to nobody's
//! conversation.

use chassis::postgres::TenantTx;
use identity_linking_core::friendship::{Friendship, FriendshipState, Seen};
use identity_linking_core::staff::StaffLine;
use kernel::{AccountId, Timestamp};
use line_types::id::UserId;

use super::contact;
use crate::change::ChangeError;
use crate::postgres::staff_contact;
use crate::postgres::{staff, staff_line_user};

/// Keeps what an event tells of a LINE user of the staff account: whoever blocks it is not written to until he comes back. Whether
/// he is seen there for the first time.
pub(crate) async fn keep(
    tx: &mut TenantTx,
    now: Timestamp,
    account: AccountId,
    user: &UserId,
    seen: &Seen,
) -> Result<bool, ChangeError> {
    let first = Friendship::begin(seen);
    if staff_line_user::insert_if_new(tx, account, user, &first).await? {
        return Ok(true);
    }
    let known = staff_line_user::lock(tx, account, user).await?.ok_or(sqlx::Error::RowNotFound)?;
    let folded = known.clone().fold(seen);
    if folded == known {
        return Ok(false);
    }
    staff_line_user::update(tx, account, user, &folded).await?;
    let Some(id) = staff_contact::bound_to(tx, account, user).await? else { return Ok(false) };
    let member = staff::lock(tx, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    let contact = staff_contact::find(tx, id).await?;
    let is_blocked = folded.state() == FriendshipState::Blocked;
    let line = contact.line.clone().filter(|line| line.account == account && line.user == *user);
    if let Some(line) = line.filter(|line| line.is_blocked != is_blocked) {
        contact::keep(tx, now, &member, contact, Some(StaffLine { is_blocked, ..line })).await?;
    }
    Ok(false)
}
