//! LINE's word about who typed an invitation's code: it alone binds.

use chassis::audit::Actor;
use chassis::failpoint;
use chassis::postgres::TenantTx;
use identity_linking_core::friendship::FriendshipState;
use identity_linking_core::link::{Confirmation, Decided, Nonce, Pending};
use identity_linking_core::staff::{BindCase, BindOutcome, Invitation, StaffLine, bind};
use kernel::{AccountId, ProviderId, TenantId, Timestamp};
use line_types::id::UserId;
use serde_json::json;

use super::form::told;
use super::{contact, share};
use crate::change::{self, ChangeError, Subject};
use crate::postgres::staff_bind_attempt::BindAttempt;
use crate::postgres::staff_invitation::StoredInvitation;
use crate::postgres::{
    friend, staff, staff_bind_attempt, staff_contact, staff_guest_binding, staff_invitation, staff_line_user,
};

/// Who binds.
const BY_RULE: Actor = Actor::Service("identity-linking");

/// LINE's word of `told_time` (LINE's clock), from the staff account: that a LINE user confirmed, or that somebody failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word<'a> {
    pub(crate) account: AccountId,
    pub(crate) provider: ProviderId,
    pub(crate) nonce: &'a Nonce,
    /// Who confirmed; nobody: failed.
    pub(crate) user: Option<&'a UserId>,
    pub(crate) told_time: Timestamp,
}

/// What came of LINE's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// No code was typed for it.
    Unknown,
    /// It came before.
    Again,
    /// It is somebody else's word than that of the LINE user whom the card was given to.
    Foreign,
    /// The LINE user whom the card was given to confirmed; this came of it.
    Decided(BindOutcome),
}

/// Binds, where LINE's word and the invitation allow it.
pub(crate) async fn hear(tx: &mut TenantTx, now: Timestamp, word: Word<'_>) -> Result<Heard, ChangeError> {
    let Some(mut attempt) = staff_bind_attempt::lock_by_nonce(tx, word.nonce).await? else { return Ok(Heard::Unknown) };
    let home = tx.tenant();
    let is_confirmed = word.user == Some(&attempt.user);
    let is_blocked = is_confirmed && {
        let standing = staff_line_user::lock(tx, attempt.account, &attempt.user).await?;
        standing.ok_or(sqlx::Error::RowNotFound)?.state() == FriendshipState::Blocked
    };
    let invited = Invited { home, attempt: &attempt, is_blocked };
    let outcome = match attempt.guest {
        None => decide(tx, now, word, invited).await?,
        Some(guest) => {
            tx.turn_to(guest).await?;
            let outcome = decide(tx, now, word, invited).await;
            tx.turn_to(home).await?;
            outcome?
        }
    };
    let Some(outcome) = outcome else { return Ok(Heard::Again) };
    if let (BindOutcome::Bound, Some(guest)) = (outcome, attempt.guest) {
        staff_guest_binding::insert_if_new(tx, attempt.account, &attempt.user, guest).await?;
    }
    attempt.told_time = Some(word.told_time);
    attempt.outcome = Some(outcome);
    staff_bind_attempt::update(tx, &attempt).await?;
    told(outcome);
    if outcome == BindOutcome::Bound {
        failpoint::reached("identity.staff.bound");
    }
    Ok(if is_confirmed { Heard::Decided(outcome) } else { Heard::Foreign })
}

/// Whom a code invites that was typed on an account of the tenant `home`.
#[derive(Clone, Copy, Debug)]
struct Invited<'a> {
    home: TenantId,
    attempt: &'a BindAttempt,
    /// The LINE user who confirmed blocked the account meanwhile.
    is_blocked: bool,
}

/// Decides in the tenant that invites, and binds there; none where LINE's word came before.
async fn decide(
    tx: &mut TenantTx,
    now: Timestamp,
    word: Word<'_>,
    invited: Invited<'_>,
) -> Result<Option<BindOutcome>, ChangeError> {
    let Invited { home, attempt, is_blocked } = invited;
    // Held before the member's row is locked: whoever uses the account no more unbinds the members after that.
    let is_served = attempt.guest.is_none() || share::serves(tx, home, attempt.account).await?;
    // What was typed with a nonce was typed for an invitation.
    let invitation = attempt.invitation.ok_or(sqlx::Error::RowNotFound)?;
    let staff_id = staff_invitation::find(tx, invitation).await?.ok_or(sqlx::Error::RowNotFound)?.value.staff;
    let member = staff::lock(tx, staff_id).await?.ok_or(sqlx::Error::RowNotFound)?;
    let invitation = staff_invitation::find(tx, invitation).await?.ok_or(sqlx::Error::RowNotFound)?;
    let by = |user: &UserId| friend::id_of(word.provider, user);
    let confirmation = word.user.map_or(Confirmation::Failed, |user| Confirmation::Ok(by(user)));
    let case = BindCase {
        wish: Pending {
            account: attempt.account,
            friend: by(&attempt.user),
            submit_time: attempt.submit_time,
            decided: attempt.told_time.map(|_| Decided::ByLine),
        },
        invitation: &invitation.value,
        is_active: member.value.active && is_served,
        is_already: staff_contact::bound_to(tx, attempt.account, &attempt.user).await?,
    };
    let outcome = bind(&case, word.account, confirmation, word.told_time);
    if outcome == Some(BindOutcome::Bound) {
        let line = StaffLine { account: attempt.account, user: attempt.user.clone(), is_blocked };
        put(tx, now, line, &member, invitation).await?;
    }
    Ok(outcome)
}

/// Binds a staff member, locked, to a LINE user, and ends the invitation.
async fn put(
    tx: &mut TenantTx,
    now: Timestamp,
    line: StaffLine,
    member: &staff::StoredStaff,
    invitation: StoredInvitation,
) -> Result<(), ChangeError> {
    let value = Invitation { use_time: Some(now), ..invitation.value };
    let used = StoredInvitation { value, ..invitation };
    staff_invitation::update(tx, &used).await?;
    let before = staff_contact::find(tx, member.id).await?;
    let subject = Subject { kind: "staff", id: member.id.uuid(), version: member.version };
    let detail = json!({ "invitation": used.id.to_string(), "rebound": before.line.is_some() });
    change::note(tx, &BY_RULE, "staff.bind_line", subject, detail).await?;
    contact::keep(tx, now, member, before, Some(line)).await
}
