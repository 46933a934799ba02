//! Bodies that only a secret not known here yet may prove: held for a quarter of an hour, and judged once more when the account's
//! secret is set. LINE was told 401 and may deliver them again; stored twice, they are stored once.
//!
//! Whoever floods an address with wrong signatures fills a bounded memory ([`waiting`]) and a bounded part of a table ([`keeper`]), and
//! keeps no answer waiting.

mod keeper;
mod prover;
mod table;
mod waiting;

pub(crate) use keeper::Keeper;
pub(crate) use prover::Prover;
pub(crate) use waiting::{Held, HeldBody};

/// Counts bodies by what became of them: `kept` in the table, `no_room` for them there or in memory, `proved` by a secret that was set
/// since, or `unproved` when their time was over.
fn count(outcome: &'static str, bodies: u64) {
    metrics::counter!("tsunagi_ingest_held_bodies_total", "outcome" => outcome).increment(bodies);
}
