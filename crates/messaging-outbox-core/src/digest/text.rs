//! A digest's words, Japanese first and English second. They hold numbers and the names of branches, never a customer's name or what
//! somebody wrote: they go to mail boxes and lock screens.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{NaiveDateTime, TimeDelta, Timelike as _};
use kernel::{OrganizationId, Timestamp};

use super::{Digest, Waiting};

/// Branches that are listed at most.
const MOST_BRANCHES: usize = 15;
/// The longest part of a branch's name that is shown, in characters.
const LONGEST_NAME: usize = 24;

/// A slot's wall-clock time in its tenant's zone, as `2026-11-23T08:00` says it.
#[must_use]
pub fn local_time(text: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").ok()
}

/// The title of the digest of the slot that comes at `local`.
#[must_use]
pub fn title(local: NaiveDateTime) -> String {
    let (hour, minute) = (local.hour(), local.minute());
    format!("未読のお知らせ（{hour}:{minute:02}）/ Unread at {hour}:{minute:02}")
}

/// What the digest says; `names`: what organizations are called, as far as it is known.
#[must_use]
pub fn body(digest: &Digest, names: &BTreeMap<OrganizationId, String>, now: Timestamp) -> String {
    let mut text = String::new();
    Japanese.write(&mut text, digest, names, now);
    text.push('\n');
    English.write(&mut text, digest, names, now);
    text.trim_end().to_owned()
}

/// How long the oldest waits, in the greatest unit that says it well.
enum Wait {
    Minutes(i64),
    Hours(i64),
    Days(i64),
}

impl Wait {
    fn of(waiting: &Waiting, now: Timestamp) -> Option<Self> {
        let since = (now - waiting.oldest?).max(TimeDelta::zero());
        Some(match (since.num_minutes(), since.num_hours()) {
            (minutes @ ..60, _) => Self::Minutes(minutes.max(1)),
            (_, hours @ ..48) => Self::Hours(hours),
            _ => Self::Days(since.num_days()),
        })
    }
}

/// A branch's name on one line.
fn name(organization: OrganizationId, names: &BTreeMap<OrganizationId, String>) -> Option<String> {
    let name: String = names.get(&organization)?.chars().filter(|c| !c.is_control()).collect();
    let name = name.trim();
    let cut = name.char_indices().nth(LONGEST_NAME).map(|(at, _)| format!("{}…", &name[..at]));
    Some(cut.unwrap_or_else(|| name.to_owned())).filter(|name| !name.is_empty())
}

/// What a language says.
trait Words {
    fn nothing(&self) -> &'static str;
    fn conversations(&self, count: u64) -> String;
    fn messages(&self, count: u64) -> String;
    fn unlinked(&self, count: u64) -> String;
    fn put_off(&self, count: u64) -> String;
    fn longest_wait(&self, wait: &Wait) -> String;
    fn by_branch(&self) -> &'static str;
    fn branch(&self, name: &str, conversations: u64, put_off: u64) -> String;
    fn nobodys(&self) -> &'static str;
    fn unnamed(&self) -> &'static str;
    fn more(&self, branches: usize) -> String;

    fn write(&self, text: &mut String, digest: &Digest, names: &BTreeMap<OrganizationId, String>, now: Timestamp) {
        let total = &digest.total;
        if total.is_nothing() {
            line(text, self.nothing());
            return;
        }
        line(text, &self.conversations(total.conversations));
        for (count, says) in [
            (total.messages, self.messages(total.messages)),
            (total.unlinked, self.unlinked(total.unlinked)),
            (total.put_off, self.put_off(total.put_off)),
        ] {
            if count > 0 {
                line(text, &says);
            }
        }
        if let Some(wait) = Wait::of(total, now) {
            line(text, &self.longest_wait(&wait));
        }
        // Of one branch the total says it all, unless nobody is responsible.
        if digest.branches.len() > 1 || digest.branches.iter().any(|(organization, _)| organization.is_none()) {
            line(text, self.by_branch());
            for (organization, waiting) in digest.branches.iter().take(MOST_BRANCHES) {
                let name = match organization {
                    None => self.nobodys().to_owned(),
                    Some(organization) => name(*organization, names).unwrap_or_else(|| self.unnamed().to_owned()),
                };
                line(text, &self.branch(&name, waiting.conversations, waiting.put_off));
            }
            let more = digest.branches.len().saturating_sub(MOST_BRANCHES);
            if more > 0 {
                line(text, &self.more(more));
            }
        }
    }
}

fn line(text: &mut String, line: &str) {
    let _ = writeln!(text, "{line}");
}

struct Japanese;

impl Words for Japanese {
    fn nothing(&self) -> &'static str {
        "お待ちのトークはありません。"
    }

    fn conversations(&self, count: u64) -> String {
        format!("お待ちのトーク: {count}件")
    }

    fn messages(&self, count: u64) -> String {
        format!("　未読メッセージ: {count}件")
    }

    fn unlinked(&self, count: u64) -> String {
        format!("　顧客と未連携の方: {count}件")
    }

    fn put_off(&self, count: u64) -> String {
        format!("　後で通知: {count}件")
    }

    fn longest_wait(&self, wait: &Wait) -> String {
        match wait {
            Wait::Minutes(minutes) => format!("　最長の待ち時間: {minutes}分"),
            Wait::Hours(hours) => format!("　最長の待ち時間: {hours}時間"),
            Wait::Days(days) => format!("　最長の待ち時間: {days}日"),
        }
    }

    fn by_branch(&self) -> &'static str {
        "店舗別:"
    }

    fn branch(&self, name: &str, conversations: u64, put_off: u64) -> String {
        if put_off > 0 {
            format!("・{name}: {conversations}件（後で通知 {put_off}件）")
        } else {
            format!("・{name}: {conversations}件")
        }
    }

    fn nobodys(&self) -> &'static str {
        "担当店舗なし"
    }

    fn unnamed(&self) -> &'static str {
        "店舗名不明"
    }

    fn more(&self, branches: usize) -> String {
        format!("・ほか{branches}店舗")
    }
}

