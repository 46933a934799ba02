//! What a staff member is told of what waits (F-27, F-29, L-12): counted over the conversations the member sees, unlinked senders and
//! what was put off among them, whatever was announced before.

pub mod text;

use std::collections::BTreeMap;
use std::ops::Add;

use kernel::{OrganizationId, Sight, Timestamp};
use uuid::Uuid;

/// What waits: conversations with unread messages, and those that are put off, read or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Conversations.
    pub conversations: u64,
    /// Unread messages in them.
    pub messages: u64,
    /// Conversations among them with a LINE user who is linked to no customer.
    pub unlinked: u64,
    /// Conversations among them that are put off.
    pub put_off: u64,
    /// Since when the oldest waits: its first unread message, or the moment it was put off. None where nothing waits.
    pub oldest: Option<Timestamp>,
}

impl Waiting {
    /// Whether nothing waits.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.conversations == 0
    }
}

impl Add for Waiting {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            conversations: self.conversations.saturating_add(other.conversations),
            messages: self.messages.saturating_add(other.messages),
            unlinked: self.unlinked.saturating_add(other.unlinked),
            put_off: self.put_off.saturating_add(other.put_off),
            oldest: [self.oldest, other.oldest].into_iter().flatten().min(),
        }
    }
}

/// What waits for a staff member, together and organization by organization.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    /// All of it.
    pub total: Waiting,
    /// Each organization in which something waits, and nobody's, the most conversations first.
    pub branches: Vec<(Option<OrganizationId>, Waiting)>,
}

impl Digest {
    /// What waits in `sight`, of what waits in each organization; none: what is nobody's (F-72).
    #[must_use]
    pub fn of(sight: &Sight, waiting: &BTreeMap<Option<OrganizationId>, Waiting>) -> Self {
        let seen =
            waiting.iter().filter(|(organization, waiting)| sight.takes_in(**organization) && !waiting.is_nothing());
        let mut branches: Vec<_> = seen.map(|(organization, waiting)| (*organization, *waiting)).collect();
        branches.sort_by_key(|(organization, waiting)| (std::cmp::Reverse(waiting.conversations), *organization));
        let total = branches.iter().fold(Waiting::default(), |total, (_, waiting)| total + *waiting);
        Self { total, branches }
    }
}

/// What became of a digest. The codes are those of `tsunagi.messaging.v1.DigestOutcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was given to the channels that reach the staff member.
    Told,
    /// Nothing waited, and the tenant sends no empty ones.
    NothingUnread,
    /// No channel reaches the staff member.
    NotReachable,
    /// It came to be made too late to be worth telling.
    Expired,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 4] = [Self::Told, Self::NothingUnread, Self::NotReachable, Self::Expired];

    /// The outcome's number, as the proto has it and the tables keep it.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Told => 1,
            Self::NothingUnread => 2,
            Self::NotReachable => 3,
            Self::Expired => 4,
        }
    }

    /// The outcome's name, as the proto's value without its prefix.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Told => "TOLD",
            Self::NothingUnread => "NOTHING_UNREAD",
            Self::NotReachable => "NOT_REACHABLE",
            Self::Expired => "EXPIRED",
        }
    }

    /// The outcome of that number.
    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.code() == code)
    }
}

/// A digest that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Whether those are told who have nothing waiting.
    pub send_empty: bool,
    /// After this nobody is told any more.
    pub expire: Timestamp,
}

impl Due {
    /// What becomes of the digest of somebody for whom `waiting` waits; `reachable`: by any channel.
    #[must_use]
    pub fn outcome(&self, waiting: &Waiting, reachable: bool, now: Timestamp) -> Outcome {
        if now >= self.expire {
            Outcome::Expired
        } else if waiting.is_nothing() && !self.send_empty {
            Outcome::NothingUnread
        } else if reachable {
            Outcome::Told
        } else {
            Outcome::NotReachable
        }
    }
}

