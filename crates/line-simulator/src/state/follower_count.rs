//! Who added the account and who blocks it, counted by day as LINE's statistics do.
//!
//! <https://developers.line.biz/en/reference/messaging-api/#get-number-of-followers>

use std::collections::BTreeMap;

/// The first day of LINE's statistics, written `yyyyMMdd`.
pub(crate) const FIRST_DAY: &str = "20161101";

/// What changed on each day, written `yyyyMMdd`; friends from before have none, which comes before every day.
#[derive(Clone, Debug, Default)]
pub(crate) struct FollowerDays(BTreeMap<String, Count>);

/// Followers and blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Who ever added the account, each once: nobody leaves it.
    pub(crate) followers: u64,
    blocked: u64,
    unblocked: u64,
}

impl Count {
    /// Who blocks the account.
    pub(crate) fn blocks(self) -> u64 {
        self.blocked.saturating_sub(self.unblocked)
    }

    /// Who can be reached: everybody who added the account and does not block it is certain enough here.
    pub(crate) fn reaches(self) -> u64 {
        self.followers.saturating_sub(self.blocks())
    }
}

impl FollowerDays {
    /// Somebody adds the account for the first time.
    pub(crate) fn added(&mut self, day: &str) {
        self.on(day).followers += 1;
    }

    /// Somebody blocks it.
    pub(crate) fn blocked(&mut self, day: &str) {
        self.on(day).blocked += 1;
    }

    /// Somebody no longer does.
    pub(crate) fn unblocked(&mut self, day: &str) {
        self.on(day).unblocked += 1;
    }

    /// How things stand at the end of a day.
    pub(crate) fn at_end_of(&self, day: &str) -> Count {
        let until = self.0.range(..=day.to_owned()).map(|(_, change)| change);
        until.fold(Count::default(), |sum, change| Count {
            followers: sum.followers + change.followers,
            blocked: sum.blocked + change.blocked,
            unblocked: sum.unblocked + change.unblocked,
        })
    }

    fn on(&mut self, day: &str) -> &mut Count {
        self.0.entry(day.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn followers_never_fall_and_blocks_do() {
        let mut days = FollowerDays::default();
        days.added("");
        days.added("20260401");
        days.blocked("20260402");
        days.unblocked("20260404");
        let at = |day| {
            let count = days.at_end_of(day);
            (count.followers, count.blocks(), count.reaches())
        };
        assert_eq!(at("20260331"), (1, 0, 1));
        assert_eq!(at("20260401"), (2, 0, 2));
        assert_eq!(at("20260403"), (2, 1, 1));
        assert_eq!(at("20260404"), (2, 0, 2));
    }
}
