//! Secrets that a caller carries and Tsunagi keeps only as a hash.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// 32 random bytes, written as 43 characters of base64url.
pub struct BearerSecret(String);

impl BearerSecret {
    /// The secret of 32 bytes that nobody can guess.
    pub fn of(random: [u8; 32]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(random))
    }

    /// The secret as it is handed over, once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the secret's characters: what is kept.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl fmt::Debug for BearerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_characters_handed_over() {
        let secret = BearerSecret::of([0; 32]);
        assert_eq!(secret.reveal(), "A".repeat(43));
        assert_eq!(secret.hash(), <[u8; 32]>::from(Sha256::digest("A".repeat(43))));
        assert_eq!(format!("{secret:?}"), "BearerSecret(..)");
    }
}
