//! The scheduler on real Postgres and NATS.

#![expect(clippy::unwrap_used, reason = "what a test cannot have ends it, also outside of its own function")]

mod firing;
mod house;
mod world;
