//! The schema `ingest`, and the program that owns it.

use chassis::{MigrationText, Program};

/// The tables of this service; [`chassis::PLUMBING`] and [`bus::PLUMBING`] come before them.
pub const MIGRATIONS: &[MigrationText] = &[
    MigrationText { version: 1000, name: "archive", sql: include_str!("../migrations/1000_archive.sql") },
    MigrationText { version: 1001, name: "partitions", sql: include_str!("../migrations/1001_partitions.sql") },
];

/// The program.
pub const PROGRAM: Program = Program {
    name: "webhook-ingest",
    service: "ingest",
    about: "Receives LINE's webhooks, keeps them, and publishes their events.",
    migrations: &[chassis::PLUMBING, bus::PLUMBING, MIGRATIONS],
};
