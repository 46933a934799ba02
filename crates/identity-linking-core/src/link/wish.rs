//! What a LINE user last wished, by LINE's clock: to be linked, or not to be. The later wish holds, whichever is heard first.

use chrono::TimeDelta;
use kernel::Timestamp;

/// How far our clock may be ahead of LINE's. Nobody ends a link and begins another within it.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::seconds(5);

/// When a LINE user last confirmed a link in LINE's dialog, and last ended one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// The last confirmation that a link began with; none: never.
    pub confirmed: Option<Timestamp>,
    /// The last end; none: never.
    pub unlinked: Option<Timestamp>,
}

impl Wishes {
    /// With a confirmation heard of.
    #[must_use]
    pub fn with_confirmation(self, time: Timestamp) -> Self {
        Self { confirmed: self.confirmed.max(Some(time)), ..self }
    }

    /// With an end heard of.
    #[must_use]
    pub fn with_unlink(self, time: Timestamp) -> Self {
        Self { unlinked: self.unlinked.max(Some(time)), ..self }
    }

    /// When the user ended what link there was, if that was after `time`: what was asked for by then is not wanted any more.
    pub fn unlinked_after(self, time: Timestamp) -> Option<Timestamp> {
        self.unlinked.filter(|unlinked| *unlinked > time)
    }

    /// Whether the user had ended a link by `time`: whoever has is neither asked nor registered by a message.
    pub fn had_unlinked_by(self, time: Timestamp) -> bool {
        self.unlinked.is_some_and(|unlinked| unlinked <= time)
    }

    /// Whether the user who ended a link at `told_time` meant the one that is wished since `since`. It may have been confirmed again
    /// later. Where LINE told no time of the wish, `since` is when it was submitted, by our clock, which may be ahead by five seconds.
    pub fn mean(self, since: Timestamp, told_time: Timestamp) -> bool {
        self.confirmed.is_none_or(|confirmed| confirmed <= told_time) && since <= told_time + CLOCKS_DIFFER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn the_later_wish_holds() {
        let wishes = Wishes::default().with_unlink(at(20)).with_confirmation(at(30));
        assert_eq!(wishes, Wishes { confirmed: Some(at(30)), unlinked: Some(at(20)) });
        assert_eq!(wishes.with_unlink(at(19)).with_confirmation(at(29)), wishes, "an earlier one heard of later");
        assert_eq!((wishes.unlinked_after(at(19)), wishes.unlinked_after(at(20))), (Some(at(20)), None));
        assert!(wishes.had_unlinked_by(at(20)) && !wishes.had_unlinked_by(at(19)));
        assert!(!wishes.mean(at(0), at(29)) && wishes.mean(at(0), at(30)));
        assert_eq!((Wishes::default().unlinked_after(at(0)), Wishes::default().had_unlinked_by(at(9))), (None, false));
    }

    #[test]
    fn a_link_of_our_own_clock_is_meant_though_that_is_a_little_ahead() {
        assert!(Wishes::default().mean(at(105), at(100)));
        assert!(!Wishes::default().mean(at(106), at(100)));
    }
}
