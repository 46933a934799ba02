//! Which organization a conversation belongs to (F-70 to F-72): whose staff see it, by [`kernel::Sight`].

use kernel::OrganizationId;

/// The customer that a conversation's LINE user is linked to, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linked {
    /// To nobody; so is every group and room (D-11).
    ToNobody,
    /// To a customer that has not been heard of yet.
    ToUnheard,
    /// To a customer, and the organization responsible for it, if there is one.
    To(Option<OrganizationId>),
}

/// What decides which organization a conversation belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Whom the LINE user is linked to.
    pub linked: Linked,
    /// The organization that owns the official account; none in shared mode (F-51), or while the account is not known.
    pub owner: Option<OrganizationId>,
    /// The organization that the account's new friends belong to (F-69); none: not set, or the account is not known.
    pub default: Option<OrganizationId>,
}

impl Facts {
    /// The organization a conversation belongs to: the customer's, else the one that owns the account, else the account's default.
    /// None: nobody's, so that only administrators see it (F-72). So is that of a customer not heard of yet: it may be any branch's.
    #[must_use]
    pub fn responsible(&self) -> Option<OrganizationId> {
        match self.linked {
            Linked::ToUnheard => None,
            Linked::To(Some(organization)) => Some(organization),
            Linked::To(None) | Linked::ToNobody => self.owner.or(self.default),
        }
    }
}

/// The organization a reminder of a reservation belongs to: the customer's, else that of the conversation with the message that
/// reminds. None: nobody's. A customer not heard of yet has none.
#[must_use]
pub fn of_reminder(customer: Option<OrganizationId>, conversation: Option<OrganizationId>) -> Option<OrganizationId> {
    customer.or(conversation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Sight;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn organization() -> impl Strategy<Value = OrganizationId> {
        (0u128..4).prop_map(|number| Uuid::from_u128(number).into())
    }

    fn linked() -> impl Strategy<Value = Linked> {
        prop_oneof![
            Just(Linked::ToNobody),
            Just(Linked::ToUnheard),
            prop::option::of(organization()).prop_map(Linked::To)
        ]
    }

    prop_compose! {
        fn facts()(
            linked in linked(), owner in prop::option::of(organization()), default in prop::option::of(organization()),
        ) -> Facts {
            Facts { linked, owner, default }
        }
    }

    #[test]
    fn the_customers_organization_comes_first_then_the_owner_then_the_default() {
        let [customers, owner, default] = [1, 2, 3].map(|number| Some(OrganizationId::from(Uuid::from_u128(number))));
        let of = |linked, owner, default| Facts { linked, owner, default }.responsible();
        assert_eq!(of(Linked::To(customers), owner, default), customers);
        assert_eq!(of(Linked::To(None), owner, default), owner);
        assert_eq!(of(Linked::To(None), None, default), default);
        assert_eq!(of(Linked::ToNobody, owner, default), owner);
        assert_eq!(of(Linked::ToNobody, None, default), default);
        assert_eq!(of(Linked::ToNobody, None, None), None);
        assert_eq!(of(Linked::ToUnheard, owner, default), None, "it may be any branch's");
    }

    #[test]
    fn a_reminder_belongs_where_the_customer_does_and_else_where_it_can_be_read() {
        let [customers, others] = [1, 2].map(|number| Some(OrganizationId::from(Uuid::from_u128(number))));
        assert_eq!(of_reminder(customers, others), customers);
        assert_eq!(of_reminder(None, others), others);
        assert_eq!(of_reminder(None, None), None);
    }

    proptest! {
        #[test]
        fn a_conversation_belongs_to_an_organization_that_something_names_or_to_none(facts in facts()) {
            let mut named = vec![facts.owner, facts.default];
            if let Linked::To(organization) = facts.linked {
                named.push(organization);
            }
            prop_assert!(facts.responsible().is_none_or(|organization| named.contains(&Some(organization))));
        }

        #[test]
        fn staff_see_what_is_their_organizations_and_nothing_else(
            facts in facts(), organizations in prop::collection::btree_set(organization(), 0..4),
        ) {
            let responsible = facts.responsible();
            let sees = Sight::of_staff(false, organizations.clone()).takes_in(responsible);
            prop_assert_eq!(sees, responsible.is_some_and(|organization| organizations.contains(&organization)));
            prop_assert!(Sight::of_staff(true, organizations).takes_in(responsible));
        }
    }
}
