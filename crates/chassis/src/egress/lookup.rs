//! Asking for the addresses of a name, and judging the answer before anything connects to it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::Allowed;

/// Somebody who knows the addresses of names.
pub trait Lookup: Send + Sync + 'static {
    /// The addresses of `host`.
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>>;
}

/// The machine's own resolver.
pub(super) struct Machine;

impl Lookup for Machine {
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// A name that leads to an address nobody may call.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the name leads to an address that may not be called")]
pub(super) struct ForbiddenAddress;

/// A name that leads nowhere.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the name leads nowhere")]
struct NoAddress;

/// Resolves names for one client: each connection is made to the very answer that was judged. One forbidden address forbids all,
/// so that which of them is tried first does not matter.
pub(super) struct Judged {
    pub(super) lookup: Arc<dyn Lookup>,
    pub(super) allowed: Allowed,
}

impl Judged {
    fn judge(allowed: &Allowed, host: &str, addresses: &[IpAddr]) -> Result<(), ForbiddenAddress> {
        let fine = allowed.holds_host(host) || addresses.iter().all(|address| allowed.permits(*address));
        if fine { Ok(()) } else { Err(ForbiddenAddress) }
    }
}

impl Resolve for Judged {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, allowed) = (Arc::clone(&self.lookup), self.allowed.clone());
        Box::pin(async move {
            // The resolver's own words would tell the name.
            let addresses = lookup.addresses(name.as_str()).await.map_err(|_| NoAddress)?;
            if addresses.is_empty() {
                return Err(NoAddress.into());
            }
            Self::judge(&allowed, name.as_str(), &addresses)?;
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}
