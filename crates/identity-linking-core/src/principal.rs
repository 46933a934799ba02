//! The programs that call Tsunagi.

use kernel::{TenantId, Timestamp};

use crate::{Line, Rights, Unfit};

/// Most assertion keys of one principal.
pub const MAX_ASSERTION_KEYS: usize = 8;

/// A program that may call Tsunagi.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Whose it is.
    pub owner: Owner,
    /// Its name.
    pub display_name: Line<100>,
    /// What it may do.
    pub rights: Rights,
    /// When not empty: the only methods it may call, as `/package.Service/Method`.
    pub methods: Vec<String>,
    /// When it stops working by itself; none: never.
    pub expire_time: Option<Timestamp>,
    /// When it was revoked; none: not.
    pub revoke_time: Option<Timestamp>,
    /// Keys that may sign staff assertions for it, at most [`MAX_ASSERTION_KEYS`], by key ID.
    pub assertion_keys: Vec<AssertionKey>,
}

/// Whose a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The platform's: it may name any tenant.
    Platform,
    /// A tenant's: it never sees another.
    Tenant(TenantId),
}

/// An Ed25519 key that signs staff assertions (RFC 8037).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssertionKey {
    /// The `kid` of the assertions it signs.
    pub key_id: KeyId,
    /// The public key.
    pub public_key: [u8; 32],
}

/// A key's name: 1 to 64 of `A-Z a-z 0-9 . _ -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

/// A principal has as many assertion keys as it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a principal has at most 8 assertion keys")]
pub struct TooManyKeys;

impl Principal {
    /// The principal with a further key; a key of the same ID gives way.
    ///
    /// # Errors
    /// When it would have more than [`MAX_ASSERTION_KEYS`].
    pub fn with_key(mut self, key: AssertionKey) -> Result<Self, TooManyKeys> {
        self.assertion_keys.retain(|known| known.key_id != key.key_id);
        if self.assertion_keys.len() == MAX_ASSERTION_KEYS {
            return Err(TooManyKeys);
        }
        self.assertion_keys.push(key);
        self.assertion_keys.sort_by(|a, b| a.key_id.cmp(&b.key_id));
        Ok(self)
    }

    /// The principal without a key; none where it has no such key.
    #[must_use]
    pub fn without_key(mut self, key_id: &str) -> Option<Self> {
        let before = self.assertion_keys.len();
        self.assertion_keys.retain(|known| known.key_id.as_str() != key_id);
        (self.assertion_keys.len() < before).then_some(self)
    }

    /// The principal, revoked; the first revocation's time stays.
    #[must_use]
    pub fn revoked(self, now: Timestamp) -> Self {
        Self { revoke_time: self.revoke_time.or(Some(now)), ..self }
    }
}

impl Owner {
    /// The tenant; none for the platform.
    pub fn tenant(self) -> Option<TenantId> {
        match self {
            Self::Platform => None,
            Self::Tenant(tenant) => Some(tenant),
        }
    }
}

impl AssertionKey {
    /// Reads a key.
    ///
    /// # Errors
    /// When the public key has not 32 bytes.
    pub fn new(key_id: KeyId, public_key: &[u8]) -> Result<Self, Unfit> {
        let public_key = public_key.try_into().map_err(|_| Unfit("is not an Ed25519 public key of 32 bytes"))?;
        Ok(Self { key_id, public_key })
    }
}

impl KeyId {
    /// Reads a key's name.
    ///
    /// # Errors
    /// When it is empty, longer than 64 characters or holds others than letters, digits, `.`, `_` and `-`.
    pub fn parse(text: &str) -> Result<Self, Unfit> {
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if fits { Ok(Self(text.to_owned())) } else { Err(Unfit("is not 1 to 64 of A-Z a-z 0-9 . _ -")) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal() -> Principal {
        Principal {
            owner: Owner::Platform,
            display_name: Line::parse("booking").unwrap(),
            rights: Rights::new(),
            methods: vec![],
            expire_time: None,
            revoke_time: None,
            assertion_keys: vec![],
        }
    }

    fn key(id: &str) -> AssertionKey {
        AssertionKey::new(KeyId::parse(id).unwrap(), &[7; 32]).unwrap()
    }

    #[test]
    fn keys_are_at_most_eight_and_one_per_name() {
        let mut full = principal();
        for n in 0..8 {
            full = full.with_key(key(&format!("k{n}"))).unwrap();
        }
        assert_eq!(full.clone().with_key(key("k8")), Err(TooManyKeys));
        assert_eq!(full.clone().with_key(key("k3")).unwrap().assertion_keys.len(), 8);
        assert_eq!(full.clone().without_key("k3").unwrap().assertion_keys.len(), 7);
        assert_eq!(full.without_key("k9"), None);
        assert!(AssertionKey::new(KeyId::parse("k").unwrap(), &[0; 31]).is_err());
        assert!(KeyId::parse("a key").is_err() && KeyId::parse("").is_err() && KeyId::parse(&"k".repeat(65)).is_err());
    }

    #[test]
    fn the_first_revocation_counts() {
        let (first, second) = (Timestamp::from_timestamp(1, 0).unwrap(), Timestamp::from_timestamp(2, 0).unwrap());
        assert_eq!(principal().revoked(first).revoked(second).revoke_time, Some(first));
    }
}
