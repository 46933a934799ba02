//! webhook-ingest alone, against real Postgres, real NATS and real HTTP.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, in helpers as in the test itself")]

mod account;
mod archive;
mod erasure;
mod forwarding;
mod full;
mod holding;
mod hostile;
mod outage;
mod own_tls;
mod publication;
mod quarantine;
mod refusal;
mod releasing;
mod replay;
mod retention;
mod search;
mod stage;
mod taking;
