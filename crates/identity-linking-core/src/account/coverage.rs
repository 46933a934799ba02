//! How many of an account's friends are known here (F-60): friends from before it was connected are told of by nobody until they do
//! something one-on-one (F-59), so that LINE's own figures alone say how many there are
//! (<https://developers.line.biz/en/reference/messaging-api/#get-number-of-followers>).

use chrono::{Days, NaiveDate, NaiveTime, TimeDelta};
use kernel::Timestamp;

/// How far Japan is ahead of UTC; LINE's days are Japan's.
const JAPAN: TimeDelta = TimeDelta::hours(9);

/// LINE's figures at the end of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowerCount {
    /// The day, of Japan's calendar.
    pub day: NaiveDate,
    /// Who ever added the account, each once. Never falls: who blocks it and who left LINE stay in it.
    pub followers: u64,
    /// Who blocks it.
    pub blocks: u64,
}

/// Whom the account knows when LINE is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KnownUsers {
    /// Who was heard to follow, and not to block since.
    pub friends: u64,
    /// Who was seen without a follow being heard of: friends from before, as a rule, and visitors (F-59).
    pub seen: u64,
    /// Those of `friends` who were first heard of after the day of LINE's figures.
    pub came_since: u64,
}

/// How many of an account's friends are known, as of the end of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// LINE's day, of Japan's calendar.
    pub as_of: NaiveDate,
    /// Friends by LINE's figures.
    pub friends: u64,
    /// Friends who are known.
    pub known: u64,
}

impl Coverage {
    /// What LINE's figures of a day and what is known come to.
    ///
    /// Compared is who can be written to: LINE's followers less its blocks, with friends and seen users, less those who came after
    /// the day. LINE's followers alone would count everybody who ever blocked the account as unknown for ever, and without the
    /// seen users a friend from before would stay unknown after writing.
    ///
    /// It is as good as LINE's figures are. Who left LINE stays among the followers, which makes the unknown too many. Visitors who
    /// wrote without adding the account, and who unblocked it after the day, make them too few; who blocked it after the day, too many.
    pub fn of(count: FollowerCount, known: KnownUsers) -> Self {
        Self {
            as_of: count.day,
            friends: count.followers.saturating_sub(count.blocks),
            known: known.friends.saturating_sub(known.came_since).saturating_add(known.seen),
        }
    }

    /// Friends who are not known, never below 0.
    pub fn unknown(&self) -> u64 {
        self.friends.saturating_sub(self.known)
    }

    /// What unknown friends mean and what makes them known, in plain Japanese; none while every friend is known.
    pub fn advice_ja(&self) -> Option<&'static str> {
        (self.unknown() > 0).then_some(ADVICE_JA)
    }

    /// The same in plain English.
    pub fn advice_en(&self) -> Option<&'static str> {
        (self.unknown() > 0).then_some(ADVICE_EN)
    }
}

/// The day LINE is to be asked of at `now`: yesterday in Japan, as LINE counts a day on the next one; none where the figures of that
/// day, or of a later one, are kept.
pub fn day_to_ask(now: Timestamp, kept: Option<NaiveDate>) -> Option<NaiveDate> {
    let yesterday = (now + JAPAN).date_naive().checked_sub_days(Days::new(1))?;
    Some(yesterday).filter(|day| kept.is_none_or(|kept| kept < *day))
}

/// The moment a day of Japan's calendar ends.
pub fn end_of(day: NaiveDate) -> Timestamp {
    let midnight = day.checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX).and_time(NaiveTime::MIN);
    (midnight - JAPAN).and_utc()
}

const ADVICE_JA: &str = "接続する前からの友だちのうち、まだ何も操作していない方は、LINEからどなたなのかが知らされないため、ここには表示されません。\
     メッセージを送る、リッチメニューを押すなどの操作があると、その時点から表示されます。";
