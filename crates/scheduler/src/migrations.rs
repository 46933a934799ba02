//! The tables of the schema `scheduler`, beside those of the chassis and the bus.

use chassis::MigrationText;

/// This service's migrations.
pub const MIGRATIONS: &[MigrationText] = &[
    MigrationText { version: 1000, name: "timers", sql: include_str!("../migrations/1000_timers.sql") },
    MigrationText { version: 1010, name: "replicas", sql: include_str!("../migrations/1010_replicas.sql") },
    MigrationText { version: 1011, name: "digest", sql: include_str!("../migrations/1011_digest.sql") },
    MigrationText { version: 1012, name: "reminder", sql: include_str!("../migrations/1012_reminder.sql") },
    MigrationText { version: 1013, name: "timer_turns", sql: include_str!("../migrations/1013_timer_turns.sql") },
    MigrationText {
        version: 1020,
        name: "reservation_retention",
        sql: include_str!("../migrations/1020_reservation_retention.sql"),
    },
    MigrationText {
        version: 1021,
        name: "reservation_version",
        sql: include_str!("../migrations/1021_reservation_version.sql"),
    },
];
