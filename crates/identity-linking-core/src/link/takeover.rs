//! Taking a link over from another LINE user of the same person: never silent (L-03).

use chrono::TimeDelta;

use super::LinkEndCause;
use crate::matching::Assurance;
use crate::word::words;

/// How long a request waits for somebody.
pub const TAKEOVER_OPEN_FOR: TimeDelta = TimeDelta::days(14);

words! {
    /// Where a request to take a link over stands.
    TakeoverState {
        /// Waits for somebody.
        Open = "OPEN",
        /// The LINE user linked until then confirmed; the link was taken over.
        Confirmed = "CONFIRMED",
        /// Staff approved; the link was taken over.
        Approved = "APPROVED",
        /// The LINE user or staff declined.
        Declined = "DECLINED",
        /// Nobody answered in time.
        Expired = "EXPIRED",
        /// The links changed meanwhile, so that there is nothing to take over any more.
        Obsolete = "OBSOLETE",
    }
}

/// How sure the link is that takes another's place. The LINE user linked until then vouches for the one who asks, which is worth
/// what the old link was; staff make it certain (D-7).
pub fn taken_over(claim: Assurance, before: Assurance, by: TakeoverState) -> Assurance {
    if by == TakeoverState::Approved { Assurance::Proven } else { claim.max(before) }
}

/// Whether somebody who knows said that a LINE user is not a customer: staff, who ended the last link between the two or undid a
/// merge by which they were linked, or the LINE user linked to the customer, or staff, who declined the last request of the one who
/// asks. `last_link`: how the last link between the two ended, and whether such a merge was undone since it began; none: there was
/// none, or it is active. `last_request`: where the last request since that link stands; none: there was none.
pub fn told_apart(last_link: Option<(LinkEndCause, bool)>, last_request: Option<TakeoverState>) -> bool {
    last_link.is_some_and(|(end, undone)| end == LinkEndCause::Staff || undone)
        || last_request == Some(TakeoverState::Declined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staff_and_whoever_declines_tell_two_apart() {
        for end in LinkEndCause::ALL {
            assert_eq!(told_apart(Some((*end, false)), None), *end == LinkEndCause::Staff, "{end:?}");
            assert!(
                told_apart(Some((*end, true)), None),
                "whoever undoes a merge says so, however the link ended: {end:?}"
            );
        }
        for state in TakeoverState::ALL {
            assert_eq!(told_apart(None, Some(*state)), *state == TakeoverState::Declined, "{state:?}");
        }
        assert!(!told_apart(None, None));
    }

    #[test]
    fn a_link_that_is_taken_over_is_as_sure_as_the_surer_side_and_staff_make_it_certain() {
        for claim in Assurance::ALL {
            for before in Assurance::ALL {
                assert_eq!(taken_over(*claim, *before, TakeoverState::Approved), Assurance::Proven);
                assert_eq!(taken_over(*claim, *before, TakeoverState::Confirmed), *claim.max(before));
            }
        }
    }
}
