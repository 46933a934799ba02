//! Notices to staff (F-70, F-71): what they are about, by which channels they reach somebody, and where each of those stands.

pub mod attempt;
pub mod channel;
pub mod former;
pub mod recipient;
pub mod reply;
pub mod text;

use chrono::TimeDelta;
use kernel::Timestamp;
use uuid::Uuid;

/// What a notice is about. The codes are those of `tsunagi.messaging.v1.NoticeKind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NoticeKind {
    /// What waits in the conversations of a staff member (F-27).
    Digest,
    /// Somebody became a friend, or came back after a day or more.
    FriendAdded,
    /// A link attempt waits for somebody to settle it.
    LinkHeld,
    /// Somebody asks to take over a customer's link.
    TakeoverRequested,
    /// LINE's own chat is on (F-37).
    ChatModeOn,
    /// A reply that staff wrote did not go, or nobody can find out whether it did.
    MessageFailed,
}

impl NoticeKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Digest,
        Self::FriendAdded,
        Self::LinkHeld,
        Self::TakeoverRequested,
        Self::ChatModeOn,
        Self::MessageFailed,
    ];

    /// The kind's number, as the proto has it.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Digest => 1,
            Self::FriendAdded => 2,
            Self::LinkHeld => 3,
            Self::TakeoverRequested => 4,
            Self::ChatModeOn => 5,
            Self::MessageFailed => 6,
        }
    }

    /// The kind of that number.
    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The kind's name, as the proto's value without its prefix.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Digest => "DIGEST",
            Self::FriendAdded => "FRIEND_ADDED",
            Self::LinkHeld => "LINK_HELD",
            Self::TakeoverRequested => "TAKEOVER_REQUESTED",
            Self::ChatModeOn => "CHAT_MODE_ON",
            Self::MessageFailed => "MESSAGE_FAILED",
        }
    }
}

/// How long a notice of what happened is worth telling, from when it happened.
pub const WORTH_TELLING: TimeDelta = TimeDelta::hours(24);

/// How long the profile of whom a notice is about is waited for: a new friend's is asked of LINE when it is told of the friend, and LINE
/// has none of somebody who blocked the account meanwhile.
pub const NAME_PATIENCE: TimeDelta = TimeDelta::seconds(10);

/// Whether a notice that was asked for at `said` still waits for the name of its LINE user at `now`. A time far ahead of ours is that
/// of a clock gone wrong, and nothing is waited for by it.
#[must_use]
pub fn waits_for_name(said: Timestamp, now: Timestamp) -> bool {
    now.signed_duration_since(said).abs() < NAME_PATIENCE
}

/// The notice that tells `staff` of a matter: the same for the same two, so that a repeated event tells nobody twice.
#[must_use]
pub fn id_for(matter: Uuid, staff: Uuid) -> Uuid {
    Uuid::new_v5(&matter, staff.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_distinct_and_codes_come_back() {
        for kind in NoticeKind::ALL {
            assert_eq!(NoticeKind::from_code(kind.code()), Some(kind));
            assert_eq!(NoticeKind::ALL.iter().filter(|other| other.name() == kind.name()).count(), 1);
        }
        assert_eq!(NoticeKind::from_code(0), None);
    }

    #[test]
    fn a_name_is_waited_for_ten_seconds_whatever_a_clock_shows() {
        let said = Timestamp::from_timestamp(1_700_000_000, 0).unwrap();
        let after = |seconds| waits_for_name(said, said + TimeDelta::seconds(seconds));
        assert!(after(0) && after(9) && after(-9));
        assert!(!after(10) && !after(86_400) && !after(-86_400));
    }

    #[test]
    fn one_matter_is_one_notice_for_each_of_the_staff() {
        let [matter, other, first, second] = [1, 2, 3, 4].map(Uuid::from_u128);
        assert_eq!(id_for(matter, first), id_for(matter, first));
        assert_ne!(id_for(matter, first), id_for(matter, second));
        assert_ne!(id_for(matter, first), id_for(other, first));
    }
}
