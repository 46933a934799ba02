//! The tables of the schema `messaging`, beside those of the chassis and the bus.

use chassis::MigrationText;

/// This service's migrations.
pub const MIGRATIONS: &[MigrationText] = &[
    MigrationText { version: 1000, name: "replicas", sql: include_str!("../migrations/1000_replicas.sql") },
    MigrationText { version: 1001, name: "conversations", sql: include_str!("../migrations/1001_conversations.sql") },
    MigrationText { version: 1002, name: "send_queue", sql: include_str!("../migrations/1002_send_queue.sql") },
    MigrationText { version: 1003, name: "content", sql: include_str!("../migrations/1003_content.sql") },
    MigrationText { version: 1004, name: "access_token", sql: include_str!("../migrations/1004_access_token.sql") },
    MigrationText { version: 1005, name: "group_name", sql: include_str!("../migrations/1005_group_name.sql") },
    MigrationText { version: 1006, name: "job_turns", sql: include_str!("../migrations/1006_job_turns.sql") },
    MigrationText { version: 1007, name: "token_renewals", sql: include_str!("../migrations/1007_token_renewals.sql") },
    MigrationText { version: 1008, name: "writer", sql: include_str!("../migrations/1008_writer.sql") },
    MigrationText { version: 1010, name: "scheduled_send", sql: include_str!("../migrations/1010_scheduled_send.sql") },
    MigrationText { version: 1011, name: "reminder", sql: include_str!("../migrations/1011_reminder.sql") },
    MigrationText { version: 1012, name: "notices", sql: include_str!("../migrations/1012_notices.sql") },
    MigrationText { version: 1016, name: "placing", sql: include_str!("../migrations/1016_placing.sql") },
    MigrationText { version: 1017, name: "digest", sql: include_str!("../migrations/1017_digest.sql") },
    MigrationText { version: 1018, name: "staff_bar", sql: include_str!("../migrations/1018_staff_bar.sql") },
    MigrationText {
        version: 1030,
        name: "reservation_retention",
        sql: include_str!("../migrations/1030_reservation_retention.sql"),
    },
    MigrationText {
        version: 1031,
        name: "shared_staff_account",
        sql: include_str!("../migrations/1031_shared_staff_account.sql"),
    },
    MigrationText {
        version: 1032,
        name: "order_of_moments",
        sql: include_str!("../migrations/1032_order_of_moments.sql"),
    },
    MigrationText {
        version: 1033,
        name: "left_conversations",
        sql: include_str!("../migrations/1033_left_conversations.sql"),
    },
    MigrationText { version: 1034, name: "line_tab", sql: include_str!("../migrations/1034_line_tab.sql") },
    MigrationText { version: 1035, name: "reminder_wait", sql: include_str!("../migrations/1035_reminder_wait.sql") },
    MigrationText {
        version: 1036,
        name: "link_policy_replica",
        sql: include_str!("../migrations/1036_link_policy_replica.sql"),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use messaging_outbox_core::state::MessageState;

    #[test]
    fn the_tables_draw_attention_to_the_states_of_the_core() {
        let codes = MessageState::FOR_ATTENTION.map(|state| state.code().to_string()).join(", ");
        let column = format!("CASE WHEN direction = 2 AND state IN ({codes}) THEN state END");
        assert!(MIGRATIONS.iter().any(|migration| migration.sql.contains(&column)), "{column}");
    }
}
