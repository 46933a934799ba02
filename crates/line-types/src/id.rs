//! Parsed identifiers. A value of one of these types has the form LINE gives that kind of identifier
//! (<https://developers.line.biz/en/docs/messaging-api/getting-user-ids/>), so it is safe in subjects, paths and queries.
//!
//! Identifiers of people are not shown by `Debug` and have no `Display`.

use std::fmt;

use ulid::Ulid;
use uuid::Uuid;

/// Why a text is not an identifier of the named kind. The text itself is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a {0}")]
pub struct IdError(pub &'static str);

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $form:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes a text of exactly this identifier's form.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                let form: fn(&str) -> bool = $form;
                if form(text) { Ok(Self(text.to_owned())) } else { Err(IdError($kind)) }
            }

            /// The identifier as LINE writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }
    };
}

macro_rules! shown {
    ($($name:ident),+) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

macro_rules! hidden {
    ($($name:ident),+) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )+};
}

fn lower_hex_after(prefix: char, text: &str) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

fn chat_after(prefix: char, text: &str) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|rest| (1..=64).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn word(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

fn digits(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

identifier!(
    /// A LINE user within one provider: `U` and 32 lower-case hexadecimal digits. Never the "LINE ID" people search by.
    UserId, "LINE user id", |text| lower_hex_after('U', text)
);
identifier!(
    /// An official account's bot: the `destination` of its webhooks and the `userId` of its bot info.
    BotUserId, "bot user id", |text| lower_hex_after('U', text)
);
identifier!(
    /// A group chat: `C` and letters or digits (32 hexadecimal digits in every example; the form is not promised).
    GroupId, "group id", |text| chat_after('C', text)
);
identifier!(
    /// A multi-person chat: `R` and letters or digits (32 hexadecimal digits in every example; the form is not promised).
    RoomId, "room id", |text| chat_after('R', text)
);
identifier!(
    /// A message: decimal digits that exceed 2^53, so it is never a number. Other letters, digits, `-` and `_` (64 at most)
    /// are taken too: should LINE change the form, no message may be lost by it.
    MessageId, "message id", word
);
identifier!(
    /// A channel: decimal digits.
    ChannelId, "channel id", |text| digits(text, 20)
);
identifier!(
    /// One webhook event, the same in every redelivery: a ULID in canonical upper case.
    WebhookEventId, "webhook event id", |text| Ulid::from_string(text).is_ok_and(|ulid| ulid.to_string() == text)
);
identifier!(
    /// A rich menu: `richmenu-` and 32 hexadecimal digits in every example; the form is not promised, so letters, digits, `-`
    /// and `_` (64 at most) are taken.
    RichMenuId, "rich menu id", word
);
identifier!(
    /// The value of `X-Line-Retry-Key`: a UUID in hyphenated lower case
    /// (<https://developers.line.biz/en/docs/messaging-api/retrying-api-request/>).
    RetryKey, "retry key", |text| Uuid::try_parse(text).is_ok_and(|uuid| uuid.hyphenated().to_string() == text)
);

shown!(BotUserId, ChannelId, MessageId, WebhookEventId, RetryKey, RichMenuId);
hidden!(UserId, GroupId, RoomId);

impl WebhookEventId {
    /// The identifier as a ULID.
    pub fn ulid(&self) -> Ulid {
        Ulid::from_string(&self.0).unwrap_or_default()
    }
}

impl From<Ulid> for WebhookEventId {
    fn from(ulid: Ulid) -> Self {
        Self(ulid.to_string())
    }
}

impl From<Uuid> for RetryKey {
    fn from(uuid: Uuid) -> Self {
        Self(uuid.hyphenated().to_string())
    }
}

impl RetryKey {
    /// The key as a UUID.
    pub fn uuid(&self) -> Uuid {
        Uuid::try_parse(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn people_are_not_shown() {
        let user = UserId::parse("U4af4980629aaaabbbbccccddddeeee00").unwrap();
        assert_eq!(format!("{user:?}"), "UserId(..)");
        assert_eq!(UserId::parse("U4AF4980629"), Err(IdError("LINE user id")));
        assert_eq!(IdError("LINE user id").to_string(), "not a LINE user id");
    }

    #[test]
    fn message_ids_beyond_two_to_the_53_keep_every_digit() {
        let id = MessageId::parse("9007199254740993123").unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"9007199254740993123\"");
        assert!(serde_json::from_str::<MessageId>("9007199254740993").is_err());
        assert!(MessageId::parse("../12").is_err());
        assert!(MessageId::parse("").is_err());
    }

    #[test]
    fn webhook_event_ids_and_retry_keys_have_one_form() {
        let id = WebhookEventId::parse("01FZ74A0TDDPYRVKNK77XKC3ZR").unwrap();
        assert_eq!(WebhookEventId::from(id.ulid()), id);
        assert!(WebhookEventId::parse("01fz74a0tddpyrvknk77xkc3zr").is_err());
        assert!(WebhookEventId::parse("81FZ74A0TDDPYRVKNK77XKC3ZR").is_err(), "above 128 bits");
        let key = RetryKey::parse("123e4567-e89b-12d3-a456-426614174000").unwrap();
        assert_eq!(RetryKey::from(key.uuid()), key);
        assert!(RetryKey::parse("123e4567e89b12d3a456426614174000").is_err());
    }

    proptest! {
        #[test]
        fn user_ids_survive_the_round_trip(text in "U[0-9a-f]{32}") {
            let id = UserId::parse(&text).unwrap();
            prop_assert_eq!(id.as_str(), &text);
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<UserId>(&json).unwrap(), id);
        }

        #[test]
        fn any_text_is_survived(text in "\\PC{0,70}") {
            let _ = (UserId::parse(&text), GroupId::parse(&text), WebhookEventId::parse(&text), RetryKey::parse(&text));
            let longer = text + "x";
            prop_assert!(UserId::parse(&longer).is_err());
        }
    }
}
