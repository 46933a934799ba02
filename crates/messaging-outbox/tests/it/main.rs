//! messaging-outbox on real Postgres and NATS, with the simulator in LINE's place.

#![expect(clippy::unwrap_used, reason = "what a test cannot have ends it, also outside of its own function")]

mod conversing;
mod faults;
mod isolation;
mod killing;
mod receiver;
mod sending;
mod watching;
mod world;
