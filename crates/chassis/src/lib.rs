//! What every Tsunagi service stands on: one life for all processes, settings, telemetry, Postgres under a tenant, gRPC with
//! callers who are known, and the small things that must be done the same way everywhere.
//!
//! - [`main()`] and [`Program`]: the whole of a service's `main.rs`; [`Host`] and [`config`]: life and settings;
//! - [`postgres`]: pools, tenant transactions, migrations; [`PLUMBING`]: the tables this crate needs in every schema;
//!   [`work_queue`]: jobs that wait in a table, tenants in turn;
//! - [`grpc`], [`http`], [`auth`], [`request`], [`page`]: serving and calling; [`idempotency`], [`audit`]: rows beside each change;
//! - [`egress`]: calling addresses that somebody entered;
//! - [`seal`], [`envelope`]: secrets on their way and at rest; [`tls`]: what listeners show of themselves; [`trace`], [`failpoint`].

pub mod audit;
pub mod auth;
mod clock;
pub mod config;
pub mod egress;
pub mod envelope;
pub mod failpoint;
pub mod grpc;
mod host;
pub mod http;
pub mod idempotency;
pub mod page;
pub mod postgres;
mod program;
mod quiet;
pub mod request;
pub mod seal;
pub mod tls;
pub mod trace;
pub mod work_queue;

pub use clock::ClockTurn;
pub use host::{Gate, Host, HostConfig, HostError, Readiness};
pub use postgres::MigrationText;
pub use program::{Program, main};

/// The migrations of the tables this crate needs in every schema: replicas of callers, request IDs, audit, data keys.
pub const PLUMBING: &[MigrationText] = postgres::PLUMBING;
