//! webhook-ingest alone, against real Postgres, real NATS and real HTTP.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, in helpers as in the test itself")]

mod account;
mod archive;
mod outage;
mod publication;
mod quarantine;
mod refusal;
mod stage;
mod taking;
