//! The nonce of LINE's account-link dialog.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// What LINE's dialog is given and tells back: 32 random bytes as 43 characters of base64url, which an address carries as they
/// are; LINE takes 10 to 255 characters (<https://developers.line.biz/en/docs/messaging-api/linking-accounts/>). Only its hash is
/// kept. `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// The nonce of 32 bytes that nobody can guess.
    pub fn of(random: [u8; 32]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(random))
    }

    /// The nonce as LINE told it, whatever it is.
    pub fn told(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The nonce as the dialog is given it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// SHA-256 of its characters.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_what_lines_dialog_takes_and_hides_itself() {
        let nonce = Nonce::of([0xfb; 32]);
        assert!((10..=255).contains(&nonce.reveal().len()));
        assert!(nonce.reveal().bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')));
        assert_eq!(Nonce::told(nonce.reveal()).hash(), nonce.hash());
        assert_eq!(format!("{nonce:?}"), "Nonce(..)");
    }
}
