//! Calls to addresses that somebody entered: one client for all of them.
//!
//! https only; the name is resolved once for each connection and the connection goes to that answer, so a name that changes its mind
//! in between (DNS rebinding) leads nowhere else; whatever is not a public address is refused unless `TSUNAGI_EGRESS_ALLOW` lists it;
//! no redirect is followed, no proxy is used, nothing is repeated; what is sent and how long it takes is bounded, and of the answer
//! only the status and `Retry-After` are read. Where a call was to go stands in no error and no log.

mod address;
mod allow;
mod client;
mod lookup;
mod target;

pub use allow::Allowed;
pub use client::{Egress, EgressAnswer, EgressConfig, EgressError, EgressSetupError};
pub use lookup::Lookup;
pub use target::{Target, TargetError};

#[cfg(test)]
mod tests;
