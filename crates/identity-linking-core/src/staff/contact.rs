//! How a staff member can be reached, as other services are told.

use kernel::AccountId;
use line_types::id::UserId;

use super::{EmailAddress, StaffMember};

/// The LINE user a staff member is bound to, on the staff account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaffLine {
    /// The staff account.
    pub account: AccountId,
    /// The LINE user.
    pub user: UserId,
    /// The LINE user blocked the account: the binding stays, and nothing can be sent.
    pub is_blocked: bool,
}

/// Where a staff member is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach<'a> {
    /// By e-mail.
    pub email_address: Option<&'a EmailAddress>,
    /// The staff account the member is bound on.
    pub account: Option<AccountId>,
    /// The LINE user there who can be written to.
    pub user: Option<&'a UserId>,
}

/// Where a member is reached: nowhere while not active; on LINE while bound and not blocked.
pub fn reach<'a>(member: &'a StaffMember, line: Option<&'a StaffLine>) -> Reach<'a> {
    if !member.active {
        return Reach::default();
    }
    Reach {
        email_address: member.email_address.as_ref(),
        account: line.map(|line| line.account),
        user: line.filter(|line| !line.is_blocked).map(|line| &line.user),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Line;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn nobody_is_reached_who_is_not_active_nor_on_line_who_is_not_bound_or_blocked(
            active: bool, has_email: bool, bound: bool, is_blocked: bool,
        ) {
            let member = StaffMember {
                display_name: Line::parse("佐藤").unwrap(),
                organizations: BTreeSet::new(),
                rights: BTreeSet::new(),
                administrator: false,
                active,
                external_reference: None,
                email_address: EmailAddress::optional(if has_email { "a@example.com" } else { "" }).unwrap(),
            };
            let user = UserId::parse(&format!("U{:032x}", 7)).unwrap();
            let line = bound.then(|| StaffLine { account: uuid::Uuid::nil().into(), user, is_blocked });
            let reach = reach(&member, line.as_ref());
            prop_assert_eq!(reach.email_address.is_some(), active && has_email);
            prop_assert_eq!(reach.account.is_some(), active && bound);
            prop_assert_eq!(reach.user.is_some(), active && bound && !is_blocked);
        }
    }
}
