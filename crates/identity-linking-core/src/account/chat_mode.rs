//! LINE's own chat, as the account's bot info tells it (`chatMode`,
//! <https://developers.line.biz/en/reference/messaging-api/#get-bot-info>): while it is on, staff answer in LINE's own apps, and what
//! they write there is told to nobody (F-37, F-38).

use kernel::Timestamp;

use super::OfficialAccount;
use crate::Line;

/// The `chatMode` of an account whose response settings have chat on.
const CHAT: &str = "chat";

/// Something that is wrong with an account as LINE has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// LINE's own chat is on; since when that is known.
    ChatModeOn(Timestamp),
}

impl OfficialAccount {
    /// Whether LINE's own chat is on, as far as LINE has said.
    pub fn is_chat_on(&self) -> bool {
        is_chat(self.chat_mode.as_ref())
    }

    /// The account with the `chatMode` that LINE tells at `now`.
    #[must_use]
    pub fn observed(self, chat_mode: Option<Line<50>>, now: Timestamp) -> Self {
        if self.chat_mode == chat_mode {
            return self;
        }
        Self { chat_mode, chat_mode_time: Some(now), ..self }
    }

    /// What is wrong with it as LINE has it.
    pub fn findings(&self) -> Vec<Finding> {
        let chat = self.chat_mode_time.filter(|_| self.is_chat_on());
        chat.map(Finding::ChatModeOn).into_iter().collect()
    }
}

/// Whether this `chatMode` is that of an account with chat on; an unknown one is not.
pub fn is_chat(chat_mode: Option<&Line<50>>) -> bool {
    chat_mode.is_some_and(|mode| mode.as_str() == CHAT)
}

impl Finding {
    /// What it means and what mends it, in plain Japanese.
    pub fn reason_ja(self) -> &'static str {
        match self {
            Self::ChatModeOn(_) => CHAT_ON_JA,
        }
    }

    /// The same in plain English.
    pub fn reason_en(self) -> &'static str {
        match self {
            Self::ChatModeOn(_) => CHAT_ON_EN,
        }
    }
}

/// What an account with LINE's own chat on means, in plain Japanese.
pub(crate) const CHAT_ON_JA: &str = "LINE公式アカウントの応答設定で「チャット」がオンになっています。LINE Official Account Managerで\
     オフにしてください。オンの間にLINEのアプリや管理画面から送ったメッセージは、ここには表示されず、あとから取り込むこともできません。";
/// The same in plain English.
pub(crate) const CHAT_ON_EN: &str = "\"Chat\" is on in the response settings of the LINE Official Account. Turn it off in LINE \
     Official Account Manager. What is sent from LINE's own apps while it is on does not appear here and cannot be filled in later.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{AccountPurpose, AccountState};
    use proptest::prelude::*;

    fn account(chat_mode: &str, chat_mode_time: Option<Timestamp>) -> OfficialAccount {
        OfficialAccount {
            provider: uuid::Uuid::nil().into(),
            channel_id: "1234567890".parse().unwrap(),
            display_name: None,
            basic_id: None,
            bot: None,
            state: AccountState::Connected,
            purpose: AccountPurpose::Customers,
            owner_organization: None,
            default_organization: None,
            chat_mode: Line::optional(chat_mode).unwrap(),
            chat_mode_time,
            connect_time: None,
        }
    }

    proptest! {
        #[test]
        fn a_finding_begins_when_chat_is_first_seen_on_and_ends_when_it_is_seen_off(
            seen in proptest::collection::vec(proptest::sample::select(vec!["", "bot", "chat", "new"]), 1..12),
        ) {
            let at = |turn: usize| Timestamp::UNIX_EPOCH + chrono::TimeDelta::hours(i64::try_from(turn).unwrap());
            let (mut known, mut on_since) = (account("", None), None);
            for (turn, mode) in seen.iter().enumerate() {
                known = known.observed(Line::optional(mode).unwrap(), at(turn));
                on_since = if *mode == "chat" { on_since.or(Some(at(turn))) } else { None };
                prop_assert_eq!(known.is_chat_on(), on_since.is_some());
                prop_assert_eq!(known.findings(), on_since.map(Finding::ChatModeOn).into_iter().collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_finding_says_what_it_is_in_both_languages() {
        let finding = Finding::ChatModeOn(Timestamp::UNIX_EPOCH);
        assert!(finding.reason_ja().contains("チャット") && finding.reason_en().is_ascii());
        // What is wrong, what mends it (F-37), what does not appear meanwhile, nor afterwards (F-38).
        for (ja, en) in [
            ("がオンになっています", "is on"),
            ("オフにしてください", "Turn it off"),
            ("ここには表示されず", "does not appear here"),
            ("あとから取り込むこともできません", "cannot be filled in later"),
        ] {
            assert!(finding.reason_ja().contains(ja) && finding.reason_en().contains(en), "{ja} {en}");
        }
        assert!(!finding.reason_ja().contains("  ") && !finding.reason_en().contains("  "));
    }
}
