//! The keys that wrap data keys. They come from a file or a variable and are never in the database.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hkdf::Hkdf;
use kernel::TenantId;
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::EnvelopeError;
use super::cipher::DataKey;
use crate::config::{Setting, Settings};

const LONGEST_ID: usize = 64;

/// The master keys of a deployment; the first is the current one, the others still open what they wrapped.
#[derive(Clone, Debug)]
pub struct MasterKeys(Vec<MasterKey>);

/// One master key and its name.
#[derive(Clone, Debug)]
pub(super) struct MasterKey {
    id: String,
    key: DataKey,
}

impl MasterKeys {
    /// Reads `TSUNAGI_MASTER_KEYS`.
    pub fn read(settings: &mut Settings) -> Self {
        settings.required(
            "TSUNAGI_MASTER_KEYS",
            "The keys that wrap the tenants' data keys, `name:base64 of 32 bytes`, several with commas. The first is \
             the current one. After adding one in front, run `tsunagi keys rewrap`; then the old one may go.",
        )
    }

    /// Reads `name:base64,name:base64`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let keys: Vec<MasterKey> =
            text.split(',').map(|entry| MasterKey::parse(entry.trim())).collect::<Option<_>>()?;
        let distinct = keys.iter().enumerate().all(|(at, key)| keys[..at].iter().all(|other| other.id != key.id));
        distinct.then_some(Self(keys))
    }

    /// A key for `purpose` from each master key, the current one's first, so that what was made before a rotation is still known
    /// after it. Every replica derives the same ones, at every start (HKDF-Expand, RFC 5869: a master key is random).
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Vec<Zeroizing<[u8; 32]>> {
        self.0.iter().map(|master| master.derive(purpose)).collect()
    }

    /// The one that wraps from now on.
    pub(super) fn current(&self) -> &MasterKey {
        // `parse` makes at least one: splitting a text gives at least one entry.
        &self.0[0]
    }

    pub(super) fn named(&self, id: &str) -> Result<&MasterKey, EnvelopeError> {
        self.0.iter().find(|key| key.id == id).ok_or_else(|| EnvelopeError::MasterKeyMissing(id.to_owned()))
    }
}

impl MasterKey {
    fn parse(entry: &str) -> Option<Self> {
        let (id, key) = entry.split_once(':')?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if id.is_empty() || id.len() > LONGEST_ID || !id.chars().all(plain) {
            return None;
        }
        let bytes = Zeroizing::new(STANDARD.decode(key).ok()?);
        let key: [u8; 32] = bytes.as_slice().try_into().ok()?;
        Some(Self { id: id.to_owned(), key: DataKey(Zeroizing::new(key)) })
    }

    fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let mut derived = Zeroizing::new([0; 32]);
        #[expect(clippy::expect_used, reason = "a key and an output of one hash's length are never refused")]
        Hkdf::<Sha256>::from_prk(&*self.key.0)
            .expect("as long as a hash")
            .expand_multi_info(&[b"tsunagi.derived.1/", purpose.as_bytes()], &mut *derived)
            .expect("no longer than 255 hashes");
        derived
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn wrap(&self, tenant: TenantId, id: Uuid, key: &DataKey) -> Result<Vec<u8>, EnvelopeError> {
        self.key.seal(&[], &self.associated(tenant, id), &*key.0)
    }

    pub(super) fn unwrap(&self, tenant: TenantId, id: Uuid, wrapped: &[u8]) -> Result<DataKey, EnvelopeError> {
        let opened = self.key.open(&self.associated(tenant, id), wrapped);
        let bytes = opened.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
        bytes.map(|bytes| DataKey(Zeroizing::new(bytes))).ok_or_else(|| EnvelopeError::Wrapping(self.id.clone()))
    }

    fn associated(&self, tenant: TenantId, id: Uuid) -> Vec<u8> {
        [b"tsunagi.data_key.1".as_slice(), tenant.uuid().as_bytes(), id.as_bytes(), self.id.as_bytes()].concat()
    }
}

impl Setting for MasterKeys {
    const FORM: &'static str = "a list of name:base64 of 32 bytes";

    fn parse(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| "each name stands once, each key has 32 bytes".to_owned())
    }

    fn placeholder() -> Self {
        Self(vec![MasterKey { id: String::new(), key: DataKey(Zeroizing::new([0; 32])) }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(id: &str, byte: u8) -> String {
        format!("{id}:{}", STANDARD.encode([byte; 32]))
    }

    #[test]
    fn a_data_key_opens_with_the_master_key_that_wrapped_it_in_its_own_row_only() {
        let keys = MasterKeys::parse(&format!("{},{}", text("2026-02", 2), text("2026-01", 1))).unwrap();
        let (tenant, id, key) = (Uuid::from_u128(1).into(), Uuid::from_u128(2), DataKey::generate().unwrap());
        let (new, old) = (keys.current(), keys.named("2026-01").unwrap());
        assert_eq!(new.id(), "2026-02");
        let wrapped = old.wrap(tenant, id, &key).unwrap();
        assert_eq!(*old.unwrap(tenant, id, &wrapped).unwrap().0, *key.0);
        assert!(new.unwrap(tenant, id, &wrapped).is_err());
        assert!(old.unwrap(Uuid::from_u128(9).into(), id, &wrapped).is_err());
        assert!(old.unwrap(tenant, Uuid::from_u128(9), &wrapped).is_err());
        assert!(matches!(keys.named("2025-12"), Err(EnvelopeError::MasterKeyMissing(id)) if id == "2025-12"));
    }

    #[test]
    fn derived_keys_differ_by_purpose_and_master_key_and_outlive_a_rotation() {
        let before = MasterKeys::parse(&text("a", 1)).unwrap();
        let after = MasterKeys::parse(&format!("{},{}", text("b", 2), text("a", 1))).unwrap();
        let (old, new) = (before.derive("form"), after.derive("form"));
        assert_eq!((old.len(), new.len()), (1, 2));
        assert_eq!(*new[1], *old[0]);
        assert_ne!(*new[0], *old[0]);
        assert_ne!(*before.derive("other")[0], *old[0]);
        assert_ne!(*old[0], [1; 32]);
    }

    #[test]
    fn anything_else_is_refused_and_nothing_is_shown() {
        for wrong in ["", "a", "a:b", &format!("{},", text("a", 1)), &format!("{0},{0}", text("a", 1)), &text("", 1)] {
            assert!(MasterKeys::parse(wrong).is_none(), "{wrong}");
        }
        assert!(!format!("{:?}", MasterKeys::parse(&text("a", 1))).contains("1, 1"));
    }
}
