//! webhook-ingest alone, against real Postgres, real NATS and real HTTP.

mod archive;
mod outage;
mod publication;
mod quarantine;
mod refusal;
mod stage;
mod taking;