struct English;

impl Words for English {
    fn nothing(&self) -> &'static str {
        "No chats are waiting."
    }

    fn conversations(&self, count: u64) -> String {
        format!("Chats waiting: {count}")
    }

    fn messages(&self, count: u64) -> String {
        format!("  unread messages: {count}")
    }

    fn unlinked(&self, count: u64) -> String {
        format!("  not linked to a customer: {count}")
    }

    fn put_off(&self, count: u64) -> String {
        format!("  put off: {count}")
    }

    fn longest_wait(&self, wait: &Wait) -> String {
        match wait {
            Wait::Minutes(minutes) => format!("  longest wait: {minutes} min"),
            Wait::Hours(hours) => format!("  longest wait: {hours} h"),
            Wait::Days(days) => format!("  longest wait: {days} days"),
        }
    }

    fn by_branch(&self) -> &'static str {
        "By branch:"
    }

    fn branch(&self, name: &str, conversations: u64, put_off: u64) -> String {
        if put_off > 0 {
            format!("- {name}: {conversations} (put off: {put_off})")
        } else {
            format!("- {name}: {conversations}")
        }
    }

    fn nobodys(&self) -> &'static str {
        "no branch responsible"
    }

    fn unnamed(&self) -> &'static str {
        "a branch without a name"
    }

    fn more(&self, branches: usize) -> String {
        format!("- and {branches} more")
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{moment, organization, waiting};
    use super::*;
    use kernel::Sight;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn branch(number: u128) -> OrganizationId {
        Uuid::from_u128(number).into()
    }

    fn digest(of: &[(Option<OrganizationId>, Waiting)]) -> Digest {
        Digest::of(&Sight::Everything, &of.iter().copied().collect())
    }

    #[test]
    fn an_administrator_reads_what_waits_where() {
        let one = Waiting { conversations: 3, messages: 7, unlinked: 2, put_off: 1, oldest: Some(moment(-13 * 3_600)) };
        let two = Waiting { conversations: 1, messages: 2, oldest: Some(moment(-60)), ..Waiting::default() };
        let names = [(branch(1), "渋谷店".to_owned())].into();
        let body = body(&digest(&[(Some(branch(1)), one), (None, two)]), &names, moment(0));
        assert_eq!(
            body,
            "お待ちのトーク: 4件\n　未読メッセージ: 9件\n　顧客と未連携の方: 2件\n　後で通知: 1件\n　最長の待ち時間: 13時間\n\
             店舗別:\n・渋谷店: 3件（後で通知 1件）\n・担当店舗なし: 1件\n\n\
             Chats waiting: 4\n  unread messages: 9\n  not linked to a customer: 2\n  put off: 1\n  longest wait: 13 h\n\
             By branch:\n- 渋谷店: 3 (put off: 1)\n- no branch responsible: 1"
        );
        assert_eq!(title(local_time("2026-11-23T08:00").unwrap()), "未読のお知らせ（8:00）/ Unread at 8:00");
    }

    #[test]
    fn what_was_read_and_put_off_is_told_without_unread_messages_and_one_branch_without_its_name() {
        let one = Waiting { conversations: 2, put_off: 2, oldest: Some(moment(-200 * 3_600)), ..Waiting::default() };
        let body = body(&digest(&[(Some(branch(1)), one)]), &BTreeMap::new(), moment(0));
        assert_eq!(
            body,
            "お待ちのトーク: 2件\n　後で通知: 2件\n　最長の待ち時間: 8日\n\nChats waiting: 2\n  put off: 2\n  longest wait: 8 days"
        );
    }

    #[test]
    fn an_empty_one_says_so() {
        let body = body(&Digest::default(), &BTreeMap::new(), moment(0));
        assert_eq!(body, "お待ちのトークはありません。\n\nNo chats are waiting.");
    }

    #[test]
    fn a_time_that_is_none_is_none() {
        for text in ["", "08:00", "2026-11-23 08:00", "2026-13-23T08:00", "2026-11-23T24:00"] {
            assert_eq!(local_time(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_fits_into_a_notice_and_every_number_is_in_both_languages(
            waiting in prop::collection::btree_map(organization(), waiting(), 0..6),
            many in 0u128..60, name in "\\PC{0,60}\n?\\PC{0,60}",
        ) {
            let mut all = waiting;
            let one = Waiting { conversations: 999_999, put_off: 999_999, oldest: Some(moment(0)), ..Waiting::default() };
            all.extend((100..100 + many).map(|number| (Some(branch(number)), one)));
            let names = (0..160).map(|number| (branch(number), name.clone())).collect();
            let digest = Digest::of(&Sight::Everything, &all);
            let text = body(&digest, &names, moment(5));
            prop_assert!(text.chars().count() <= 2_300, "{}", text.chars().count());
            let (japanese, english) = text.split_once("\n\n").unwrap();
            for (count, ja, en) in [
                (digest.total.messages, "未読メッセージ", "unread messages"),
                (digest.total.unlinked, "顧客と未連携の方", "not linked to a customer"),
                (digest.total.put_off, "後で通知", "put off"),
            ] {
                prop_assert_eq!(japanese.contains(&format!("　{ja}: {count}件\n")), count > 0);
                prop_assert_eq!(english.contains(&format!("  {en}: {count}\n")), count > 0);
            }
        }
    }
}
