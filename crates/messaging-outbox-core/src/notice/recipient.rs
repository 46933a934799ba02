//! Who hears of what happened at an organization (F-70, F-71).

use kernel::{OrganizationId, StaffId};

/// A staff member, as far as hearing of something asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The member may act at all.
    pub active: bool,
    /// The organizations the member works for.
    pub organizations: Vec<OrganizationId>,
}

/// Whether `member` hears of what belongs to `organization`. None: it belongs to none, so nobody is notified (F-71), administrators
/// included.
#[must_use]
pub fn hears(member: &Member, organization: Option<OrganizationId>) -> bool {
    member.active && organization.is_some_and(|organization| member.organizations.contains(&organization))
}

/// Somebody asked for the notices of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the notices are another's")]
pub struct NotYours;

/// Whose notices a caller is shown who asks for those of `asked`, or of all (none). `own`: the caller is that member and no administrator,
/// and sees no other's, for their words may be about another branch (F-72).
pub fn shown(own: Option<StaffId>, asked: Option<StaffId>) -> Result<Option<StaffId>, NotYours> {
    match (own, asked) {
        (Some(own), Some(asked)) if own != asked => Err(NotYours),
        (own, asked) => Ok(own.or(asked)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    #[test]
    fn who_is_no_administrator_sees_only_notices_of_its_own() {
        let [one, other] = [1, 2].map(|number| StaffId::from(Uuid::from_u128(number)));
        assert_eq!(shown(None, None), Ok(None));
        assert_eq!(shown(None, Some(other)), Ok(Some(other)));
        assert_eq!(shown(Some(one), None), Ok(Some(one)));
        assert_eq!(shown(Some(one), Some(one)), Ok(Some(one)));
        assert_eq!(shown(Some(one), Some(other)), Err(NotYours));
    }

    proptest! {
        #[test]
        fn only_active_staff_of_the_organization_hear_and_nobody_while_it_is_unset(
            active: bool, works_for in prop::collection::vec(0u128..4, 0..4), organization in prop::option::of(0u128..4),
        ) {
            let id = |number: u128| OrganizationId::from(Uuid::from_u128(number));
            let member = Member { active, organizations: works_for.iter().copied().map(id).collect() };
            let expected = active && organization.is_some_and(|one| works_for.contains(&one));
            prop_assert_eq!(hears(&member, organization.map(id)), expected);
        }
    }
}
