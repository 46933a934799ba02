//! A timer: something to be said at one moment, and what becomes of it if that moment has passed.

use kernel::Timestamp;

use crate::{Key, LateFor, Owner};

/// One moment an owner wants to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer {
    /// Who hears of it.
    pub owner: Owner,
    /// Which of the owner's it is.
    pub key: Key,
    /// Which of its versions; see [`crate::generation`].
    pub generation: i64,
    /// The moment; never said before it by the database's clock.
    pub due: Timestamp,
    /// What happens when it could not be said in time.
    pub policy: LatePolicy,
}

/// What becomes of a timer whose moment passed while nobody could say it. Whatever it is, what is not said is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LatePolicy {
    /// It is said, however late.
    Late,
    /// It is said so late; later its owner is told that it was missed.
    LateUpTo(LateFor),
    /// It is said so late; later nobody is told.
    Skip {
        /// Until when it is not skipped.
        after: LateFor,
    },
    /// Of those of its owner that are due together and merge into the same key, the last one in time is said in place of all;
    /// if none is in time, their owner is told that they were missed.
    Merge {
        /// What they have in common.
        into: Key,
        /// How late it is said.
        up_to: LateFor,
    },
}

impl Default for LatePolicy {
    /// Up to an hour late.
    fn default() -> Self {
        Self::LateUpTo(LateFor::HOUR)
    }
}

impl LatePolicy {
    /// The policy's number in the table.
    #[must_use]
    pub const fn code(&self) -> i16 {
        match self {
            Self::Late => 1,
            Self::LateUpTo(_) => 2,
            Self::Skip { .. } => 3,
            Self::Merge { .. } => 4,
        }
    }

    /// The policy that was kept as a number, a lateness and the key to merge into. What no version of this code wrote is said however
    /// late: nothing gets lost by it.
    #[must_use]
    pub fn from_code(code: i16, late_for: LateFor, merge: Option<Key>) -> Self {
        match (code, merge) {
            (2, _) => Self::LateUpTo(late_for),
            (3, _) => Self::Skip { after: late_for },
            (4, Some(into)) => Self::Merge { into, up_to: late_for },
            _ => Self::Late,
        }
    }

    /// How late it is said; none where there is no limit.
    #[must_use]
    pub const fn late_for(&self) -> Option<LateFor> {
        match self {
            Self::Late => None,
            Self::LateUpTo(late_for) | Self::Skip { after: late_for } | Self::Merge { up_to: late_for, .. } => {
                Some(*late_for)
            }
        }
    }

    /// The key it merges into, if it merges.
    #[must_use]
    pub const fn merges_into(&self) -> Option<&Key> {
        match self {
            Self::Merge { into, .. } => Some(into),
            Self::Late | Self::LateUpTo(_) | Self::Skip { .. } => None,
        }
    }

    /// Whether the owner is told of a timer that was too late.
    #[must_use]
    pub const fn tells_of_misses(&self) -> bool {
        !matches!(self, Self::Skip { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_come_back_from_what_is_kept() {
        let (late_for, into) = (LateFor::hours(3), Key::parse("stock").unwrap());
        for policy in [
            LatePolicy::Late,
            LatePolicy::default(),
            LatePolicy::LateUpTo(late_for),
            LatePolicy::Skip { after: late_for },
            LatePolicy::Merge { into: into.clone(), up_to: late_for },
        ] {
            let kept = policy.late_for().unwrap_or(LateFor::HOUR);
            assert_eq!(LatePolicy::from_code(policy.code(), kept, policy.merges_into().cloned()), policy);
        }
        assert_eq!(LatePolicy::from_code(9, late_for, Some(into)), LatePolicy::Late);
        assert_eq!(LatePolicy::from_code(4, late_for, None), LatePolicy::Late);
    }
}
