//! Whether anything may be sent in a conversation now.

/// What is known of the account, the tenant and the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "six independent facts, each true or false")]
pub struct SendGate {
    /// The tenant is suspended.
    pub tenant_suspended: bool,
    /// The account is connected: not merely registered, not paused.
    pub account_connected: bool,
    /// The LINE user blocked the account; LINE would take a push and deliver nothing
    /// (<https://developers.line.biz/en/reference/messaging-api/#send-push-message>).
    pub friend_blocked: bool,
    /// Another module channel holds the chat (D-11).
    pub standby: bool,
    /// LINE named somebody to push to.
    pub has_recipient: bool,
    /// A reply token is at hand.
    pub has_reply_token: bool,
}

/// Why nothing may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SendBarrier {
    /// The tenant is suspended.
    #[error("the tenant is suspended")]
    TenantSuspended,
    /// The account is not connected, or paused.
    #[error("the official account is not connected")]
    AccountNotConnected,
    /// The user blocked the account.
    #[error("the user blocked the official account")]
    FriendBlocked,
    /// Another module holds the chat.
    #[error("another module holds this chat")]
    Standby,
    /// LINE does not name the sender, and no reply token is left.
    #[error("LINE does not name the sender, and no reply token is left")]
    SenderNotNamed,
}

impl SendBarrier {
    /// The name of the proto's `ErrorReason` without its prefix.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TenantSuspended => "TENANT_SUSPENDED",
            Self::AccountNotConnected => "ACCOUNT_NOT_CONNECTED",
            Self::FriendBlocked => "FRIEND_BLOCKED",
            Self::Standby => "STANDBY",
            Self::SenderNotNamed => "SENDER_NOT_NAMED",
        }
    }
}

impl SendGate {
    /// Nothing, or the first barrier, from the widest to the narrowest.
    pub const fn check(self) -> Result<(), SendBarrier> {
        if self.tenant_suspended {
            Err(SendBarrier::TenantSuspended)
        } else if !self.account_connected {
            Err(SendBarrier::AccountNotConnected)
        } else if self.friend_blocked {
            Err(SendBarrier::FriendBlocked)
        } else if self.standby {
            Err(SendBarrier::Standby)
        } else if !self.has_recipient && !self.has_reply_token {
            Err(SendBarrier::SenderNotNamed)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_barrier_stops_by_its_own_name() {
        let open = SendGate {
            tenant_suspended: false,
            account_connected: true,
            friend_blocked: false,
            standby: false,
            has_recipient: true,
            has_reply_token: false,
        };
        assert_eq!(open.check(), Ok(()));
        assert_eq!(SendGate { has_recipient: false, has_reply_token: true, ..open }.check(), Ok(()));
        for (gate, barrier) in [
            (SendGate { tenant_suspended: true, ..open }, SendBarrier::TenantSuspended),
            (SendGate { account_connected: false, ..open }, SendBarrier::AccountNotConnected),
            (SendGate { friend_blocked: true, ..open }, SendBarrier::FriendBlocked),
            (SendGate { standby: true, ..open }, SendBarrier::Standby),
            (SendGate { has_recipient: false, ..open }, SendBarrier::SenderNotNamed),
        ] {
            assert_eq!(gate.check(), Err(barrier));
        }
    }
}
