//! What notices say: Japanese first, English second. A LINE user's shown name may stand in them, never what the user wrote.

use super::NoticeKind;

/// The longest title, in characters.
pub const LONGEST_TITLE: usize = 100;
/// The longest body, in characters. With the title it stays below LINE's 5,000 UTF-16 units of a text
/// (<https://developers.line.biz/en/reference/messaging-api/#text-message>), were each of them two.
pub const LONGEST_BODY: usize = 2_300;
/// How much of a name is shown, in characters.
const LONGEST_NAME: usize = 40;

/// A notice's words.
#[derive(Clone, PartialEq, Eq)]
pub struct Words {
    /// One line.
    pub title: String,
    /// One line or more.
    pub body: String,
}

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Words").finish_non_exhaustive()
    }
}

impl Words {
    /// These words within their limits: the title on one line, and nothing in either that is no text, line ends in the body aside.
    #[must_use]
    pub fn new(title: &str, body: &str) -> Self {
        Self { title: cut(&line(title), LONGEST_TITLE), body: cut(&lines(body), LONGEST_BODY) }
    }

    /// Title and body as one text.
    #[must_use]
    pub fn together(&self) -> String {
        if self.body.is_empty() { self.title.clone() } else { format!("{}\n\n{}", self.title, self.body) }
    }

    /// The same under a heading, where that is not empty: whose words they are, for who works for several tenants.
    #[must_use]
    pub fn under(&self, heading: &str) -> String {
        match cut(&line(heading), LONGEST_NAME).as_str() {
            "" => self.together(),
            heading => format!("【{heading}】\n{}", self.together()),
        }
    }
}

/// What the notice of something that happened says; none for kinds whose words another rule makes. `who`: the LINE user's shown
/// name; `account`: the official account's. Empty where unknown.
#[must_use]
pub fn of(kind: NoticeKind, who: &str, account: &str) -> Option<Words> {
    let ((ja_who, en_who), (ja_at, en_at)) = (user(who), official_account(account));
    let (title, body) = match kind {
        NoticeKind::FriendAdded => (
            "友だち追加 / New friend",
            format!("{ja_who}が{ja_at}を友だち追加しました。\nNew friend of {en_at}: {en_who}."),
        ),
        NoticeKind::LinkHeld => (
            "連携の確認待ち / A link waits for review",
            format!(
                "{ja_who}の連携が確認待ちです。内容を確認してください。\nThe link of {en_who} waits for review. Please look at it."
            ),
        ),
        NoticeKind::TakeoverRequested => (
            "連携先の変更の申し込み / A take-over request",
            format!(
                "{ja_who}から連携先の変更の申し込みがありました。承認または却下してください。\nA request to take over a link, by \
                 {en_who}. Please approve or decline it."
            ),
        ),
        NoticeKind::ChatModeOn => (
            "LINEのチャットがオンです / LINE's own chat is on",
            format!(
                "{ja_at}の応答設定で「チャット」がオンになっています。オフにしないと、LINE側で送った返信はここに表示されません。\nThe \
                 chat feature of {en_at} is on in LINE's response settings. Until it is off, replies written there do not appear here."
            ),
        ),
        NoticeKind::Digest | NoticeKind::MessageFailed => return None,
    };
    Some(Words::new(title, &body))
}

/// A LINE user by the shown name, empty where it is not known; Japanese and English.
pub(super) fn user(name: &str) -> (String, String) {
    match cut(&line(name), LONGEST_NAME).as_str() {
        "" => ("プロフィール未取得の方".to_owned(), "somebody whose LINE profile is not known yet".to_owned()),
        name => (format!("{name} さん"), name.to_owned()),
    }
}

/// A group or room by its name, likewise.
pub(super) fn group(name: &str) -> (String, String) {
    match cut(&line(name), LONGEST_NAME).as_str() {
        "" => ("グループトーク".to_owned(), "a group chat".to_owned()),
        name => (format!("グループ「{name}」"), format!("the group “{name}”")),
    }
}

/// An official account, likewise.
pub(super) fn official_account(name: &str) -> (String, String) {
    match cut(&line(name), LONGEST_NAME).as_str() {
        "" => ("公式アカウント".to_owned(), "the official account".to_owned()),
        name => (format!("「{name}」"), format!("“{name}”")),
    }
}

/// One line: every run of line ends, tabs, other control characters and what turns the direction of writing is one space.
fn line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if is_no_text(c) { ' ' } else { c }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Lines without anything else that is no text.
fn lines(text: &str) -> String {
    let plain: String = text.replace("\r\n", "\n").chars().filter(|c| *c == '\n' || !is_no_text(*c)).collect();
    plain.trim().to_owned()
}

fn is_no_text(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// At most `most` characters; what is cut ends in an ellipsis.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn japanese_comes_first_and_who_is_named() {
        let words = of(NoticeKind::FriendAdded, "花子", "本店").unwrap();
        assert_eq!(words.body, "花子 さんが「本店」を友だち追加しました。\nNew friend of “本店”: 花子.");
        let unknown = of(NoticeKind::FriendAdded, "", "").unwrap();
        assert_eq!(
            unknown.body,
            "プロフィール未取得の方が公式アカウントを友だち追加しました。\nNew friend of the official account: somebody whose LINE \
             profile is not known yet."
        );
        assert!(of(NoticeKind::Digest, "", "").is_none());
        assert!(!format!("{words:?}").contains("花子"));
    }

    proptest! {
        #[test]
        fn words_stay_within_lines_limit_and_a_title_is_one_line(title in ".*", body in "(?s).{0,4000}", who in "(?s).*") {
            let own = Words::new(&title, &body);
            for words in NoticeKind::ALL.into_iter().filter_map(|kind| of(kind, &who, &who)).chain([own]) {
                prop_assert!(words.under(&who).encode_utf16().count() <= 5_000);
                prop_assert!(words.under(&who).ends_with(&words.together()));
                prop_assert_eq!(words.under("\u{202e} \n"), words.together());
                prop_assert!(words.title.chars().count() <= LONGEST_TITLE);
                prop_assert!(!words.title.chars().any(char::is_control));
                prop_assert!(!words.body.chars().any(|c| c.is_control() && c != '\n'));
            }
        }
    }
}
