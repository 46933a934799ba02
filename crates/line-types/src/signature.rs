//! The signature on a webhook: `x-line-signature` = Base64(HMAC-SHA256(channel secret, raw body)).
//!
//! Always over the exact received bytes, before any parsing:
//! <https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/>. Reissuing a channel secret kills the old
//! one at once, so around a rotation two secrets are accepted: pass both keys.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Longest channel secret taken, in bytes. LINE's are 32 hexadecimal digits; the form is not promised.
pub const MAX_SECRET_BYTES: usize = 128;

/// Why a text is no channel secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a channel secret has 1 to 128 visible ASCII characters")]
pub struct SecretError;

/// A channel secret: HMAC key of webhooks and credential of token calls. Wiped on drop, never shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct ChannelSecret(String);

impl ChannelSecret {
    /// Takes 1 to [`MAX_SECRET_BYTES`] visible ASCII characters.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        if text.is_empty() || text.len() > MAX_SECRET_BYTES || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(SecretError);
        }
        Ok(Self(text.to_owned()))
    }

    /// The secret in clear, for the calls that must carry it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ChannelSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChannelSecret(..)")
    }
}

/// A channel secret made ready: the HMAC key schedule is computed once, not for every webhook.
#[derive(Clone)]
pub struct VerifyingKey(Hmac<Sha256>);

impl VerifyingKey {
    /// Computes the key schedule of a secret.
    #[expect(clippy::missing_panics_doc, clippy::expect_used, reason = "HMAC takes keys of every length (RFC 2104)")]
    pub fn new(secret: &ChannelSecret) -> Self {
        Self(Hmac::new_from_slice(secret.0.as_bytes()).expect("HMAC takes keys of every length"))
    }

    /// Whether `signature` is this key's signature of `body`, in time that does not depend on where they differ.
    pub fn verifies(&self, signature: &Signature, body: &[u8]) -> bool {
        let mut mac = self.0.clone();
        mac.update(body);
        mac.verify_slice(&signature.0).is_ok()
    }

    /// This key's signature of `body`, as LINE writes it into the header.
    pub fn sign(&self, body: &[u8]) -> String {
        let mut mac = self.0.clone();
        mac.update(body);
        STANDARD.encode(mac.finalize().into_bytes())
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyingKey(..)")
    }
}

/// Signs a body as LINE does; for the simulator and for tests.
pub fn sign(secret: &ChannelSecret, body: &[u8]) -> String {
    VerifyingKey::new(secret).sign(body)
}

/// Why a webhook is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The header is not the Base64 form of 32 bytes.
    #[error("signature header is malformed")]
    Malformed,
    /// No key made this signature of this body.
    #[error("signature does not match")]
    Mismatch,
}

/// The signature a request claims to have: 32 bytes, not yet verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 32]);

impl Signature {
    /// The signature that these 32 bytes are; none for another number of bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Its 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads the value of the header `x-line-signature`.
    pub fn parse(header: &[u8]) -> Result<Self, SignatureError> {
        let mut bytes = [0; 32];
        match STANDARD.decode_slice(header, &mut bytes) {
            Ok(32) => Ok(Self(bytes)),
            _ => Err(SignatureError::Malformed),
        }
    }

    /// The value of the header it was read from: 32 bytes have one Base64 form.
    pub fn header(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// Verifies a webhook: tells the place in `keys` of the key that signed `raw_body`.
    pub fn verify(header: &[u8], raw_body: &[u8], keys: &[VerifyingKey]) -> Result<usize, SignatureError> {
        let signature = Self::parse(header)?;
        keys.iter().position(|key| key.verifies(&signature, raw_body)).ok_or(SignatureError::Mismatch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secret(text: &str) -> ChannelSecret {
        ChannelSecret::parse(text).unwrap()
    }

    /// The vector LINE publishes at <https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/>.
    #[test]
    fn known_vector_of_line() {
        let secret = secret("8c570fa6dd201bb328f1c1eac23a96d8");
        let body = br#"{"destination":"U8e742f61d673b39c7fff3cecb7536ef0","events":[]}"#;
        let header = "GhRKmvmHys4Pi8DxkF4+EayaH0OqtJtaZxgTD9fMDLs=";
        assert_eq!(sign(&secret, body), header);
        assert_eq!(Signature::verify(header.as_bytes(), body, &[VerifyingKey::new(&secret)]), Ok(0));
    }

    #[test]
    fn both_secrets_verify_during_a_rotation() {
        let (old, new) = (secret("old-secret"), secret("new-secret"));
        let keys = [VerifyingKey::new(&new), VerifyingKey::new(&old)];
        assert_eq!(Signature::verify(sign(&new, b"body").as_bytes(), b"body", &keys), Ok(0));
        assert_eq!(Signature::verify(sign(&old, b"body").as_bytes(), b"body", &keys), Ok(1));
        let stranger = sign(&secret("other"), b"body");
        assert_eq!(Signature::verify(stranger.as_bytes(), b"body", &keys), Err(SignatureError::Mismatch));
        assert_eq!(Signature::verify(stranger.as_bytes(), b"body", &[]), Err(SignatureError::Mismatch));
    }

    #[test]
    fn a_malformed_header_is_named_so() {
        for header in ["", "not base64!", "AAAA", "GhRKmvmHys4Pi8DxkF4+EayaH0OqtJtaZxgTD9fMDLs", &"A".repeat(64)] {
            assert_eq!(Signature::parse(header.as_bytes()), Err(SignatureError::Malformed), "{header}");
        }
    }

    #[test]
    fn a_signature_is_its_32_bytes() {
        let signature = Signature::parse(b"GhRKmvmHys4Pi8DxkF4+EayaH0OqtJtaZxgTD9fMDLs=").unwrap();
        assert_eq!(Signature::from_bytes(signature.as_bytes()), Some(signature));
        assert_eq!(Signature::from_bytes(&[0; 31]), None);
    }

    #[test]
    fn no_secret_is_shown() {
        let secret = secret("8c570fa6dd201bb3");
        assert_eq!(format!("{secret:?} {:?}", VerifyingKey::new(&secret)), "ChannelSecret(..) VerifyingKey(..)");
        assert_eq!(ChannelSecret::parse("with space"), Err(SecretError));
        assert_eq!(ChannelSecret::parse(""), Err(SecretError));
        assert_eq!(ChannelSecret::parse(&"a".repeat(MAX_SECRET_BYTES + 1)), Err(SecretError));
    }

    proptest! {
        #[test]
        fn one_changed_bit_is_noticed(
            key in "[0-9a-f]{32}",
            body in prop::collection::vec(any::<u8>(), 1..200),
            at in any::<prop::sample::Index>(),
            bit in 0..8u8,
        ) {
            let secret = secret(&key);
            let keys = [VerifyingKey::new(&secret)];
            let header = sign(&secret, &body);
            prop_assert_eq!(Signature::verify(header.as_bytes(), &body, &keys), Ok(0));
            let mut changed = body.clone();
            let place = at.index(changed.len());
            changed[place] ^= 1 << bit;
            prop_assert_eq!(Signature::verify(header.as_bytes(), &changed, &keys), Err(SignatureError::Mismatch));
        }

        #[test]
        fn any_header_is_survived(header in prop::collection::vec(any::<u8>(), 0..100)) {
            let keys = [VerifyingKey::new(&secret("k"))];
            prop_assert!(Signature::verify(&header, b"body", &keys).is_err());
        }
    }
}
