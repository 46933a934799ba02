//! The schema `identity`, one text per capability. Expand first, contract later: the running version must live with the next one.

use chassis::MigrationText;

macro_rules! migrations {
    ($($version:literal $name:literal),+ $(,)?) => {
        /// This service's own migrations, behind those of chassis and bus.
        pub const MIGRATIONS: &[MigrationText] = &[$(MigrationText {
            version: $version,
            name: $name,
            sql: include_str!(concat!("../migrations/", $version, "_", $name, ".sql")),
        }),+];
    };
}

migrations! {
    1001 "tenant",
    1002 "staff",
    1003 "principal",
    1004 "account",
    1005 "friend",
    1006 "customer",
    1007 "provider_version",
    1008 "friend_tally",
    1009 "profile_turns",
    1010 "link",
    1011 "provider_evidence",
    1012 "staff_line",
    1013 "account_check",
    1014 "branch_customers",
    1015 "shared_staff_account",
    1016 "staff_retention",
    1020 "rebuild",
    1070 "friend_coverage",
}
