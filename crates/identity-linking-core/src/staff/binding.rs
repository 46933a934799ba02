//! Whether a LINE user who typed the code of an invitation becomes that staff member on LINE.

use kernel::{AccountId, StaffId, Timestamp};

use super::{Invitation, InvitationState};
use crate::link::{Confirmation, Pending, Verdict, judge};
use crate::word::words;

words! {
    /// What became of somebody's wish to be bound.
    BindOutcome {
        /// Bound.
        Bound = "BOUND",
        /// The code is no invitation's, or of one that is good for nothing any more, or of a member who is not active.
        BadCode = "BAD_CODE",
        /// LINE did not confirm the LINE user whom the form was given to.
        NotConfirmed = "NOT_CONFIRMED",
        /// The LINE user is another staff member already.
        LineUserTaken = "LINE_USER_TAKEN",
    }
}

/// Whether the code of an invitation is good at `now`: the invitation is open, and its member is active.
pub fn is_good(invitation: &Invitation, is_active: bool, now: Timestamp) -> bool {
    is_active && invitation.state(now) == InvitationState::Open
}

/// Who wishes to be bound, by an invitation that LINE's word has come for.
#[derive(Clone, Debug)]
pub struct BindCase<'a> {
    /// What was submitted, and what is known of it.
    pub wish: Pending,
    /// The invitation whose code was typed, as it stands now.
    pub invitation: &'a Invitation,
    /// Whether its member is active, and the account still the staff account of the tenant that invited.
    pub is_active: bool,
    /// Whom the LINE user is already.
    pub is_already: Option<StaffId>,
}

/// Decides by LINE's word of `told_time` (LINE's clock), from an account; none where LINE's word came before. An invitation that was
/// open when the code was typed is not too old when LINE confirms. A member who was bound to another LINE user is bound to this one
/// instead: that is what the new invitation was for.
pub fn bind(
    case: &BindCase<'_>,
    account: AccountId,
    confirmation: Confirmation,
    told_time: Timestamp,
) -> Option<BindOutcome> {
    match judge(&case.wish, account, confirmation, told_time) {
        Verdict::Known => None,
        Verdict::Refuse(_) => Some(BindOutcome::NotConfirmed),
        Verdict::Match if !is_good(case.invitation, case.is_active, case.wish.submit_time) => {
            Some(BindOutcome::BadCode)
        }
        Verdict::Match if case.is_already.is_some_and(|staff| staff != case.invitation.staff) => {
            Some(BindOutcome::LineUserTaken)
        }
        Verdict::Match => Some(BindOutcome::Bound),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Decided;
    use chrono::TimeDelta;
    use proptest::prelude::*;
    use uuid::Uuid;

    proptest! {
        #[test]
        fn only_the_user_the_form_was_given_to_is_bound_once_and_by_an_open_invitation_of_an_active_member(
            same_user: bool, same_account: bool, says_ok: bool, told: bool, used: bool, revoked: bool, is_active: bool,
            age in -10i64..10_000_000, is_already in proptest::option::of(1u128..3),
        ) {
            let made = Timestamp::UNIX_EPOCH + TimeDelta::days(30);
            let submit_time = made + TimeDelta::seconds(age);
            let id = Uuid::from_u128;
            let invitation = Invitation {
                use_time: used.then_some(made),
                revoke_time: revoked.then_some(made),
                ..Invitation::of(id(1).into(), made)
            };
            let case = BindCase {
                wish: Pending {
                    account: id(1).into(),
                    friend: id(1).into(),
                    submit_time,
                    decided: told.then_some(Decided::ByLine),
                },
                invitation: &invitation,
                is_active,
                is_already: is_already.map(|number| id(number).into()),
            };
            let who = if same_user { id(1) } else { id(2) };
            let account = if same_account { id(1) } else { id(2) };
            let word = if says_ok { Confirmation::Ok(who.into()) } else { Confirmation::Failed };
            let outcome = bind(&case, account.into(), word, submit_time + TimeDelta::minutes(2));
            let is_open = !used && !revoked && age < 7 * 24 * 3600;
            let confirmed = same_user && same_account && says_ok;
            let wanted = match (told, confirmed, is_open && is_active) {
                (true, _, _) => None,
                (_, false, _) => Some(BindOutcome::NotConfirmed),
                (_, _, false) => Some(BindOutcome::BadCode),
                _ if is_already == Some(2) => Some(BindOutcome::LineUserTaken),
                _ => Some(BindOutcome::Bound),
            };
            prop_assert_eq!(outcome, wanted);
        }
    }
}
