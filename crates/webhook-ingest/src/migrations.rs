//! The schema `ingest`, and the program that owns it.

use chassis::{MigrationText, Program};

/// The tables of this service; [`chassis::PLUMBING`] and [`bus::PLUMBING`] come before them.
pub const MIGRATIONS: &[MigrationText] = &[
    MigrationText { version: 1000, name: "archive", sql: include_str!("../migrations/1000_archive.sql") },
    MigrationText { version: 1001, name: "partitions", sql: include_str!("../migrations/1001_partitions.sql") },
    MigrationText { version: 1002, name: "sealed_bodies", sql: include_str!("../migrations/1002_sealed_bodies.sql") },
    MigrationText { version: 1003, name: "erasure", sql: include_str!("../migrations/1003_erasure.sql") },
    MigrationText { version: 1004, name: "retention", sql: include_str!("../migrations/1004_retention.sql") },
    MigrationText { version: 1010, name: "forwarding", sql: include_str!("../migrations/1010_forwarding.sql") },
    MigrationText { version: 1020, name: "quarantine", sql: include_str!("../migrations/1020_quarantine.sql") },
    MigrationText { version: 1021, name: "held_bodies", sql: include_str!("../migrations/1021_held_bodies.sql") },
    MigrationText { version: 1030, name: "replay", sql: include_str!("../migrations/1030_replay.sql") },
    MigrationText { version: 1040, name: "refill_place", sql: include_str!("../migrations/1040_refill_place.sql") },
];

/// The program.
pub const PROGRAM: Program = Program {
    name: "webhook-ingest",
    service: "ingest",
    about: "Receives LINE's webhooks, keeps them, and publishes their events.",
    migrations: &[chassis::PLUMBING, bus::PLUMBING, MIGRATIONS],
};
