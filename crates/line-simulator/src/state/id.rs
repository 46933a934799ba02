//! The names things go by, each a type of its own so that none is taken for another.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text of the identifier.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<T: Into<String>> From<T> for $name {
            fn from(text: T) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// A provider: the legal owner of channels. User IDs are issued per provider.
    ProviderId
);
id!(
    /// The channel ID of an official account, decimal digits. One account has one Messaging API channel here.
    ChannelId
);
id!(
    /// A simulated human being with a LINE account. Never seen by the product; the simulator's own name for them.
    PersonId
);
id!(
    /// What the Messaging API calls a user: `U[0-9a-f]{32}`, one per person and provider.
    UserId
);
id!(
    /// Where a message is posted: a user ID, a group ID (`C…`) or a room ID (`R…`).
    ChatId
);

impl ChatId {
    /// Whether this names a one-on-one chat, that is, carries a user ID.
    pub fn is_user(&self) -> bool {
        self.0.starts_with('U')
    }

    /// The user ID of a one-on-one chat, as a user ID. Meaningless when [`ChatId::is_user`] is false.
    pub fn to_user(&self) -> UserId {
        UserId(self.0.clone())
    }
}

/// Whether `text` is one of `prefixes` followed by 32 lower-case hexadecimal digits, the form of LINE's IDs.
pub(crate) fn is_well_formed(text: &str, prefixes: &[u8]) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 33
        && prefixes.contains(&bytes[0])
        && bytes[1..].iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b))
}

#[cfg(test)]
mod tests {
    use super::is_well_formed;

    #[test]
    fn ids_are_a_letter_and_32_lower_case_hex_digits() {
        let good = format!("U{}", "0123456789abcdef".repeat(2));
        assert!(is_well_formed(&good, b"U"));
        assert!(!is_well_formed(&good, b"CR"));
        assert!(!is_well_formed(&good.to_uppercase(), b"U"));
        assert!(!is_well_formed(&good[..32], b"U"));
    }
}
