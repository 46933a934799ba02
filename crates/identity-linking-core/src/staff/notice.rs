//! What staff are to hear of (F-70), and what is news. Whose staff that are, [`crate::visibility`] tells: whoever hears of something
//! sees it.

use chrono::TimeDelta;
use kernel::Timestamp;

use crate::friendship::Turn;
use crate::word::words;

words! {
    /// What a notice to staff is about.
    NoticeKind {
        /// Somebody added the official account as a friend, or came back after [`QUIET_FOR`].
        FriendAdded = "FRIEND_ADDED",
        /// A link attempt is held.
        LinkHeld = "LINK_HELD",
        /// Somebody asks to take over a customer's link.
        TakeoverRequested = "TAKEOVER_REQUESTED",
        /// LINE's own chat is on.
        ChatModeOn = "CHAT_MODE_ON",
    }
}

/// How long staff hear nothing more of one LINE user who does the same again: blocks an account and unblocks it, sends one form after
/// the other while the first waits for them. It costs him nothing, and each time they hear of it is a push to every one of them out of
/// the month's quota.
pub const QUIET_FOR: TimeDelta = TimeDelta::days(1);

/// Whether staff hear of a follow at `at`. `before`: the latest follow or unfollow of the friendship that was heard of until then.
pub fn is_news(before: Option<&Turn>, at: Timestamp) -> bool {
    before.is_none_or(|before| at.signed_duration_since(before.at) >= QUIET_FOR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::friendship::{Friendship, Seen, Sign};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn however_often_somebody_goes_and_comes_it_is_news_once_a_day(pauses in prop::collection::vec(1i64..100_000, 1..60)) {
            let (mut at, mut news) = (Timestamp::UNIX_EPOCH, Vec::new());
            let mut known: Option<Friendship> = None;
            for (number, pause) in pauses.into_iter().enumerate() {
                at += TimeDelta::seconds(pause);
                let sign = if number % 2 == 0 { Sign::Follow } else { Sign::Unfollow };
                let seen = Seen { sign, at, event_id: number.to_string() };
                if sign == Sign::Follow && is_news(known.as_ref().and_then(|known| known.turn.as_ref()), at) {
                    news.push(at);
                }
                known = Some(known.map_or_else(|| Friendship::begin(&seen), |known| known.fold(&seen)));
            }
            prop_assert_eq!(news.len().min(1), 1, "the first follow is");
            prop_assert!(news.windows(2).all(|pair| pair[1] - pair[0] >= QUIET_FOR));
        }
    }

    #[test]
    fn who_was_away_for_a_day_is_news_again() {
        let left = Turn { at: Timestamp::UNIX_EPOCH, event_id: "1".to_owned(), follow: false };
        assert!(!is_news(Some(&left), left.at + QUIET_FOR - TimeDelta::milliseconds(1)));
        assert!(is_news(Some(&left), left.at + QUIET_FOR));
        assert!(is_news(None, left.at));
    }
}
