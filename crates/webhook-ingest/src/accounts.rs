//! The accounts whose webhooks are taken: fed by identity-linking's events into a table, kept in memory by every replica.
//!
//! Verification reads memory alone, so it goes on while Postgres, NATS and identity-linking are away. A replica that never
//! read the table is not ready.

mod known;
mod material;
mod replica;
mod table;

pub(crate) use known::Known;
pub(crate) use replica::AccountReplicas;
pub use replica::{ApplyError, apply};
pub(crate) use table::{is_known, tenants};
