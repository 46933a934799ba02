//! The bus against real Postgres and real NATS.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod child;
mod consuming;
mod cost;
mod dead_letters;
mod losses;
mod relaying;
mod replicas;
mod retrying;
mod sharing;
mod spilling;
mod stream_settings;
mod world;
