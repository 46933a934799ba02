//! PostgreSQL: one schema and two roles a service, a tenant on every transaction, migrations, and what an error means.
//!
//! The role `{schema}` sees the rows of the tenant its transaction names ([`Database::tenant`]) and nothing without one.
//! The role `{schema}_worker` ([`Database::worker`]) sees queue tables over all tenants: IDs, times, states, hashes.

mod config;
mod database;
mod error;
mod migrate;
mod roles;
mod tenant_tx;
mod tend;

pub use config::PostgresConfig;
pub use database::Database;
pub use error::{constraint, is_unavailable};
pub use migrate::{MigrateError, MigrationText, migrate};
pub use roles::set_passwords;
pub use tenant_tx::TenantTx;

pub(crate) use migrate::PLUMBING;
