//! Webhook keys: the last part of a webhook's address.

use std::fmt;

use kernel::TenantId;
use sha2::{Digest, Sha256};

/// Longest secret part taken, in characters. Those made by Tsunagi have 43: 32 random bytes in URL-safe Base64.
const MAX_SECRET_CHARS: usize = 128;
/// Shortest secret part taken, in characters: fewer could be guessed.
const MIN_SECRET_CHARS: usize = 22;

/// A webhook key as presented: `{tenant UUID}.{secret in URL-safe Base64}`. The tenant stands in clear, so that it is known
/// before anything is looked up; the secret part itself is not kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WebhookKey {
    /// The tenant it names.
    pub tenant: TenantId,
    /// The hash of its secret part.
    pub hash: KeyHash,
}

/// SHA-256 of a webhook key's secret part, taken over its characters as they stand in the address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash([u8; 32]);

/// A text that is no webhook key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a webhook key")]
pub struct KeyError;

impl WebhookKey {
    /// Reads a key as it stands in an address.
    ///
    /// # Errors
    /// When it is not a hyphenated lower-case UUID, a dot and 22 to 128 characters of the URL-safe Base64 alphabet.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (tenant, secret) = text.split_once('.').ok_or(KeyError)?;
        let tenant = tenant.parse::<TenantId>().ok().filter(|id| id.to_string() == tenant).ok_or(KeyError)?;
        let usable = (MIN_SECRET_CHARS..=MAX_SECRET_CHARS).contains(&secret.len())
            && secret.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if usable { Ok(Self { tenant, hash: KeyHash::of(secret) }) } else { Err(KeyError) }
    }
}

impl KeyHash {
    /// The hash of a secret part.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// The hash that these 32 bytes are; none for another number of bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookKey({}, ..)", self.tenant)
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    const TENANT: &str = "018f4e5c-0000-7000-8000-000000000001";

    #[test]
    fn a_key_names_its_tenant_and_keeps_only_a_hash() {
        let secret = "A".repeat(43);
        let key = WebhookKey::parse(&format!("{TENANT}.{secret}")).unwrap();
        assert_eq!(key.tenant.to_string(), TENANT);
        assert_eq!(key.hash, KeyHash::of(&secret));
        assert!(!format!("{key:?}").contains("AAAA"));
        assert_ne!(key.hash, KeyHash::of(&"B".repeat(43)));
    }

    #[test]
    fn what_is_not_exactly_a_key_is_none() {
        let secret = "A".repeat(43);
        for wrong in [
            String::new(),
            TENANT.to_owned(),
            format!("{TENANT}."),
            format!("{TENANT}.short"),
            format!("{TENANT}.{}", "A".repeat(129)),
            format!("{TENANT}.{secret}="),
            format!("{TENANT}.{secret}/x"),
            format!("{}.{secret}", TENANT.to_uppercase()),
            format!("{}.{secret}", TENANT.replace('-', "")),
            format!("platform.{secret}"),
        ] {
            assert_eq!(WebhookKey::parse(&wrong), Err(KeyError), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_well_formed_key_is_taken(tenant: u128, secret in "[A-Za-z0-9_-]{22,128}") {
            let tenant = Uuid::from_u128(tenant);
            let key = WebhookKey::parse(&format!("{tenant}.{secret}"));
            prop_assert_eq!(key, Ok(WebhookKey { tenant: tenant.into(), hash: KeyHash::of(&secret) }));
        }

        #[test]
        fn any_text_is_a_key_or_an_error(text in ".{0,200}") {
            let _ = WebhookKey::parse(&text);
        }
    }
}
