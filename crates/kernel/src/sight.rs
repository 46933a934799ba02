//! Who of the staff sees what (F-72): a branch's staff what is their branch's, administrators everything.

use std::collections::BTreeSet;

use crate::OrganizationId;

/// What of a tenant's conversations, customers and whatever else belongs to a branch somebody sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// All: an administrator, or a program that acts for nobody of the staff.
    Everything,
    /// What belongs to these organizations, and nothing that is nobody's.
    Of(BTreeSet<OrganizationId>),
}

impl Sight {
    /// What a staff member of `organizations` sees.
    #[must_use]
    pub fn of_staff(administrator: bool, organizations: impl IntoIterator<Item = OrganizationId>) -> Self {
        if administrator { Self::Everything } else { Self::Of(organizations.into_iter().collect()) }
    }

    /// What somebody sees who may see nothing of it.
    #[must_use]
    pub const fn nothing() -> Self {
        Self::Of(BTreeSet::new())
    }

    /// Whether it takes in what belongs to `organization`; none: what is nobody's.
    #[must_use]
    pub fn takes_in(&self, organization: Option<OrganizationId>) -> bool {
        match self {
            Self::Everything => true,
            Self::Of(organizations) => organization.is_some_and(|of| organizations.contains(&of)),
        }
    }

    /// The organizations it is limited to; none: to none.
    #[must_use]
    pub fn limits(&self) -> Option<&BTreeSet<OrganizationId>> {
        match self {
            Self::Everything => None,
            Self::Of(organizations) => Some(organizations),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn organization() -> impl Strategy<Value = OrganizationId> {
        (0u128..4).prop_map(|number| Uuid::from_u128(number).into())
    }

    proptest! {
        #[test]
        fn what_is_nobodys_only_administrators_see(organizations in prop::collection::btree_set(organization(), 0..4)) {
            prop_assert!(!Sight::of_staff(false, organizations.clone()).takes_in(None));
            prop_assert!(Sight::of_staff(true, organizations).takes_in(None));
        }

        #[test]
        fn staff_see_what_is_their_organizations_and_nothing_else(
            whose in prop::option::of(organization()), organizations in prop::collection::btree_set(organization(), 0..4),
        ) {
            let sight = Sight::of_staff(false, organizations.clone());
            prop_assert_eq!(sight.takes_in(whose), whose.is_some_and(|organization| organizations.contains(&organization)));
            prop_assert_eq!(sight.limits(), Some(&organizations));
            let all = Sight::of_staff(true, organizations);
            prop_assert!(all.takes_in(whose) && all.limits().is_none() && !Sight::nothing().takes_in(whose));
        }
    }
}
