//! The form of a ciphertext: `1 | data key ID (16) | nonce (24) | XChaCha20-Poly1305`.

use chacha20poly1305::aead::{Aead as _, AeadInOut as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use kernel::TenantId;
use ring::rand::{SecureRandom as _, SystemRandom};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::EnvelopeError;

const VERSION: u8 = 1;
const ID_BYTES: usize = 16;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
const HEADER_BYTES: usize = 1 + ID_BYTES;

/// A key that encrypts. Overwritten when it is dropped.
#[derive(Clone)]
pub(super) struct DataKey(pub(super) Zeroizing<[u8; 32]>);

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl DataKey {
    pub(super) fn generate() -> Result<Self, EnvelopeError> {
        let mut bytes = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(&mut *bytes).map_err(|_| EnvelopeError::NoRandomness)?;
        Ok(Self(bytes))
    }

    /// `header | nonce | ciphertext`, the latter two bound to `associated`: [`DataKey::open`] opens what follows the header.
    ///
    /// Encrypted where it lies: every webhook's body passes here, and is copied once.
    pub(super) fn seal(&self, header: &[u8], associated: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
        let mut nonce = [0; NONCE_BYTES];
        SystemRandom::new().fill(&mut nonce).map_err(|_| EnvelopeError::NoRandomness)?;
        let start = header.len() + NONCE_BYTES;
        let mut sealed = Vec::with_capacity(start + plaintext.len() + TAG_BYTES);
        sealed.extend_from_slice(header);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        let tag = self
            .cipher()
            .encrypt_inout_detached(&XNonce::from(nonce), associated, (&mut sealed[start..]).into())
            .map_err(|_| EnvelopeError::Ciphertext)?;
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// What [`DataKey::seal`] made with the same `associated`.
    pub(super) fn open(&self, associated: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload { msg: sealed, aad: associated };
        self.cipher().decrypt(&XNonce::from(*nonce), payload).ok().map(Zeroizing::new)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(*self.0))
    }
}

/// Tenant and key have fixed lengths, so no two combinations give the same bytes.
fn associated(tenant: TenantId, id: Uuid, purpose: &str) -> Vec<u8> {
    [b"tsunagi.envelope.1".as_slice(), tenant.uuid().as_bytes(), id.as_bytes(), purpose.as_bytes()].concat()
}

pub(super) fn encrypt(
    key: &DataKey,
    tenant: TenantId,
    id: Uuid,
    purpose: &str,
    plaintext: &[u8],
) -> Result<Vec<u8>, EnvelopeError> {
    let mut header = [VERSION; HEADER_BYTES];
    header[1..].copy_from_slice(id.as_bytes());
    key.seal(&header, &associated(tenant, id, purpose), plaintext)
}

pub(super) fn decrypt(
    key: &DataKey,
    tenant: TenantId,
    purpose: &str,
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
    let id = key_id(ciphertext)?;
    key.open(&associated(tenant, id, purpose), &ciphertext[HEADER_BYTES..]).ok_or(EnvelopeError::Ciphertext)
}

/// Which data key a ciphertext was made with.
pub(super) fn key_id(ciphertext: &[u8]) -> Result<Uuid, EnvelopeError> {
    match ciphertext.split_first_chunk::<HEADER_BYTES>() {
        Some(([VERSION, id @ ..], _)) => Ok(Uuid::from_bytes(*id)),
        _ => Err(EnvelopeError::Ciphertext),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_opens_as_it_was_closed_and_in_no_other_way(
            tenant: u128, id: u128, purpose in ".{0,30}", other in ".{0,30}",
            text in proptest::collection::vec(any::<u8>(), 0..200), at: prop::sample::Index,
        ) {
            let (tenant, id) = (TenantId::from(Uuid::from_u128(tenant)), Uuid::from_u128(id));
            let stranger = TenantId::from(Uuid::from_u128(tenant.uuid().as_u128() ^ 1));
            let (key, wrong) = (DataKey::generate().unwrap(), DataKey::generate().unwrap());
            let mut closed = encrypt(&key, tenant, id, &purpose, &text).unwrap();
            prop_assert_eq!(key_id(&closed).unwrap(), id);
            prop_assert_eq!(&*decrypt(&key, tenant, &purpose, &closed).unwrap(), &text);
            prop_assert!(decrypt(&wrong, tenant, &purpose, &closed).is_err());
            prop_assert!(decrypt(&key, stranger, &purpose, &closed).is_err());
            prop_assert_eq!(decrypt(&key, tenant, &other, &closed).is_ok(), purpose == other);
            let at = at.index(closed.len());
            closed[at] ^= 1;
            prop_assert!(decrypt(&key, tenant, &purpose, &closed).is_err());
        }

        #[test]
        fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(decrypt(&DataKey::generate().unwrap(), Uuid::nil().into(), "", &bytes).is_err());
        }
    }
}
