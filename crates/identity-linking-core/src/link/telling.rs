//! Who told what is on a record, as far as is known (D-7). A record that a LINE user made is his for certain as long as it holds
//! nothing but what he told; what a stranger of the same name and number books may be on it, too.

use kernel::FriendId;

use super::Link;
use crate::matching::Assurance;
use crate::word::words;

words! {
    /// Whether the LINE user with whose form token something was submitted did so himself: LINE alone says (L-04).
    Telling {
        /// LINE is still to say.
        Waiting = "WAITING",
        /// He did.
        Confirmed = "CONFIRMED",
        /// LINE named another, nobody, or nothing came: somebody did.
        Refuted = "REFUTED",
    }
}

impl Telling {
    /// After it was submitted once more with a form token of his that is good.
    #[must_use]
    pub fn again(self) -> Self {
        if self == Self::Refuted { Self::Waiting } else { self }
    }

    /// After LINE did not confirm an attempt with it. What it confirmed before stays: whoever leaves LINE's dialog and comes again
    /// is no stranger.
    #[must_use]
    pub fn refused(self) -> Self {
        if self == Self::Confirmed { self } else { Self::Refuted }
    }
}

/// Who told something that was submitted with the form token of `friend`, where there was a good one; none: nobody knows.
pub fn teller(friend: Option<FriendId>, telling: Telling) -> Option<FriendId> {
    friend.filter(|_| telling != Telling::Refuted)
}

impl Link {
    /// Whether nothing but the LINE user's own word makes it certain: he made the record, or took the place of one who did, and no
    /// staff vouched for it.
    fn is_proven_by_own_word(&self) -> bool {
        self.is_active() && self.assurance == Assurance::Proven && self.note.is_none()
    }

    /// The link after something that `teller` told came to be on its customer's record by name and number alone. It is not certain
    /// any more, where that was not its own LINE user; staff can vouch for it.
    #[must_use]
    pub fn told_by(self, teller: Option<FriendId>) -> Self {
        if teller == Some(self.friend) || !self.is_proven_by_own_word() {
            return self;
        }
        Self { assurance: Assurance::NameAndMobile, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{LinkEndCause, LinkOrigin, note};
    use kernel::Timestamp;
    use proptest::prelude::*;
    use proptest::sample::select;
    use uuid::Uuid;

    fn friend(n: u128) -> FriendId {
        Uuid::from_u128(n).into()
    }

    #[test]
    fn what_line_confirmed_stays_and_what_it_did_not_waits_until_it_comes_again() {
        use Telling::{Confirmed, Refuted, Waiting};
        for (before, again, refused) in
            [(Waiting, Waiting, Refuted), (Confirmed, Confirmed, Confirmed), (Refuted, Waiting, Refuted)]
        {
            assert_eq!((before.again(), before.refused()), (again, refused), "{before:?}");
        }
        assert_eq!(
            [Waiting, Confirmed, Refuted].map(|told| teller(Some(friend(1)), told)),
            [Some(friend(1)), Some(friend(1)), None]
        );
        assert!(Telling::ALL.iter().all(|told| teller(None, *told).is_none()));
    }

    proptest! {
        #[test]
        fn only_a_strangers_word_lowers_a_link_and_only_one_that_stands_on_its_own_users_word(
            assurance in select(Assurance::ALL), origin in select(LinkOrigin::ALL), vouched: bool, ended: bool,
            by in proptest::option::of(1u128..3),
        ) {
            let id = Uuid::from_u128(7);
            let link = Link {
                customer: id.into(),
                friend: friend(1),
                provider: id.into(),
                assurance,
                origin,
                end: None,
                note: vouched.then(|| note("来店時に確認").unwrap()),
            };
            let link = if ended { link.ended(Timestamp::UNIX_EPOCH, LinkEndCause::LineUser, None) } else { link };
            let told = link.clone().told_by(by.map(friend));
            let is_lowered = assurance == Assurance::Proven && !vouched && !ended && by != Some(1);
            let expected = if is_lowered { Assurance::NameAndMobile } else { assurance };
            prop_assert_eq!(&told, &Link { assurance: expected, ..link });
            // Staff make it certain again, and no stranger's word changes that.
            let confirmed = told.confirmed(note("来店時に確認").unwrap());
            prop_assert_eq!(confirmed.clone().told_by(None), confirmed);
        }
    }
}
