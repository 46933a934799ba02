//! The scheduler on real Postgres and NATS.

#![expect(clippy::unwrap_used, reason = "what a test cannot have ends it, also outside of its own function")]

mod asking;
mod digest;
mod digest_settings;
mod firing;
mod house;
mod killing_plans;
mod reminder;
mod reminder_rules;
mod town;
mod world;
