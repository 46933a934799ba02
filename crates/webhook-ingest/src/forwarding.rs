//! Forwarding: each body of which an event was new goes, as LINE posted it, to the targets of its account (L-19).
//!
//! The commit of a body lets it wait for each target in the same statement ([`Forwarded`], `commit/statement.rs`), and nothing but its
//! arrival, its age or an erasure ends that. Any replica claims what may go next, by the rules of `webhook_ingest_core::forwarding`, and
//! calls the target ([`Forwarder`]), unless something that came before may still wait in the spill ([`Spilled`]); a claim is a lease by the database's clock, so what a dead replica held is called again, under the
//! same delivery ID. How targets do is kept with them, and what became too old is ended ([`Tending`]).

mod call;
mod claim;
mod forwarded;
mod forwarder;
mod hands;
mod load;
mod service;
mod settle;
mod spilled;
mod target;
mod tend;
mod waiting;

use std::time::Duration;

pub(crate) use forwarded::{Forwarded, Lane};
pub(crate) use forwarder::Forwarder;
pub(crate) use service::Forwarding;
pub(crate) use spilled::Spilled;
pub(crate) use tend::Tending;

/// How long a claim lasts.
const LEASE: Duration = Duration::from_secs(30);
/// How long after its claim a call may begin: it takes ten seconds at most, and has ended before the claim runs out.
const CALLED_WITHIN: Duration = Duration::from_secs(15);
