//! The channel secret, by which webhooks are verified.

use std::fmt;

use crate::Unfit;

/// A channel secret: 32 hexadecimal digits, in lower case. `Debug` shows none of it.
#[derive(PartialEq, Eq)]
pub struct ChannelSecret(String);

impl ChannelSecret {
    /// Reads a secret as LINE's console shows it.
    ///
    /// # Errors
    /// When it has not 32 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, Unfit> {
        let text = text.trim();
        let fits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if fits { Ok(Self(text.to_ascii_lowercase())) } else { Err(Unfit("is not 32 hexadecimal digits")) }
    }

    /// The secret.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ChannelSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChannelSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_32_hexadecimal_digits_and_is_not_shown() {
        let secret = ChannelSecret::parse("0123456789ABCDEF0123456789abcdef\n").unwrap();
        assert_eq!(secret.reveal(), "0123456789abcdef0123456789abcdef");
        assert_eq!(format!("{secret:?}"), "ChannelSecret(..)");
        assert!(ChannelSecret::parse("0123").is_err() && ChannelSecret::parse(&"g".repeat(32)).is_err());
    }
}
