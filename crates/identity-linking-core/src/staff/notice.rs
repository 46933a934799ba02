//! What staff are to hear of (F-70): whose staff that are.

use kernel::OrganizationId;

use crate::account::OfficialAccount;
use crate::word::words;

words! {
    /// What a notice to staff is about.
    NoticeKind {
        /// Somebody added the official account as a friend, or came back.
        FriendAdded = "FRIEND_ADDED",
        /// A link attempt is held.
        LinkHeld = "LINK_HELD",
        /// Somebody asks to take over a customer's link.
        TakeoverRequested = "TAKEOVER_REQUESTED",
        /// LINE's own chat is on.
        ChatModeOn = "CHAT_MODE_ON",
    }
}

/// The organization whose staff hear of something about an account: that of the customer it is about, where there is one, else that
/// of the account's friends: its owner in per-branch mode (F-53), the default one in shared mode (F-69). None: nobody hears of it
/// (F-71).
pub fn addressed(account: &OfficialAccount, customer: Option<OrganizationId>) -> Option<OrganizationId> {
    customer.or(account.organization_of_friends())
}
