//! Which conversation an event belongs to.

use std::fmt;

use kernel::{AccountId, ConversationId};
use line_types::id::MessageId as LineMessageId;
use line_types::webhook::Source;

/// With whom a conversation is. The codes are those of `tsunagi.messaging.v1.ConversationKind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConversationKind {
    /// One LINE user.
    User,
    /// A group chat: kept and shown, never linked or answered by itself (D-11).
    Group,
    /// A multi-person chat, likewise.
    Room,
    /// A staff member on the staff account: it carries notices and is shown nowhere, so the proto has no number for it.
    Staff,
}

impl ConversationKind {
    /// The kind's number, as the proto has it.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::User => 1,
            Self::Group => 2,
            Self::Room => 3,
            Self::Staff => 4,
        }
    }

    /// The kind of that number.
    #[must_use]
    pub const fn from_code(code: i16) -> Option<Self> {
        match code {
            1 => Some(Self::User),
            2 => Some(Self::Group),
            3 => Some(Self::Room),
            4 => Some(Self::Staff),
            _ => None,
        }
    }
}

/// The other side of a conversation: the LINE user, group or room, or a sender whom LINE does not name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Chat {
    kind: ConversationKind,
    key: String,
}

/// What an unnamed sender's key begins with; no ID of LINE does.
const UNNAMED: char = '?';

impl Chat {
    /// The chat an event about `message` comes from.
    ///
    /// LINE names no user who has not consented to profile access
    /// (<https://developers.line.biz/en/docs/messaging-api/user-consent/>). Two such messages may be of two people, so each
    /// gets a conversation of its own, which can be answered by reply token alone.
    #[must_use]
    pub fn of(source: Option<&Source>, message: &LineMessageId) -> Self {
        let unnamed = || format!("{UNNAMED}{}", message.as_str());
        match source {
            Some(Source::User { user_id: Some(user) }) => Self::new(ConversationKind::User, user.as_str()),
            Some(Source::Group { group_id: Some(group), .. }) => Self::new(ConversationKind::Group, group.as_str()),
            Some(Source::Room { room_id: Some(room), .. }) => Self::new(ConversationKind::Room, room.as_str()),
            Some(Source::Group { .. }) => Self::new(ConversationKind::Group, &unnamed()),
            Some(Source::Room { .. }) => Self::new(ConversationKind::Room, &unnamed()),
            _ => Self::new(ConversationKind::User, &unnamed()),
        }
    }

    /// The chat an event without a message comes from; none where LINE does not name it.
    #[must_use]
    pub fn named(source: Option<&Source>) -> Option<Self> {
        match source? {
            Source::User { user_id: Some(user) } => Some(Self::new(ConversationKind::User, user.as_str())),
            Source::Group { group_id: Some(group), .. } => Some(Self::new(ConversationKind::Group, group.as_str())),
            Source::Room { room_id: Some(room), .. } => Some(Self::new(ConversationKind::Room, room.as_str())),
            _ => None,
        }
    }

    /// The chat kept under `kind` and `key`.
    #[must_use]
    pub fn new(kind: ConversationKind, key: &str) -> Self {
        Self { kind, key: key.to_owned() }
    }

    /// The same chat as the staff account has it; none where it is no single LINE user's, or the user is not named.
    #[must_use]
    pub fn of_staff(&self) -> Option<Self> {
        let named = matches!(self.kind, ConversationKind::User | ConversationKind::Staff) && self.recipient().is_some();
        named.then(|| Self::new(ConversationKind::Staff, &self.key))
    }

    /// With whom.
    #[must_use]
    pub const fn kind(&self) -> ConversationKind {
        self.kind
    }

    /// What the chat is kept under: LINE's ID, or a stand-in for an unnamed sender. Personal data.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whom a push reaches: LINE's user, group or room ID; none for an unnamed sender.
    #[must_use]
    pub fn recipient(&self) -> Option<&str> {
        (!self.key.starts_with(UNNAMED)).then_some(self.key.as_str())
    }

    /// The conversation's ID: it follows from the account and the chat, so that two events at once cannot make two.
    #[must_use]
    pub fn conversation(&self, account: AccountId) -> ConversationId {
        ConversationId::derived(account.uuid(), &self.key)
    }
}

impl fmt::Debug for Chat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chat({:?}, ..)", self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use line_types::id::UserId;
    use uuid::Uuid;

    fn message(id: &str) -> LineMessageId {
        LineMessageId::parse(id).unwrap()
    }

    #[test]
    fn a_named_user_has_one_conversation_per_account() {
        let user = UserId::parse("U4af4980629aaaabbbbccccddddeeee00").unwrap();
        let source = Source::User { user_id: Some(user.clone()) };
        let (first, second) = (Chat::of(Some(&source), &message("1")), Chat::of(Some(&source), &message("2")));
        let (account, other) = (AccountId::from(Uuid::from_u128(1)), AccountId::from(Uuid::from_u128(2)));
        assert_eq!(first.conversation(account), second.conversation(account));
        assert_ne!(first.conversation(account), first.conversation(other));
        assert_eq!(first.recipient(), Some(user.as_str()));
        assert_eq!(format!("{first:?}"), "Chat(User, ..)");
        let staff = first.of_staff().unwrap();
        assert_eq!((staff.kind(), staff.conversation(account)), (ConversationKind::Staff, first.conversation(account)));
    }

    #[test]
    fn codes_come_back_and_only_a_named_user_is_staff() {
        for code in 1..=4 {
            assert_eq!(ConversationKind::from_code(code).map(ConversationKind::code), Some(code));
        }
        assert_eq!((ConversationKind::from_code(0), ConversationKind::from_code(5)), (None, None));
        assert_eq!(Chat::of(None, &message("1")).of_staff(), None);
        assert_eq!(Chat::new(ConversationKind::Group, "C1").of_staff(), None);
    }

    #[test]
    fn unnamed_senders_are_never_thrown_together_and_never_pushed_to() {
        for source in [None, Some(Source::User { user_id: None }), Some(Source::Other { kind: "new".to_owned() })] {
            let (first, second) = (Chat::of(source.as_ref(), &message("1")), Chat::of(source.as_ref(), &message("2")));
            assert_ne!(first, second);
            assert_eq!(first.recipient(), None);
            assert_eq!(Chat::named(source.as_ref()), None);
        }
        let group = Source::Group { group_id: None, user_id: None };
        assert_eq!(Chat::of(Some(&group), &message("1")).kind(), ConversationKind::Group);
    }
}
