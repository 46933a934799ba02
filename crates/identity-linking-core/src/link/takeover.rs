//! Taking a link over from another LINE user of the same person: never silent (L-03).

use chrono::TimeDelta;

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

#[cfg(test)]
mod tests {
    use super::*;

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
