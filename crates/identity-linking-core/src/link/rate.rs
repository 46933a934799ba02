//! How often somebody may try. What is counted are the attempts themselves, in the database, so that every replica counts alike.

use chrono::TimeDelta;
use kernel::Timestamp;

/// How far apart the clocks of replicas may be.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(1);

/// By what attempts are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RateScope {
    /// By the LINE user who tries.
    LineUser,
    /// By a customer that attempts looked at.
    Customer,
    /// By the first of customers of one name, where more have it than are looked at.
    Namesakes,
    /// By the official account.
    Account,
    /// By the address of the browser.
    Address,
}

/// How many attempts there were in the scope's window, as far as was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// By what.
    pub scope: RateScope,
    /// How many; more than the limit by one is enough to know.
    pub number: u32,
}

impl RateScope {
    /// Every scope.
    pub const ALL: [Self; 5] = [Self::LineUser, Self::Customer, Self::Namesakes, Self::Account, Self::Address];

    /// Most attempts within [`RateScope::window`].
    pub const fn limit(self) -> u32 {
        match self {
            Self::LineUser => 10,
            // Whoever guesses at one record is stopped before the digits of a phone number could be gone through.
            Self::Customer => 30,
            Self::Account => 6_000,
            // Many people have a common name, and many phones share one address of their carrier.
            Self::Namesakes | Self::Address => 120,
        }
    }

    /// How far back attempts are counted.
    pub const fn window(self) -> TimeDelta {
        match self {
            Self::LineUser | Self::Customer | Self::Namesakes => TimeDelta::hours(1),
            Self::Account | Self::Address => TimeDelta::minutes(10),
        }
    }
}

impl RateScope {
    /// Behind which moment attempts count at `now`, and up to which. What is farther ahead was kept while a clock was wrong, and
    /// locks nobody out when it is right again.
    pub fn counted_at(self, now: Timestamp) -> (Timestamp, Timestamp) {
        (now - self.window(), now + CLOCKS_DIFFER)
    }
}

impl Counted {
    /// Whether one more would be too many.
    pub fn is_full(self) -> bool {
        self.number >= self.scope.limit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_itself_is_the_last_one_that_is_taken() {
        for scope in RateScope::ALL {
            assert!(!Counted { scope, number: scope.limit() - 1 }.is_full(), "{scope:?}");
            assert!(Counted { scope, number: scope.limit() }.is_full(), "{scope:?}");
        }
    }

    #[test]
    fn what_was_kept_by_a_clock_ahead_counts_among_replicas_alone() {
        let now = Timestamp::UNIX_EPOCH + TimeDelta::days(1);
        for scope in RateScope::ALL {
            let (from, until) = scope.counted_at(now);
            assert_eq!(now - from, scope.window());
            assert!(until > now + TimeDelta::seconds(5) && until < now + TimeDelta::minutes(2), "{scope:?}");
        }
    }
}
