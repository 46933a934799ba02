//! Where a message stands.
//!
//! ```text
//! inbound    RECEIVED ──unsend──▶ UNSENT
//! outbound   SCHEDULED ──its time──▶ QUEUED | REFUSED;  ──staff──▶ CANCELLED
//!            QUEUED ──lane──▶ SENDING ──▶ ACCEPTED | REFUSED | UNCERTAIN ──staff──▶ SETTLED_ARRIVED | SETTLED_LOST
//!               ▲  └─staff─▶ CANCELLED      │
//!               ├──── retry later ──────────┤
//!            WAITING_FOR_QUOTA ◀────────────┘
//! ```

/// Where a message stands. The codes are those of `tsunagi.messaging.v1.MessageState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageState {
    /// Inbound, kept.
    Received,
    /// Inbound, taken back by its writer; has no content any more.
    Unsent,
    /// Waits for its lane.
    Queued,
    /// Frozen, and being given to LINE.
    Sending,
    /// LINE accepted it.
    Accepted,
    /// LINE refused it for good.
    Refused,
    /// LINE may have accepted it; nobody can find out.
    Uncertain,
    /// Taken back before it left.
    Cancelled,
    /// The month's quota is used up or reserved.
    WaitingForQuota,
    /// Was uncertain; somebody saw that it arrived.
    SettledArrived,
    /// Was uncertain; somebody saw that it did not arrive.
    SettledLost,
    /// Waits for the time it was written for.
    Scheduled,
}

impl MessageState {
    /// Every state.
    pub const ALL: [Self; 12] = [
        Self::Received,
        Self::Unsent,
        Self::Queued,
        Self::Sending,
        Self::Accepted,
        Self::Refused,
        Self::Uncertain,
        Self::Cancelled,
        Self::WaitingForQuota,
        Self::SettledArrived,
        Self::SettledLost,
        Self::Scheduled,
    ];

    /// Outbound states that somebody must look at.
    pub const FOR_ATTENTION: [Self; 3] = [Self::Refused, Self::Uncertain, Self::WaitingForQuota];
    /// Outbound states that have a reason, for which LINE's words are kept.
    pub const WITH_FAILURE: [Self; 5] =
        [Self::Refused, Self::Uncertain, Self::WaitingForQuota, Self::SettledArrived, Self::SettledLost];

    /// The state's number, as the proto has it and the tables keep it.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Received => 1,
            Self::Unsent => 2,
            Self::Queued => 3,
            Self::Sending => 4,
            Self::Accepted => 5,
            Self::Refused => 6,
            Self::Uncertain => 7,
            Self::Cancelled => 8,
            Self::WaitingForQuota => 9,
            Self::SettledArrived => 10,
            Self::SettledLost => 11,
            Self::Scheduled => 12,
        }
    }

    /// The state of that number.
    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// The state's name, as the proto's value without its prefix.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Received => "RECEIVED",
            Self::Unsent => "UNSENT",
            Self::Queued => "QUEUED",
            Self::Sending => "SENDING",
            Self::Accepted => "ACCEPTED",
            Self::Refused => "REFUSED",
            Self::Uncertain => "UNCERTAIN",
            Self::Cancelled => "CANCELLED",
            Self::WaitingForQuota => "WAITING_FOR_QUOTA",
            Self::SettledArrived => "SETTLED_ARRIVED",
            Self::SettledLost => "SETTLED_LOST",
            Self::Scheduled => "SCHEDULED",
        }
    }

    /// Whether a message that stands here, whose requests so far were all definitely not accepted, may be taken back.
    /// `in_doubt`: an earlier attempt's outcome is unknown, so it may be on the user's phone already.
    #[must_use]
    pub const fn can_be_cancelled(self, in_doubt: bool) -> bool {
        matches!(self, Self::Queued | Self::WaitingForQuota | Self::Scheduled) && !in_doubt
    }

    /// The state after somebody looked whether an uncertain message arrived; none where there is nothing to settle. Saying
    /// the same again changes nothing.
    #[must_use]
    pub fn settled(self, arrived: bool) -> Option<Self> {
        let to = if arrived { Self::SettledArrived } else { Self::SettledLost };
        (self == Self::Uncertain || self == to).then_some(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_distinct_and_codes_come_back() {
        for state in MessageState::ALL {
            assert_eq!(MessageState::from_code(state.code()), Some(state));
            assert_eq!(MessageState::ALL.iter().filter(|other| other.name() == state.name()).count(), 1);
        }
        assert_eq!(MessageState::from_code(0), None);
    }

    #[test]
    fn only_what_surely_has_not_left_can_be_cancelled() {
        let cancellable: Vec<_> = MessageState::ALL.into_iter().filter(|s| s.can_be_cancelled(false)).collect();
        assert_eq!(cancellable, [MessageState::Queued, MessageState::WaitingForQuota, MessageState::Scheduled]);
        assert!(!MessageState::Queued.can_be_cancelled(true));
    }

    #[test]
    fn only_the_uncertain_is_settled_and_only_once() {
        assert_eq!(MessageState::Uncertain.settled(true), Some(MessageState::SettledArrived));
        assert_eq!(MessageState::SettledArrived.settled(true), Some(MessageState::SettledArrived));
        assert_eq!(MessageState::SettledArrived.settled(false), None);
        assert_eq!(MessageState::Accepted.settled(true), None);
    }
}
