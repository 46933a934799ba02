//! The key in an account's webhook address.

use kernel::TenantId;

use crate::secret::BearerSecret;

/// The last part of `/line/webhooks/{webhook_key}`: `{tenant}.{secret}`. Shown once; only the secret's hash is kept.
#[derive(Debug)]
pub struct WebhookKey {
    tenant: TenantId,
    secret: BearerSecret,
}

impl WebhookKey {
    /// The key of 32 bytes that nobody can guess.
    pub fn of(tenant: TenantId, random: [u8; 32]) -> Self {
        Self { tenant, secret: BearerSecret::of(random) }
    }

    /// The key as it stands in the address.
    pub fn reveal(&self) -> String {
        format!("{}.{}", self.tenant, self.secret.reveal())
    }

    /// SHA-256 of the secret part's characters.
    pub fn hash(&self) -> [u8; 32] {
        self.secret.hash()
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
        assert!(!format!("{key:?}").contains(text.rsplit('.').next().unwrap()));
    }
}
