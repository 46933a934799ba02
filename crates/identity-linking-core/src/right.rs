//! What a principal or a staff member may do. The words are those of `tsunagi.access.v1.Right`.

use std::collections::BTreeSet;

macro_rules! rights {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal),+ $(,)?) => {
        /// One right.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Right {
            $($(#[doc = $doc])+ $name),+
        }

        impl Right {
            /// Every right there is.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its word, without the prefix `RIGHT_`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word),+
                }
            }
        }
    };
}

rights! {
    /// Create, read and change tenants.
    TenantsManage = "TENANTS_MANAGE",
    /// Create, list and revoke principals and register their assertion keys.
    PrincipalsManage = "PRINCIPALS_MANAGE",
    /// Read organizations and staff.
    StaffRead = "STAFF_READ",
    /// Create and change organizations and staff.
    StaffManage = "STAFF_MANAGE",
    /// Read providers and official accounts.
    AccountsRead = "ACCOUNTS_READ",
    /// Create, connect and change providers and official accounts.
    AccountsManage = "ACCOUNTS_MANAGE",
    /// Read customers and their activities.
    CustomersRead = "CUSTOMERS_READ",
    /// Create and change customers.
    CustomersWrite = "CUSTOMERS_WRITE",
    /// Record activities.
    ActivitiesWrite = "ACTIVITIES_WRITE",
    /// Read LINE users and friendships, without LINE user IDs.
    FriendsRead = "FRIENDS_READ",
    /// See LINE user IDs (F-79, D-8).
    LineUserIdRead = "LINE_USER_ID_READ",
    /// Grant rights that need a higher hand (F-80).
    Master = "MASTER",
    /// Read conversations and messages.
    ConversationsRead = "CONVERSATIONS_READ",
    /// Send messages.
    MessagesSend = "MESSAGES_SEND",
    /// Settle messages whose outcome is unknown.
    MessagesSettle = "MESSAGES_SETTLE",
    /// Read quarantined bodies, findings and dead letters.
    OperationsRead = "OPERATIONS_READ",
    /// Replay or drop dead letters.
    OperationsManage = "OPERATIONS_MANAGE",
    /// Read snapshots that feed another service's replica.
    ReplicasRead = "REPLICAS_READ",
    /// Have LINE called on an account's behalf.
    LineGatewayCall = "LINE_GATEWAY_CALL",
    /// Submit link attempts on behalf of an internal service's own pages.
    LinksSubmit = "LINKS_SUBMIT",
    /// Vouch for links, end them, settle held attempts and take-over requests, undo merges.
    LinksManage = "LINKS_MANAGE",
    /// Read timers, and what was missed of them.
    TimersRead = "TIMERS_READ",
    /// Make, move and cancel timers.
    TimersWrite = "TIMERS_WRITE",
    /// Read when digests and reminders come, and what became of them.
    SchedulesRead = "SCHEDULES_READ",
    /// Set when digests and reminders come and what reminders say.
    SchedulesManage = "SCHEDULES_MANAGE",
    /// Read how staff are told of what happens, and what became of notices.
    NoticesRead = "NOTICES_READ",
    /// Set how staff are told of what happens.
    NoticesManage = "NOTICES_MANAGE",
    /// Have a service make anew what it keeps of LINE's events.
    RebuildsCall = "REBUILDS_CALL",
}

/// Several rights.
pub type Rights = BTreeSet<Right>;

impl Right {
    /// The right a kept word means.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|right| right.as_str() == word)
    }

    /// Whether only the platform's own principals may hold it: it reaches over tenants, or belongs to the services.
    pub fn is_platform_only(self) -> bool {
        matches!(self, Self::TenantsManage | Self::ReplicasRead | Self::LineGatewayCall | Self::RebuildsCall)
    }

    /// Whether giving or taking it needs [`Right::Master`] (F-80).
    pub fn needs_master(self) -> bool {
        matches!(self, Self::Master | Self::LineUserIdRead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_right_is_found_by_its_word() {
        for right in Right::ALL {
            assert_eq!(Right::named(right.as_str()), Some(*right));
        }
        assert_eq!(Right::named("UNSPECIFIED"), None);
    }
}
