//! The tables of the schema `scheduler`, beside those of the chassis and the bus.

use chassis::MigrationText;

/// This service's migrations.
pub const MIGRATIONS: &[MigrationText] =
    &[MigrationText { version: 1000, name: "timers", sql: include_str!("../migrations/1000_timers.sql") }];
