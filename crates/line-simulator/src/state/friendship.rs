//! How one person stands to one official account, and what that means for messages and the profile.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// A non-friend who wrote is reachable by push for this long.
const REACHABLE_AFTER_WRITING: TimeDelta = TimeDelta::days(7);

/// One person and one account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Friendship {
    pub(crate) added: bool,
    pub(crate) blocked: bool,
    /// When the person last wrote one-on-one.
    pub(crate) wrote_at: Option<DateTime<Utc>>,
}

/// What became of one recipient of an accepted message. A client never learns this from LINE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Shown to the person, and counted.
    Delivered,
    /// The person blocked the account: not delivered, not counted.
    Blocked,
    /// Not a friend, and no message of theirs gives the account leave: not delivered, not counted.
    NotAFriend,
    /// The LINE account no longer exists: not delivered, not counted.
    NoAccount,
}

impl Friendship {
    pub(crate) fn is_friend(&self) -> bool {
        self.added && !self.blocked
    }

    /// What becomes of a push (`one_to_one`) or a multicast (otherwise) now.
    pub(crate) fn fate(&self, now: DateTime<Utc>, one_to_one: bool) -> Fate {
        let wrote_lately = self.wrote_at.is_some_and(|at| now - at <= REACHABLE_AFTER_WRITING);
        match (self.blocked, self.added) {
            (true, _) => Fate::Blocked,
            (false, true) => Fate::Delivered,
            (false, false) if one_to_one && wrote_lately => Fate::Delivered,
            (false, false) => Fate::NotAFriend,
        }
    }

    /// Whether the profile may be read: friends, and others who wrote; never blockers.
    pub(crate) fn shows_profile(&self) -> bool {
        !self.blocked && (self.added || self.wrote_at.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_who_wrote_is_reached_by_push_for_seven_days_and_never_by_multicast() {
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let stranger = Friendship { wrote_at: Some(start), ..Friendship::default() };
        assert_eq!(stranger.fate(start + TimeDelta::days(7), true), Fate::Delivered);
        assert_eq!(stranger.fate(start + TimeDelta::days(7) + TimeDelta::seconds(1), true), Fate::NotAFriend);
        assert_eq!(stranger.fate(start, false), Fate::NotAFriend);
    }

    #[test]
    fn a_blocker_gets_nothing_and_hides_the_profile() {
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let blocker = Friendship { added: true, blocked: true, wrote_at: Some(start) };
        assert_eq!(blocker.fate(start, true), Fate::Blocked);
        assert!(!blocker.shows_profile());
    }
}
