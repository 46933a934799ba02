//! Taking a link over from another LINE user of the same person: never silent (L-03).

use chrono::TimeDelta;

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
