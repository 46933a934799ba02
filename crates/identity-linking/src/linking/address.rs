//! Addresses of browsers, as they are kept: hashed, so that attempts from one address can be counted and nobody can read it.

use std::net::IpAddr;

use chassis::envelope::MasterKeys;
use hmac::{Hmac, KeyInit, Mac};
use kernel::TenantId;
use sha2::Sha256;
use zeroize::Zeroizing;

/// What addresses are hashed with; the same in every replica.
pub(crate) struct AddressKeys(Hmac<Sha256>);

impl AddressKeys {
    /// Follows from the current master key. After a new one attempts are counted from nothing.
    pub(crate) fn new(master_keys: &MasterKeys) -> Self {
        Self::of(&master_keys.derive("identity.address").into_iter().next().unwrap_or_default())
    }

    fn of(key: &Zeroizing<[u8; 32]>) -> Self {
        // RFC 2104 fills a shorter key up with zeros to the length of a block.
        let mut block = Zeroizing::new([0; 64]);
        block[..key.len()].copy_from_slice(&**key);
        Self(Hmac::new(&(*block).into()))
    }

    /// The hash of a browser's address within a tenant: of IPv6 what one subscriber has.
    pub(crate) fn hash(&self, tenant: TenantId, address: IpAddr) -> [u8; 32] {
        let subscriber = match address.to_canonical() {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets()[..8].to_vec(),
        };
        self.0.clone().chain_update(tenant.uuid().as_bytes()).chain_update(subscriber).finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_subscriber_is_one_address_to_one_tenant() {
        let keys = AddressKeys::of(&Zeroizing::new([7; 32]));
        let hash = |tenant: u128, address: &str| keys.hash(Uuid::from_u128(tenant).into(), address.parse().unwrap());
        assert_eq!(hash(1, "192.0.2.1"), hash(1, "::ffff:192.0.2.1"));
        assert_eq!(hash(1, "2001:db8:1:2::3"), hash(1, "2001:db8:1:2:ffff::9"));
        assert_ne!(hash(1, "2001:db8:1:2::3"), hash(1, "2001:db8:1:3::3"));
        assert_ne!(hash(1, "192.0.2.1"), hash(1, "192.0.2.2"));
        assert_ne!(hash(1, "192.0.2.1"), hash(2, "192.0.2.1"));
    }
}