/// The ID of a slot of `tenant`: a slot is its moment, so that an event that comes again, under whatever ID, is the same slot.
#[must_use]
pub fn slot_id(tenant: Uuid, slot: Timestamp) -> Uuid {
    Uuid::new_v5(&tenant, format!("digest/{}", slot.timestamp_micros()).as_bytes())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    pub(crate) fn moment(second: i64) -> Timestamp {
        Timestamp::from_timestamp(1_795_000_000 + second, 0).unwrap()
    }

    prop_compose! {
        /// What may wait in one organization.
        pub(crate) fn waiting()(
            conversations in 0u64..9, messages in 0u64..50, unlinked in 0u64..9, put_off in 0u64..9, second in 0i64..500_000,
        ) -> Waiting {
            let some = conversations > 0;
            Waiting {
                conversations,
                messages: if some { messages } else { 0 },
                unlinked: unlinked.min(conversations),
                put_off: put_off.min(conversations),
                oldest: some.then(|| moment(-second)),
            }
        }
    }

    pub(crate) fn organization() -> impl Strategy<Value = Option<OrganizationId>> {
        prop::option::of((0u128..5).prop_map(|number| Uuid::from_u128(number).into()))
    }

    fn sight() -> impl Strategy<Value = Sight> {
        let some = prop::collection::btree_set((0u128..5).prop_map(|number| Uuid::from_u128(number).into()), 0..4);
        (any::<bool>(), some)
            .prop_map(|(administrator, of): (_, BTreeSet<OrganizationId>)| Sight::of_staff(administrator, of))
    }

    #[test]
    fn the_reasons_are_asked_in_their_order() {
        let (now, some) = (moment(0), Waiting { conversations: 1, ..Waiting::default() });
        let due = |send_empty, expire| Due { send_empty, expire: moment(expire) };
        let nothing = Waiting::default();
        assert_eq!(due(false, 1).outcome(&some, true, now), Outcome::Told);
        assert_eq!(due(false, 1).outcome(&some, false, now), Outcome::NotReachable);
        assert_eq!(due(false, 1).outcome(&nothing, false, now), Outcome::NothingUnread);
        assert_eq!(due(true, 1).outcome(&nothing, true, now), Outcome::Told);
        assert_eq!(due(true, 1).outcome(&nothing, false, now), Outcome::NotReachable);
        assert_eq!(due(true, 0).outcome(&some, true, now), Outcome::Expired);
        assert!(Outcome::ALL.into_iter().all(|outcome| Outcome::from_code(outcome.code()) == Some(outcome)));
        assert_eq!(Outcome::from_code(0), None);
    }

    #[test]
    fn a_slot_is_its_moment_and_its_tenant() {
        let [one, other] = [1, 2].map(Uuid::from_u128);
        assert_eq!(slot_id(one, moment(1)), slot_id(one, moment(1)));
        assert_ne!(slot_id(one, moment(1)), slot_id(one, moment(2)));
        assert_ne!(slot_id(one, moment(1)), slot_id(other, moment(1)));
    }

    proptest! {
        #[test]
        fn nothing_that_somebody_sees_is_left_out_and_nothing_else_is_told(
            waiting in prop::collection::btree_map(organization(), waiting(), 0..6), sight in sight(),
        ) {
            let digest = Digest::of(&sight, &waiting);
            let seen = waiting.iter().filter(|(organization, _)| sight.takes_in(**organization));
            let seen: Vec<&Waiting> = seen.map(|(_, waiting)| waiting).collect();
            prop_assert_eq!(digest.total.conversations, seen.iter().map(|one| one.conversations).sum::<u64>());
            prop_assert_eq!(digest.total.messages, seen.iter().map(|one| one.messages).sum::<u64>());
            prop_assert_eq!(digest.total.unlinked, seen.iter().map(|one| one.unlinked).sum::<u64>());
            prop_assert_eq!(digest.total.put_off, seen.iter().map(|one| one.put_off).sum::<u64>());
            prop_assert_eq!(digest.total.oldest, seen.iter().filter_map(|one| one.oldest).min());
            let told: BTreeMap<_, _> = digest.branches.iter().copied().collect();
            prop_assert_eq!(told.len(), digest.branches.len());
            for (organization, waiting) in &waiting {
                let wanted = (sight.takes_in(*organization) && !waiting.is_nothing()).then_some(waiting);
                prop_assert_eq!(told.get(organization), wanted);
            }
        }

        #[test]
        fn whoever_has_something_waiting_and_can_be_reached_in_time_is_told(
            waiting in waiting(), send_empty in any::<bool>(), reachable in any::<bool>(), late in -5i64..5,
        ) {
            let outcome = Due { send_empty, expire: moment(0) }.outcome(&waiting, reachable, moment(late));
            let told = late < 0 && reachable && (send_empty || !waiting.is_nothing());
            prop_assert_eq!(outcome == Outcome::Told, told);
        }
    }
}
