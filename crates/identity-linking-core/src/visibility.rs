//! Whose things are, and so who of the staff sees them (F-70 to F-72): a branch's staff what is their branch's, and nobody but
//! administrators what is nobody's.

use kernel::{OrganizationId, Sight};

/// The organization responsible for something about an official account: that of the customer it is about, where there is one, else
/// that of the account's friends ([`friends_belong_to`]). None: nobody's, of which only administrators know (F-71, F-72).
pub fn responsible(customer: Option<OrganizationId>, friends: Option<OrganizationId>) -> Option<OrganizationId> {
    customer.or(friends)
}

/// The organization that an account's friends belong to: its owner in per-branch mode (F-53), the default one in shared mode (F-69).
pub fn friends_belong_to(owner: Option<OrganizationId>, default: Option<OrganizationId>) -> Option<OrganizationId> {
    owner.or(default)
}

/// Whose something is: one organization's, nobody's (none), or that of several who have to do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Whoever sees what belongs to one of these sees it.
    Any(Vec<Option<OrganizationId>>),
    /// Only who sees what belongs to each of these sees it.
    All(Vec<Option<OrganizationId>>),
}

impl Whose {
    /// A customer is its organization's.
    pub fn customer(organization: Option<OrganizationId>) -> Self {
        Self::Any(vec![organization])
    }

    /// An activity is its customer's, and that of the organization it is with.
    pub fn activity(customer: Option<OrganizationId>, with: Option<OrganizationId>) -> Self {
        Self::Any(vec![customer, with])
    }

    /// A LINE user is the linked customer's, else that of the friends of each account that knows the user; so is a link, by its own
    /// customer. `customer` is none too where the user is linked to nobody.
    pub fn line_user(customer: Option<OrganizationId>, friends: &[Option<OrganizationId>]) -> Self {
        let known = friends.iter().map(|friends| responsible(customer, *friends));
        Self::Any(known.chain([customer]).collect())
    }

    /// An attempt to link is its LINE user's on its account, and that of the customer it was decided to be about, if there is one:
    /// the staff who are to judge it see it. Customers who only might have been meant make nobody see it.
    pub fn attempt(
        line_user: Option<OrganizationId>,
        about: Option<Option<OrganizationId>>,
        friends: Option<OrganizationId>,
    ) -> Self {
        let about = about.map(|customer| responsible(customer, friends));
        Self::Any([responsible(line_user, friends)].into_iter().chain(about).collect())
    }

    /// A request to take a link over is its customer's, else that of the friends of the account it came by.
    pub fn takeover(customer: Option<OrganizationId>, friends: Option<OrganizationId>) -> Self {
        Self::Any(vec![responsible(customer, friends)])
    }

    /// What joins two customers, a suspicion or a merge, concerns the branches of both.
    pub fn pair(one: Option<OrganizationId>, other: Option<OrganizationId>) -> Self {
        Self::All(vec![one, other])
    }

    /// Whether somebody with this sight sees it.
    pub fn is_seen(&self, sight: &Sight) -> bool {
        match self {
            Self::Any(of) => *sight == Sight::Everything || of.iter().any(|one| sight.takes_in(*one)),
            Self::All(of) => of.iter().all(|one| sight.takes_in(*one)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use uuid::Uuid;

    type Of = Option<OrganizationId>;

    fn of() -> impl Strategy<Value = Of> {
        prop::option::of((0u128..4).prop_map(|number| Uuid::from_u128(number).into()))
    }

    fn branches() -> impl Strategy<Value = BTreeSet<OrganizationId>> {
        prop::collection::btree_set((0u128..4).prop_map(|number| Uuid::from_u128(number).into()), 0..4)
    }

    /// Everything there is, of the same facts.
    fn everything(customer: Of, other: Of, about: Option<Of>, friends: &[Of]) -> Vec<Whose> {
        let account = friends.first().copied().flatten();
        vec![
            Whose::customer(customer),
            Whose::activity(customer, other),
            Whose::line_user(customer, friends),
            Whose::attempt(customer, about, account),
            Whose::takeover(customer, account),
            Whose::pair(customer, other),
        ]
    }

    proptest! {
        #[test]
        fn what_is_nobodys_only_administrators_see(of in branches(), accounts in 0usize..3) {
            for whose in everything(None, None, Some(None), &vec![None; accounts]) {
                prop_assert!(!whose.is_seen(&Sight::of_staff(false, of.clone())), "{:?}", whose);
                prop_assert!(whose.is_seen(&Sight::of_staff(true, of.clone())), "{:?}", whose);
            }
        }

        #[test]
        fn staff_see_what_their_branch_has_to_do_with_and_nothing_else(
            mine in branches(), customer in of(), other in of(), about in prop::option::of(of()),
            friends in prop::collection::vec(of(), 0..3),
        ) {
            let sight = Sight::of_staff(false, mine.clone());
            let is_mine = |one: Of| one.is_some_and(|one| mine.contains(&one));
            let first = friends.first().copied().flatten();
            let by_friends = customer.is_none() && friends.iter().any(|one| is_mine(*one));
            let wanted = [
                is_mine(customer),
                is_mine(customer) || is_mine(other),
                is_mine(customer) || by_friends,
                is_mine(customer.or(first)) || about.is_some_and(|about| is_mine(about.or(first))),
                is_mine(customer.or(first)),
                is_mine(customer) && is_mine(other),
            ];
            for (whose, wanted) in everything(customer, other, about, &friends).into_iter().zip(wanted) {
                prop_assert_eq!(whose.is_seen(&sight), wanted, "{:?}", whose);
                prop_assert!(whose.is_seen(&Sight::Everything) && !whose.is_seen(&Sight::nothing()));
            }
        }

        #[test]
        fn whoever_hears_of_a_customer_or_a_friend_sees_what_it_was_about(customer in of(), friends in of()) {
            if let Some(told) = responsible(customer, friends) {
                let sight = Sight::of_staff(false, [told]);
                prop_assert!(Whose::takeover(customer, friends).is_seen(&sight));
                prop_assert!(Whose::attempt(customer, None, friends).is_seen(&sight));
                prop_assert!(Whose::line_user(customer, &[friends]).is_seen(&sight));
            }
        }
    }
}
