#![doc = include_str!("../README.md")]

mod connection;
pub mod consumer;
pub mod continuity;
pub mod dead_letter;
mod erase;
mod fate;
pub mod header;
pub mod inbox;
mod incoming;
mod lease;
pub mod outbox;
mod parked;
pub mod publish;
pub mod relay;
pub mod replica;
pub mod signal;
pub mod spill;
pub mod stream;
pub mod subject;
mod wake;

pub use connection::{Bus, BusConfig, BusError};
pub use consumer::{ConsumerSpec, Handler};
pub use fate::{Cause, Handled, Patience, Trouble, Verdict};
pub use incoming::Incoming;

/// The migrations of the tables this crate needs in every schema: outbox, inbox, parked messages, what is remembered of streams.
pub const PLUMBING: &[chassis::MigrationText] =
    &[chassis::MigrationText { version: 100, name: "bus", sql: include_str!("plumbing.sql") }];
