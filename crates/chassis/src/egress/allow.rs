//! What may be called beside the public internet.

use std::net::IpAddr;

use super::address::{holds_v4, holds_v6, is_public};
use crate::config::{Setting, Settings};

/// Hosts and networks that may be called though they are not public.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Names, in lower case and without a dot at the end.
    hosts: Vec<String>,
    /// Networks, each with how many leading bits its addresses share.
    networks: Vec<(IpAddr, u32)>,
}

impl Allowed {
    /// Reads `TSUNAGI_EGRESS_ALLOW`.
    pub fn read(settings: &mut Settings) -> Self {
        settings
            .optional(
                "TSUNAGI_EGRESS_ALLOW",
                "Hosts and networks (10.1.0.0/16) that may be called at addresses somebody entered though they are not public, with \
                 commas. Names are meant exactly, and stand for whatever they resolve to.",
            )
            .unwrap_or_default()
    }

    /// Whether the name is listed.
    pub(super) fn holds_host(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        self.hosts.iter().any(|listed| listed.eq_ignore_ascii_case(host))
    }

    /// Whether the address may be called: it is public, or lies in a listed network.
    pub(super) fn permits(&self, address: IpAddr) -> bool {
        let lies_in = |network: &(IpAddr, u32)| match (*network, address) {
            ((IpAddr::V4(first), bits), IpAddr::V4(address)) => holds_v4((first, bits), address),
            ((IpAddr::V6(first), bits), IpAddr::V6(address)) => holds_v6((first, bits), address),
            _ => false,
        };
        is_public(address) || self.networks.iter().any(lies_in)
    }
}

impl Setting for Allowed {
    const FORM: &'static str = "a list of hosts and networks with commas";

    fn parse(text: &str) -> Result<Self, String> {
        let mut allowed = Self::default();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            if let Some((first, bits)) = entry.split_once('/') {
                let first: IpAddr = first.parse().map_err(|_| "a network has no address before its `/`")?;
                let most = if first.is_ipv4() { 32 } else { 128 };
                let bits = bits.parse().ok().filter(|bits| *bits <= most);
                allowed.networks.push((first, bits.ok_or("a network has no number of bits behind its `/`")?));
            } else if let Ok(address) = entry.parse::<IpAddr>() {
                allowed.networks.push((address, if address.is_ipv4() { 32 } else { 128 }));
            } else {
                let host = url::Host::parse(entry).map_err(|_| "an entry is neither a host nor a network")?;
                allowed.hosts.push(host.to_string().trim_end_matches('.').to_ascii_lowercase());
            }
        }
        Ok(allowed)
    }

    fn placeholder() -> Self {
        Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_permits_its_own_addresses_and_a_name_its_own_host() {
        let allowed = Allowed::parse("10.1.0.0/16, Hooks.internal., fd12::/16,127.0.0.1,").unwrap();
        for (address, permitted) in [
            ("10.1.2.3", true),
            ("10.2.0.1", false),
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("fd12:1::1", true),
            ("fd13::1", false),
            ("::ffff:10.1.2.3", false),
            ("8.8.8.8", true),
        ] {
            assert_eq!(allowed.permits(address.parse().unwrap()), permitted, "{address}");
        }
        assert!(allowed.holds_host("hooks.INTERNAL") && allowed.holds_host("hooks.internal."));
        assert!(!allowed.holds_host("a.hooks.internal") && !allowed.holds_host("hooks.internal.example"));
        assert!(!Allowed::default().permits("10.1.2.3".parse().unwrap()));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for wrong in ["10.0.0.0/33", "10.0.0.0/", "/8", "fd00::/129", "a b", "http://x"] {
            assert!(Allowed::parse(wrong).is_err(), "{wrong}");
        }
    }
}
