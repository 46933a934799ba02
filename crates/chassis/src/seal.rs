//! Sealed boxes: anybody with the public key can seal, only the holder of the private key can open. For secrets that travel
//! from identity-linking to the one service that needs them (libsodium's `crypto_box_seal`, X25519).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_box::aead::OsRng;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::config::{Secret, Setting};

/// What can go wrong with a sealed box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The text is not 32 bytes in base64.
    #[error("not a key: 32 bytes in base64")]
    Key,
    /// The machine cannot seal.
    #[error("cannot be sealed")]
    Seal,
    /// Sealed to another key, or changed on the way.
    #[error("cannot be opened with this key")]
    Open,
}

/// The key that opens.
#[derive(Clone)]
pub struct PrivateKey(crypto_box::SecretKey);

/// The key that seals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(crypto_box::PublicKey);

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl PrivateKey {
    /// A new key.
    #[must_use]
    pub fn generate() -> Self {
        Self(crypto_box::SecretKey::generate(&mut OsRng))
    }

    /// Reads a key: 32 bytes in base64.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, SealError> {
        Ok(Self(crypto_box::SecretKey::from_bytes(*key_bytes(text)?)))
    }

    /// The key that seals for this one.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.public_key())
    }

    /// The key as text, to keep in a secret store.
    #[must_use]
    pub fn reveal(&self) -> Secret {
        Secret::new(STANDARD.encode(Zeroizing::new(self.0.to_bytes())))
    }
}

impl PublicKey {
    /// Reads a key: 32 bytes in base64.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, SealError> {
        Ok(Self(crypto_box::PublicKey::from_bytes(*key_bytes(text)?)))
    }

    /// Names the key: the first 16 hexadecimal digits of its SHA-256.
    #[must_use]
    pub fn id(&self) -> String {
        hex::encode(&Sha256::digest(self.0.as_bytes())[..8])
    }

    /// The key as text.
    #[must_use]
    pub fn text(&self) -> String {
        STANDARD.encode(self.0.as_bytes())
    }
}

fn key_bytes(text: &str) -> Result<Zeroizing<[u8; 32]>, SealError> {
    let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| SealError::Key)?);
    let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| SealError::Key)?;
    Ok(Zeroizing::new(bytes))
}

/// Seals `plaintext` to the holder of the private key.
///
/// # Errors
/// When the machine cannot.
pub fn seal(to: &PublicKey, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
    to.0.seal(&mut OsRng, plaintext).map_err(|_| SealError::Seal)
}

/// Opens what was sealed to `key`.
///
/// # Errors
/// When it was sealed to another key or changed on the way.
pub fn open(key: &PrivateKey, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    key.0.unseal(sealed).map(Zeroizing::new).map_err(|_| SealError::Open)
}

impl Setting for PrivateKey {
    const FORM: &'static str = "a private X25519 key, 32 bytes in base64";

    fn parse(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|error| error.to_string())
    }

    fn placeholder() -> Self {
        Self(crypto_box::SecretKey::from_bytes([0; 32]))
    }
}

impl Setting for PublicKey {
    const FORM: &'static str = "a public X25519 key, 32 bytes in base64";

    fn parse(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|error| error.to_string())
    }

    fn placeholder() -> Self {
        Self(crypto_box::PublicKey::from_bytes([0; 32]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn what_is_sealed_opens_with_its_key_only_and_unchanged_only(
            text in proptest::collection::vec(any::<u8>(), 0..200),
            at: prop::sample::Index,
        ) {
            let (key, other) = (PrivateKey::generate(), PrivateKey::generate());
            let mut sealed = seal(&key.public(), &text).unwrap();
            prop_assert_eq!(&*open(&key, &sealed).unwrap(), &text);
            prop_assert_eq!(open(&other, &sealed), Err(SealError::Open));
            let at = at.index(sealed.len());
            sealed[at] ^= 1;
            prop_assert_eq!(open(&key, &sealed), Err(SealError::Open));
        }

        #[test]
        fn any_bytes_open_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(open(&PrivateKey::generate(), &bytes), Err(SealError::Open));
        }
    }

    #[test]
    fn keys_survive_being_written() {
        let key = PrivateKey::generate();
        let read = PrivateKey::parse(key.reveal().expose()).unwrap();
        assert_eq!(read.public(), key.public());
        assert_eq!(PublicKey::parse(&key.public().text()).unwrap(), key.public());
        assert_eq!(key.public().id().len(), 16);
        assert_eq!(PublicKey::parse("AAAA").unwrap_err(), SealError::Key);
        assert!(!format!("{key:?}").contains(key.reveal().expose()));
    }
}
