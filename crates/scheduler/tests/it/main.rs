//! The scheduler on real Postgres and NATS.

#![expect(clippy::unwrap_used, reason = "what a test cannot have ends it, also outside of its own function")]

mod asking;
mod calls;
mod cancelling;
mod clocks;
mod digest;
mod digest_settings;
mod fairness;
mod firing;
mod house;
mod killing;
mod killing_plans;
mod messages;
mod outages;
mod reminder;
mod reminder_rules;
mod replicas;
mod retention;
mod town;
mod world;
