//! Of which replies staff hear (F-70): those that did not go, and those of which nobody can find out. A reply that somebody took back,
//! or settled by hand, is known to whoever did it.

use super::text::{self, Words};
use crate::chat::ConversationKind;
use crate::state::MessageState;

/// What became of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It did not go, and will not by itself.
    NotSent,
    /// Nobody can find out whether it arrived: somebody must look, and settle it.
    Unknown,
}

impl Fate {
    /// What became of a reply that stands in `state` from now on; none: nothing that staff must hear of.
    #[must_use]
    pub const fn of(state: MessageState) -> Option<Self> {
        match state {
            MessageState::Refused => Some(Self::NotSent),
            MessageState::Uncertain => Some(Self::Unknown),
            MessageState::Queued
            | MessageState::Scheduled
            | MessageState::Sending
            | MessageState::WaitingForQuota
            | MessageState::Accepted
            | MessageState::Cancelled
            | MessageState::SettledArrived
            | MessageState::SettledLost
            | MessageState::Received
            | MessageState::Unsent => None,
        }
    }
}

/// What the notice of a reply says. `who`: the shown name of whom it was for, a LINE user's or by `kind` a group's or room's;
/// `account`: the official account's. Empty where unknown.
#[must_use]
pub fn words(fate: Fate, kind: ConversationKind, who: &str, account: &str) -> Words {
    let (ja_who, en_who) = match kind {
        ConversationKind::User | ConversationKind::Staff => text::user(who),
        ConversationKind::Group | ConversationKind::Room => text::group(who),
    };
    let (ja_at, en_at) = text::official_account(account);
    let (title, body) = match fate {
        Fate::NotSent => (
            "返信を送信できませんでした / A reply was not sent",
            format!(
                "{ja_who}への{ja_at}からの返信を送信できませんでした。トークを確認してください。\nA reply to {en_who} from {en_at} was not \
                 sent. Please look at the chat."
            ),
        ),
        Fate::Unknown => (
            "返信が届いたか確認できません / A reply may not have arrived",
            format!(
                "{ja_who}への{ja_at}からの返信が届いたか確認できません。トークを確認し、結果を記録してください。\nNobody can find out \
                 whether a reply to {en_who} from {en_at} arrived. Please look at the chat and settle it."
            ),
        ),
    };
    Words::new(title, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staff_hear_of_what_did_not_go_and_of_what_nobody_knows_and_of_nothing_else() {
        let heard: Vec<_> = MessageState::ALL.into_iter().filter(|state| Fate::of(*state).is_some()).collect();
        assert_eq!(heard, [MessageState::Refused, MessageState::Uncertain]);
    }

    #[test]
    fn whom_a_reply_was_for_is_named_and_a_group_as_one() {
        let body = |fate, kind, who| words(fate, kind, who, "本店").body;
        let user = body(Fate::NotSent, ConversationKind::User, "花子");
        assert!(user.starts_with("花子 さんへの「本店」からの返信を送信できませんでした。"), "{user}");
        assert!(user.ends_with("A reply to 花子 from “本店” was not sent. Please look at the chat."), "{user}");
        let group = body(Fate::Unknown, ConversationKind::Group, "家族");
        assert!(group.starts_with("グループ「家族」への「本店」からの返信が届いたか確認できません。"), "{group}");
        assert!(body(Fate::Unknown, ConversationKind::User, "").starts_with("プロフィール未取得の方への"));
    }
}
