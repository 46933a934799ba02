//! The chassis against a real PostgreSQL, a real gRPC server and real processes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, in helpers as in the test itself")]

mod auth;
mod caller;
mod directory;
mod envelope;
mod grpc;
mod idempotency;
mod migrate;
mod process;
mod stage;
mod telemetry;
mod tenancy;
mod tls;
mod work_queue;