const ADVICE_EN: &str = "Friends from before the account was connected do not appear here until they do something: LINE does not tell who \
     they are. Once they send a message or tap the rich menu, they appear.";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn count(followers: u64, blocks: u64) -> FollowerCount {
        FollowerCount { day: day("2026-04-01"), followers, blocks }
    }

    #[test]
    fn friends_from_before_are_unknown_until_they_are_seen() {
        // 100 added the account before it was connected, 10 of them block it; then 5 followed, and 2 more after the day.
        let told = count(105, 10);
        let known = |seen| KnownUsers { friends: 7, seen, came_since: 2 };
        let coverage = Coverage::of(told, known(0));
        assert_eq!((coverage.friends, coverage.known, coverage.unknown()), (95, 5, 90));
        assert_eq!(Coverage::of(told, known(30)).unknown(), 60);
        assert_eq!(Coverage::of(told, known(90)).unknown(), 0);
        // Visitors wrote, too.
        assert_eq!(Coverage::of(told, known(91)).unknown(), 0);
    }

    #[test]
    fn advice_is_given_while_a_friend_is_unknown() {
        let known = KnownUsers { friends: 1, ..KnownUsers::default() };
        let (some, none) = (Coverage::of(count(2, 0), known), Coverage::of(count(1, 0), known));
        assert_eq!((none.advice_ja(), none.advice_en()), (None, None));
        let (ja, en) = (some.advice_ja().unwrap(), some.advice_en().unwrap());
        for (ja_part, en_part) in
            [("ここには表示されません", "do not appear here"), ("リッチメニュー", "tap the rich menu")]
        {
            assert!(ja.contains(ja_part) && en.contains(en_part), "{ja_part} {en_part}");
        }
        assert!(en.is_ascii() && !ja.contains("  ") && !en.contains("  "));
    }

    #[test]
    fn a_day_begins_and_ends_at_midnight_in_japan() {
        assert_eq!(day_to_ask(at("2026-04-02T14:59:59Z"), None), Some(day("2026-04-01")));
        assert_eq!(day_to_ask(at("2026-04-02T15:00:00Z"), None), Some(day("2026-04-02")));
        assert_eq!(end_of(day("2026-04-01")), at("2026-04-01T15:00:00Z"));
    }

    #[test]
    fn a_day_is_asked_of_until_it_is_told_and_no_more() {
        let now = at("2026-04-03T00:00:00Z");
        assert_eq!(day_to_ask(now, Some(day("2026-03-01"))), Some(day("2026-04-02")));
        assert_eq!(day_to_ask(now, Some(day("2026-04-01"))), Some(day("2026-04-02")));
        assert_eq!(day_to_ask(now, Some(day("2026-04-02"))), None);
        assert_eq!(day_to_ask(now, Some(day("2026-04-03"))), None, "the clock went back");
    }

    proptest! {
        #[test]
        fn the_unknown_and_the_known_are_all_friends_unless_more_are_known_than_line_counts(
            followers: u64, blocks: u64, friends: u64, seen: u64, came_since: u64,
        ) {
            let coverage = Coverage::of(count(followers, blocks), KnownUsers { friends, seen, came_since });
            prop_assert!(coverage.friends <= followers && coverage.unknown() <= coverage.friends);
            if coverage.known <= coverage.friends {
                prop_assert_eq!(coverage.known + coverage.unknown(), coverage.friends);
            } else {
                prop_assert_eq!(coverage.unknown(), 0);
            }
            prop_assert_eq!(coverage.advice_ja().is_some(), coverage.unknown() > 0);
        }

        #[test]
        fn whoever_follows_or_blocks_once_heard_of_changes_nothing_about_the_others(
            before in 0..1_000_u64, blocked_before in 0..100_u64, heard in 0..1_000_u64, block in 0..1_000_u64,
            came_since in 0..100_u64,
        ) {
            let (blocked_before, block) = (blocked_before.min(before), block.min(heard));
            let told = count(before + heard, blocked_before + block);
            let known = KnownUsers { friends: heard - block + came_since, seen: 0, came_since };
            prop_assert_eq!(Coverage::of(told, known).unknown(), before - blocked_before);
        }

        #[test]
        fn the_day_asked_of_ended_within_a_day_before_now(seconds in 0..4_000_000_000_i64) {
            let now = Timestamp::from_timestamp(seconds, 0).unwrap();
            let asked = day_to_ask(now, None).unwrap();
            let ended = now - end_of(asked);
            prop_assert!(ended >= chrono::TimeDelta::zero() && ended < chrono::TimeDelta::days(1), "{}", ended);
            prop_assert_eq!(day_to_ask(now, Some(asked)), None);
        }
    }
}
