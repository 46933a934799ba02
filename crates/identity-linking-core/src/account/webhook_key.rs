//! The key in an account's webhook address.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::TenantId;
use sha2::{Digest, Sha256};

/// The last part of `/line/webhooks/{webhook_key}`: `{tenant}.{secret}`, the secret 32 random bytes as 43 characters of
/// base64url. Shown once; only the secret's hash is kept. `Debug` shows none of it.
pub struct WebhookKey {
    tenant: TenantId,
    secret: String,
}

impl WebhookKey {
    /// The key of 32 bytes that nobody can guess.
    pub fn of(tenant: TenantId, random: [u8; 32]) -> Self {
        Self { tenant, secret: URL_SAFE_NO_PAD.encode(random) }
    }

    /// The key as it stands in the address.
    pub fn reveal(&self) -> String {
        format!("{}.{}", self.tenant, self.secret)
    }

    /// SHA-256 of the secret part's characters.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret.as_bytes()).into()
    }
}

impl fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_carries_its_tenant_in_clear_and_fits_an_address() {
        let tenant = TenantId::from(uuid::Uuid::from_u128(7));
        let key = WebhookKey::of(tenant, [0xfb; 32]);
        let text = key.reveal();
        assert!(text.starts_with(&format!("{tenant}.")));
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')));
        let secret = text.rsplit('.').next().unwrap();
        assert_eq!(secret.len(), 43);
        assert_eq!(key.hash(), <[u8; 32]>::from(Sha256::digest(secret)));
        assert!(!format!("{key:?}").contains(secret));
    }
}
